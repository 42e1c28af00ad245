"""What is true of the demo's products: the meter's electricity, and the air handler's air.

Counters must be exact: ``last`` is a value that the meter served within the window, ``delta`` the difference
of two lasts. A mean may differ from the true mean by what the quantity can change between two polls.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from agent.demo import air
from agent.demo.load import STEEPEST, mean_power
from agent.demo.verdict import Window

POWER: Final = "main-meter.active_power"
COUNTER: Final = "main-meter.import_energy"
SUPPLY: Final = "ahu-1.supply_temperature"
FAN: Final = "ahu-1.supply_fan"
ENERGY: Final = "energy"
AIR: Final = "air"
_POLL: Final = 1.0  # seconds between two polls, as the template says
_EDGE: Final = 0.3  # a reply is stamped when it arrives, a moment after it was served
_SAME: Final = 0.003  # kWh: less than the meter's smallest step, more than a single's rounding
_IN_KILO: Final = {"W": 1e-3, "W.h": 1e-3, "kW": 1.0, "kW.h": 1.0}

Served = tuple[float, float]
"""UTC seconds and the counter value that the meter gave then."""


class Electricity:
    """Judges the product ``energy`` by what the meter says that it *served*."""

    usual: frozenset[str] = frozenset()

    def __init__(self, served: Sequence[Served]) -> None:
        self._served = served

    def text(self, window: Window) -> str:
        """Write power, counter and what it grew by."""
        power, truth = _kilo(window, POWER, "mean"), mean_power(window.start, window.end)
        last, delta = _kilo(window, COUNTER, "last"), _kilo(window, COUNTER, "delta")
        return f"{_figure(power)} kW (truth {truth:.2f}), {_figure(last)} kWh, +{_figure(delta)}"

    def faults(self, window: Window, before: Window | None) -> list[str]:
        """Name what is not true."""
        mean, last = _kilo(window, POWER, "mean"), _kilo(window, COUNTER, "last")
        truth = mean_power(window.start, window.end)
        said = _mean_faults("power", mean, truth, STEEPEST * _POLL + 0.05)
        said += self._last_faults(last, window)
        if last is not None and before is not None:
            was, delta = _kilo(before, COUNTER, "last"), _kilo(window, COUNTER, "delta")
            if was is not None and (delta is None or abs(delta - (last - was)) >= 1e-6):
                said.append(f"delta {delta} kWh, yet the counter went from {was} to {last}")
        return said

    def _last_faults(self, last: float | None, window: Window) -> list[str]:
        if last is None:
            return ["the counter's last value is missing"]
        inside = (value for at, value in self._served if window.start - _EDGE <= at < window.end + _EDGE)
        if any(abs(_as_single(value) - last) <= _SAME for value in inside):
            return []
        return [f"counter {last} kWh was never served within the window"]


class Air:
    """Judges the product ``air``."""

    usual: frozenset[str] = frozenset()

    def text(self, window: Window) -> str:
        """Write the temperature of the supply air, and how much of the time its fan ran."""
        mean, truth = window.cell(SUPPLY, "mean"), air.mean_supply_temperature(window.start, window.end)
        share = window.cell(FAN, "share")
        ran = "-" if share is None else f"{100 * share:.0f} %"
        return f"{_figure(mean)} Cel (truth {truth:.2f}), fan ran {ran}"

    def faults(self, window: Window, before: Window | None) -> list[str]:
        """Name what is not true; a window needs no other to be judged."""
        del before
        truth = air.mean_supply_temperature(window.start, window.end)
        said = _mean_faults("supply air", window.cell(SUPPLY, "mean"), truth, air.STEEPEST * _POLL + 0.05)
        share, ran = window.cell(FAN, "share"), air.share_of_running(window.start, window.end)
        allowed = (_POLL + _EDGE) / window.width
        if share is None:
            said.append("the fan's share of running is missing")
        elif abs(share - ran) > allowed:
            said.append(f"the fan ran {share:.2f} of it, truth {ran:.2f}: polling allows {allowed:.2f}")
        return said


def _mean_faults(what: str, mean: float | None, truth: float, allowed: float) -> list[str]:
    if mean is None:
        return [f"the mean {what} is missing"]
    if abs(mean - truth) <= allowed:
        return []
    return [f"mean {what} {mean:.2f}, truth {truth:.2f}: polling allows {allowed:.2f}"]


def _kilo(window: Window, point: str, column: str) -> float | None:
    value = window.cell(point, column)
    return None if value is None else value * _IN_KILO.get(window.units.get(point, "kW"), 1.0)


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _as_single(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])
