"""Believes a record of the process that sees pixels only if it can be true, as if it came from an enemy.

Every field must be what the plan allows, in the one order that is agreed, and no sooner than time passes.
What a sender could choose freely is then little more than the numbers themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from agent.core.sight import (
    HOLES,
    NEWS_BURST,
    NEWS_EVERY,
    RECORD,
    UNCONFINED,
    VERSION,
    Sight,
    Watch,
    What,
    cells,
)

_KINDS: Final = frozenset(map(int, What))
_SIGHTS: Final = frozenset(map(int, Sight))
_EARLY: Final = 1.0  # seconds by which two readings of one clock may differ
_ATTEMPTS: Final = 2 * len(HOLES)


class RefusedError(Exception):
    """A record cannot be true; the text says what is wrong with it."""


class Numbers(NamedTuple):
    """All numbers of one bucket, in the order of the table; None: nobody could tell."""

    begin: float  # boot-time seconds
    end: float
    values: Sequence[float | None]


class News(NamedTuple):
    """How a camera does; *final*: it will not be tried again with this plan."""

    camera: int
    sight: Sight
    final: bool


class Ready(NamedTuple):
    """The cage held: so many attempts to get out of it failed; what was tried, and what of it worked."""

    refused: int
    tried: Sequence[str] = ()
    worked: Sequence[str] = ()


class Holes(NamedTuple):
    """The cage did not hold: which attempts worked."""

    names: Sequence[str]


Told = Numbers | News | Ready | Holes


class _Record(NamedTuple):
    version: int
    kind: int
    cell: int
    bucket: int
    width: int
    value: int
    seq: int
    stamp: int


class Receiver:
    """The memory of one session: what came, and therefore what may come next."""

    def __init__(self, watch: Watch, now: float) -> None:
        self.unconfined: bool | None = None  # not known before the first record
        self._watch = watch
        self._table = cells(watch)
        self._seq = 0
        self._bucket = int((now + watch.offset) // watch.width) - 1
        self._values: list[float | None] = []
        self._ready = False
        self._faulty: set[int] = set()
        self._allowance = [float(NEWS_BURST + 1)] * len(watch.cameras)
        self._heard = [now] * len(watch.cameras)

    def take(self, raw: bytes, now: float) -> Told | None:
        """Give what a packet says; None while a bucket is not complete. Raise RefusedError."""
        if len(raw) != RECORD.size:
            raise RefusedError(f"a packet of {len(raw)} bytes")
        record = _Record(*RECORD.unpack(raw))
        self._seq += 1
        _must(record.version == VERSION, "version")
        _must(record.seq == self._seq, "sequence number")
        _must(record.width == self._watch.width, "width")
        is_marked = bool(record.kind & UNCONFINED)
        _must(self.unconfined in (None, is_marked) or not self._ready, "mark")
        self.unconfined = is_marked
        kind = record.kind & ~UNCONFINED
        _must(kind in _KINDS, "kind")
        if kind in (What.NUMBER, What.UNKNOWN):
            return self._number(record, now, known=kind == What.NUMBER)
        if kind == What.READY:
            return self._readiness(record)
        _must(record.bucket == record.stamp == 0, "stamp of what has none")
        match kind:
            case What.NEWS | What.FAULT:
                return self._news(record, now, final=kind == What.FAULT)
        _must(not self._ready and record.cell == 0 and 0 < record.value < 1 << len(HOLES), "holes")
        return Holes(_names(record.value))

    def _readiness(self, record: _Record) -> Ready:
        _must(not self._ready and record.cell == 0 and record.value <= _ATTEMPTS, "readiness")
        _must(record.bucket < 1 << len(HOLES) and record.stamp & ~record.bucket == 0, "list of attempts")
        _must(self.unconfined is True or record.stamp == 0, "readiness with holes")
        self._ready = True
        return Ready(record.value, _names(record.bucket), _names(record.stamp))

    def _number(self, record: _Record, now: float, *, known: bool) -> Numbers | None:
        _must(self._ready, "number before readiness")
        place, width = len(self._values), self._watch.width
        _must(record.cell == place, "cell")
        end = (record.bucket + 1) * width - self._watch.offset
        if place:
            _must(record.bucket == self._bucket, "bucket")
        else:
            _must(record.bucket > self._bucket and end <= now + _EARLY, "bucket")
            self._bucket = record.bucket
        _must(record.stamp == round(end * 1e9), "stamp")
        cell = self._table[place]
        _must(record.value <= (cell.most if known else 0), "value")
        self._values.append(record.value / cell.scale if known else None)
        if len(self._values) < len(self._table):
            return None
        values, self._values = self._values, []
        return Numbers(end - width, end, values)

    def _news(self, record: _Record, now: float, *, final: bool) -> News:
        camera = record.cell
        _must(camera < len(self._watch.cameras), "camera")
        _must(record.value in _SIGHTS, "sight")
        if final:
            _must(camera not in self._faulty, "fault")
            self._faulty.add(camera)
        else:
            self._spend(camera, now)
        return News(camera, Sight(record.value), final)

    def _spend(self, camera: int, now: float) -> None:
        """Hold a camera to the pace that was agreed."""
        earned = (now - self._heard[camera]) / NEWS_EVERY
        self._allowance[camera] = min(NEWS_BURST + 1.0, self._allowance[camera] + earned) - 1.0
        self._heard[camera] = now
        _must(self._allowance[camera] >= 0, "pace")


def _names(mask: int) -> list[str]:
    return [name for place, name in enumerate(HOLES) if mask >> place & 1]


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise RefusedError(f"a wrong {what}")
