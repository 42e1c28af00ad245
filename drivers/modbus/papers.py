"""Which device answers under a unit number: its serial number and its firmware, where it says them.

Asked at the start, whenever it has been away for longer than it takes to replace a meter, and every hour.
While it is not known whether a meter is still the same one, its counters have no value.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final

from agent.core.sample import Meter
from agent.core.whose import Whose, fingerprint
from drivers.modbus.learnt import is_refusal
from drivers.modbus.plan import Block
from drivers.modbus.registers import Registers
from drivers.modbus.request import Answer, Fault

_ABSENCE: Final = 30.0  # seconds without a word in which nobody replaces a meter
_HOUR: Final = 3600.0
_TRIES: Final = 3

Ask = Callable[[Block], Awaitable[Answer | Fault]]


class Papers:
    """What is known of who a device is; *counters* are the full names of its counters."""

    def __init__(self, device: str, serial: Registers | None, counters: Sequence[str]) -> None:
        self._serial = serial.block if serial is not None and counters else None
        self._whose = Whose(device, counters)
        self._next = -inf
        self._tries = 0
        self.waits = False  # whether it was silent: it is asked again when it speaks
        self.unproven = self._serial is not None

    def due(self, now: float, heard: float) -> bool:
        """Say whether to ask for the serial number; the device was *heard* last at that boot second."""
        if self._serial is None or self.waits:
            return False
        return self.unproven or now >= self._next or now - heard > _ABSENCE

    async def show(self, ask: Ask, now: float) -> tuple[list[Meter], bool]:
        """Ask for the serial number; give word of the meter, and whether the device spoke at all."""
        assert self._serial is not None
        marks: list[Meter] | None = None
        for _ in range(2):  # a change has to be said twice
            reply = await ask(self._serial)
            if not isinstance(reply, Answer) or not _is_told(reply.data):
                return self._not_told(reply, now)
            if (marks := self._whose.hear(reply.data, reply.at)) is not None:
                break
        self.unproven, self.waits = marks is None, False
        if marks is not None:
            self._next, self._tries = now + _HOUR, 0
        return marks or [], True

    def spoke(self, now: float) -> None:
        """Note that the device answered all else; one that never tells its number is not waited for."""
        self._tries += 1
        if self._tries >= _TRIES:
            self.unproven, self.waits, self._next = False, False, now + _HOUR

    def _not_told(self, reply: Answer | Fault, now: float) -> tuple[list[Meter], bool]:
        speaks = isinstance(reply, Answer) or not reply.silent
        if is_refusal(reply):
            self.unproven, self._next = False, now + _HOUR
        elif self._tries < _TRIES:
            self.unproven, self.waits = True, not speaks
        return [], speaks


def firmware_of(device: str, reply: Answer | Fault) -> str | None:
    """Give a fingerprint of what a device says of its firmware; "": it does not say, None: not just now."""
    if isinstance(reply, Answer):
        return fingerprint(device, reply.data)
    return "" if reply.code and not reply.silent and not reply.busy else None


def _is_told(data: bytes) -> bool:
    """Say whether *data* can be a serial number: many devices show zeros or ones while they start."""
    return any(data) and any(byte != 0xFF for byte in data)
