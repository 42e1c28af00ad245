"""How long things take on a serial line.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, §2.5.1.1 (silence of 3.5
characters between frames, 1.75 ms above 19,200 baud).
"""

from __future__ import annotations

from typing import Final, Literal

from drivers.modbus.plan import Cost

Frame = Literal["8N1", "8E1", "8O1", "8N2"]
"""Data bits, parity and stop bits."""

OVERHEAD: Final = 13
"""Characters of a request, and of a reply without its data."""

_TURNAROUND_MS: Final = 10.0
_FAST: Final = 19_200


def character_seconds(baud: int, frame: Frame) -> float:
    """Give the time of one character: start bit, data bits, parity, stop bits."""
    return (1 + int(frame[0]) + (frame[1] != "N") + int(frame[2])) / baud


def quiet_seconds(baud: int, frame: Frame) -> float:
    """Give the silence that separates frames."""
    return 0.00175 if baud > _FAST else 3.5 * character_seconds(baud, frame)


def rtu_cost(baud: int, frame: Frame) -> Cost:
    """Foresee what a request costs: the line's time, and 10 ms in which the device thinks."""
    character, quiet = character_seconds(baud, frame), quiet_seconds(baud, frame)
    return Cost(1000 * (OVERHEAD * character + 2 * quiet) + _TURNAROUND_MS, 1000 * 2 * character)
