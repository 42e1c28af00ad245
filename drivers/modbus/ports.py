"""Searches serial ports: who speaks on a line by itself; else at which speed and parity units answer.

Before its first byte it listens, and where anybody is heard it sends none: two masters spoil each other's
frames. All units of a line have one setting, so the first answer decides it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from agent.core.errors import DriverError, GatewayError
from agent.core.search import Held, Missed
from drivers.modbus.hosts import NOBODY, slow_of, through
from drivers.modbus.line import OVERHEAD, Frame, character_seconds
from drivers.modbus.link import Link
from drivers.modbus.scan import Around, Place, Scan, Share, asked
from drivers.modbus.strays import is_foreign
from drivers.serial.overhear import SETTINGS, Setting, overhear
from drivers.serial.propose import proposal, refusal
from drivers.serial.source import Opener

_USUAL_UNITS: Final = frozenset((*range(1, 11), 16, 20, 30, 100, 126, 247))
_PLAIN: Final = (9600, "8N1")

_PARITIES: Final[tuple[Frame, ...]] = ("8N1", "8E1", "8O1")
MODBUS_SETTINGS: Final[tuple[tuple[int, Frame], ...]] = tuple(
    (baud, frame)
    for bauds in ((9600, 19_200), (38_400, 115_200), (57_600, 4800, 2400))
    for frame in _PARITIES
    for baud in bauds
)
"""Speeds and parities of Modbus lines, the likeliest first. A device set to 8N2 understands 8N1."""


class Port(Struct, frozen=True):
    """A serial port: how it is listened to and asked at a setting, or the link that has it."""

    path: str
    name: str
    ears: Callable[[int, Any], Opener]
    link: Callable[[int, Frame], Link]
    held: Held | None = None


class Looking(Struct, frozen=True):
    """How ports are searched: the settings to try, and how long to listen before, in seconds."""

    settings: Sequence[tuple[int, Frame]]
    listen: float

    @property
    def heard_at(self) -> tuple[Setting, ...]:
        """The settings at which a line is listened to."""
        return SETTINGS if len(self.settings) > 1 else (self.settings[0], *SETTINGS)


async def search(ports: Sequence[Port], around: Around, looking: Looking) -> None:
    """Search all *ports* at once: each is a line of its own."""
    for port in ports:
        around.pace.expect(steps_of(port, around, looking), seconds_of(port, around, looking) / len(ports))
    around.at(", ".join(port.path for port in ports), 0)
    async with asyncio.TaskGroup() as tasks:
        for port in ports:
            tasks.create_task(_search(port, around, looking))


def steps_of(port: Port, around: Around, looking: Looking) -> int:
    """Give how many requests a port may take where nobody answers."""
    tries = 0 if port.held or len(looking.settings) == 1 else len(looking.settings)
    return around.steps * (1 + tries)


def seconds_of(port: Port, around: Around, looking: Looking) -> float:
    """Give how long that takes at most."""
    if port.held:
        return 2 * around.seconds()
    each = [around.seconds((OVERHEAD + 2) * character_seconds(*one)) for one in looking.settings]
    return looking.listen + sum(each)


async def _search(port: Port, around: Around, looking: Looking) -> None:
    share = Share(around, steps_of(port, around, looking))
    try:
        if port.held is not None:
            place = Place(port.path, {}, port.name, on=port.held.name)
            found = await through(port.held, place, share)
            why = NOBODY
        else:
            found, why = await _directly(port, share, looking)
    except GatewayError as error:
        found, why = 0, str(error)
    if not found:
        around.tell(Missed(address=port.path, why=why))
    share.finish(port.path)


async def _directly(port: Port, share: Share, looking: Looking) -> tuple[int, str]:
    """Listen, then ask; give how many were found, and why nobody was."""
    around = share.around
    share.at(f"listening on {port.path} for {looking.listen:g} s", 0)
    voice = await overhear(
        port.ears, looking.heard_at, around.clock, seconds=looking.listen, foreign=is_foreign
    )
    if voice is not None:
        found = proposal({"path": port.path}, port.path, voice, port.name)
        if found is None:
            return 0, refusal(voice)
        around.tell(found)
        return 1, ""
    setting = looking.settings[0] if len(looking.settings) == 1 else await _setting(port, share, looking)
    if setting is None:
        return 0, (
            "the line is silent, and no unit answers at any usual speed; are A and B swapped? is a device on "
            "the line, and switched on?"
        )
    baud, frame = setting
    usual = {"baud": baud, "frame": frame} if setting != _PLAIN else {}
    place = Place(port.path, {"driver": "modbus-rtu", "path": port.path, **usual}, port.name)
    async with port.link(baud, frame) as link:
        return await Scan(link, place, share, slow_of(link), link.late).run(), NOBODY


async def _setting(port: Port, share: Share, looking: Looking) -> tuple[int, Frame] | None:
    """Find the setting at which anybody answers: usual unit numbers first, at all settings.

    A setting that the adapter cannot do is passed by; raise DriverError if it can do none.
    """
    usable, trouble = list(looking.settings), None
    for some in _rounds(share.around.units):
        for setting in list(usable) if some else ():
            async with port.link(*setting) as link:
                try:
                    await link.listen(0.0)
                except DriverError as error:
                    usable.remove(setting)
                    trouble = error
                    continue
                if await _anybody(link, port, share, some):
                    return setting
    if trouble is not None and not usable:
        raise trouble
    return None


async def _anybody(link: Link, port: Port, share: Share, units: Sequence[int]) -> bool:
    """Say whether any of *units* answers on *link*."""
    scan = Scan(link, Place(port.path, {}, port.name), share, slow_of(link))
    for unit, again in asked(units, twice=share.around.twice):
        if await scan.answers(unit, again=again):
            return True
        share.at(f"{link.way.where} unit {unit}")
    return False


def _rounds(units: Sequence[int]) -> tuple[list[int], list[int]]:
    """Divide *units* into those that are usual, and the others."""
    usual = [one for one in units if one in _USUAL_UNITS]
    return usual, [one for one in units if one not in _USUAL_UNITS]
