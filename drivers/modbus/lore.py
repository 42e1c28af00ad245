"""What was refused, kept from one run to the next: stretches and lengths of a type, holes of one device.

Nothing is believed for ever: each refusal has a time when it is asked about again, a minute later at first,
then after twice as long, a day at most. A point that has given values before is asked about every ten
minutes. What a note holds beside that is only advice: a stretch costs requests, never a value.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from agent.core.catalogue.links import NOTE_USELESS
from agent.core.clock import Clock
from agent.core.notes import Notes
from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import Block
from drivers.modbus.point import Table

_log = logging.getLogger(__name__)
SOON: Final = 60.0
FICKLE: Final = 600.0
DAY: Final = 86_400.0
_MOST: Final = 256

Place = tuple[Table, int, int]
"""Table, first address, and length of something that was refused."""


class Doubt(Struct):
    """When to ask about a refusal again (boot seconds), after how long a wait, and the longest wait."""

    due: float
    wait: float
    most: float


class Refusals:
    """A set of refused places; pure."""

    def __init__(self) -> None:
        self.known: dict[Place, Doubt] = {}

    def __iter__(self) -> Iterator[Place]:
        return iter(self.known)

    def __bool__(self) -> bool:
        return bool(self.known)

    def add(self, place: Place, now: float, *, wait: float, most: float) -> bool:
        """Note a refusal; say whether it was news."""
        if place in self.known or len(self.known) >= _MOST:
            return False
        self.known[place] = Doubt(now + wait, wait, most)
        return True

    def due(self, now: float, but: Iterable[Place] = ()) -> Place | None:
        """Give the place that is to be asked about at *now*, *but* for some."""
        ripe = [(doubt.due, place) for place, doubt in self.known.items() if doubt.due <= now]
        return min(((due, place) for due, place in ripe if place not in but), default=(0.0, None))[1]

    def hasten(self, latest: float) -> None:
        """Ask about everything by *latest*, one after the other."""
        for doubt in self.known.values():
            doubt.due = min(doubt.due, latest)

    def again(self, place: Place, now: float) -> bool:
        """Note that it was refused again; say whether it is worth writing down."""
        doubt = self.known[place]
        longer = doubt.wait < doubt.most
        doubt.wait = min(doubt.most, 2 * doubt.wait)
        doubt.due = now + doubt.wait
        return longer or doubt.wait >= DAY


class Shape:
    """What devices of one type have in common: stretches that no request may cover, and the longest reply.

    ``longest`` is in registers, 0: as its maker says; ``beyond`` is the request that was too long.
    ``turn`` is held by whoever finds out more.
    """

    def __init__(self) -> None:
        self.stretches, self.beyond = Refusals(), Refusals()
        self.longest = self.version = 0
        self.turn = asyncio.Lock()


class Holes:
    """What a device lacks, while it is ``who``: a fingerprint; "" if it does not say, None if never asked."""

    def __init__(self) -> None:
        self.places = Refusals()
        self.who: str | None = None


_Address = Annotated[int, Meta(ge=0, le=0xFFFF)]
_Size = Annotated[int, Meta(ge=1, le=2000)]
_Seconds = Annotated[float, Meta(ge=0, le=DAY)]


class _Kept(Struct, frozen=True):
    """A refusal as it is written down: ``due`` is in UTC seconds."""

    table: Table
    start: _Address
    size: _Size
    due: float
    wait: _Seconds
    most: _Seconds


class _Note(Struct, frozen=True):
    who: str | None = None
    longest: Annotated[int, Meta(ge=0, le=125)] = 0
    refused: list[_Kept] = []
    beyond: list[_Kept] = []


class Lore:
    """All that is known of the devices of a link."""

    def __init__(self, notes: Notes, clock: Clock, link: str = "") -> None:
        self._notes, self._clock, self._link = notes, clock, link
        self._shapes: dict[str, Shape] = {}

    def shape(self, key: str) -> Shape:
        """Give what is known of a type; all its devices share it."""
        if key not in self._shapes:
            self._shapes[key] = shape = Shape()
            note = self._read(f"modbus/type/{key}")
            shape.longest = note.longest if note.beyond else 0
            self._restore(shape.beyond, note.beyond if note.longest else [])
            self._restore(shape.stretches, note.refused)
        return self._shapes[key]

    def holes(self, device: str, key: str) -> Holes:
        """Give what *device* of the type *key* is known to lack."""
        holes = Holes()
        note = self._read(f"modbus/device/{self._link}/{device}/{key}")
        holes.who = note.who
        self._restore(holes.places, note.refused)
        return holes

    def keep_shape(self, key: str, shape: Shape) -> None:
        """Write down what is known of a type."""
        note = _Note(None, shape.longest, self._written(shape.stretches), self._written(shape.beyond))
        self._write(f"modbus/type/{key}", note, worth=bool(shape.stretches or shape.beyond))

    def keep_holes(self, device: str, key: str, holes: Holes) -> None:
        """Write down what a device lacks."""
        note = _Note(holes.who, 0, self._written(holes.places))
        self._write(f"modbus/device/{self._link}/{device}/{key}", note, worth=bool(holes.places))

    def _read(self, key: str) -> _Note:
        if (document := self._notes.get(key)) is None:
            return _Note()
        try:
            return convert(document, _Note)
        except ValidationError as error:
            NOTE_USELESS.tell(_log, key, error)
            return _Note()

    def _write(self, key: str, note: _Note, *, worth: bool) -> None:
        self._notes.put(key, to_builtins(note) if worth else None)

    def _restore(self, refusals: Refusals, kept: Iterable[_Kept]) -> None:
        now = self._clock.now()
        for one in kept:
            # by a clock that was set meanwhile, nothing is put off for longer than it was
            left = min(max(0.0, one.due - now.utc), one.wait)
            refusals.known[one.table, one.start, one.size] = Doubt(now.boot + left, one.wait, one.most)

    def _written(self, refusals: Refusals) -> list[_Kept]:
        offset = self._clock.now().offset
        return [
            _Kept(*place, doubt.due + offset, doubt.wait, doubt.most)
            for place, doubt in refusals.known.items()
        ]


def place(block: Block) -> Place:
    """Say where *block* lies."""
    return block.table, block.start, block.size


def type_of(device: ModbusDevice, values: Iterable[Block]) -> str:
    """Name the type of *device* by where its *values* lie and its limits: other ones make it another type."""
    limits = device.limits
    said = repr(([place(one) for one in values], limits.registers, limits.bits, limits.merged))
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
