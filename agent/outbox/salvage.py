"""Saves what can be saved from a damaged outbox: copies sound rows, declares the rest.

Rows keep their numbers and bytes, so that what is sent again is recognised; what had arrived is not sent
again. The new file has a chain and a ``lid`` of its own. It refuses to copy a row whose body does not fit
its digest.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agent.core.catalogue.store import OUTBOX_SALVAGED, SALVAGE_ENDS
from agent.core.errors import OutboxError
from agent.core.message import Loss, Message
from agent.outbox import chain
from agent.outbox.lane import LaneState
from agent.outbox.losses import merge, numberless
from agent.outbox.ranges import Ranges
from agent.outbox.row import Draft, read_props
from agent.outbox.schema import UNREADABLE
from agent.outbox.soundness import Judge, has_losses
from agent.outbox.spent import Key
from agent.outbox.store import Store
from agent.outbox.work import Work

log = logging.getLogger(__name__)

_STRETCH: Final = 256
_BEYOND: Final = 1 << 14
_LEAST: Final = 64  # bytes that a row takes at least
_LOSSES: Final = msgspec.json.Decoder(tuple[Loss, ...])
_COLUMNS: Final = (
    "id, route, epoch, seq, kind, made, boot, expires, policy, topic, props, since, until, lost, digest, body"
)


class Remains(Struct, kw_only=True):
    """What could still be read beside the rows; ``top`` is an id beyond which there are none.

    ``link`` is that of the anchor, the last row that has left.
    """

    routes: dict[int, str] = {}
    lanes: dict[str, LaneState] = {}
    saved: dict[str, str] = {}
    epoch: int = 0
    anchor: int = 0
    link: bytes = chain.START
    top: int = 0
    spent: dict[Key, int] = {}


def salvage(store: Store, old: Path, new_lid: Callable[[], str], told: Callable[[float], None]) -> None:
    """Fill the fresh file of *store* from *old*; *told* hears what share of it has been looked at."""
    opening = store.open(new_lid)
    remains, copy = Remains(), Copy(store, Remains())
    store.wait_for_disk(False)  # half a salvage is worth nothing: it is begun anew
    try:
        with closing(sqlite3.connect(old, isolation_level=None)) as db:
            remains = read_remains(db, old.stat().st_size)
            copy = Copy(store, remains)
            judge = Judge(remains.routes, wary=True)
            judge.expect(remains.anchor, remains.link)
            first, many = remains.anchor + 1, remains.top - remains.anchor
            rows = sound_rows(db, first, remains.top, judge, lambda at: told((at - first) / many))
            copy.run(rows)
    except UNREADABLE as error:
        SALVAGE_ENDS.tell(log, f"no more could be saved from {old}", error)
    OUTBOX_SALVAGED.tell(log, copy.saved, old)
    epoch = max(remains.epoch, opening.epoch)
    lanes = copy.finish(epoch)
    state = {f"lane/{name}": msgspec.json.encode(lane).decode() for name, lane in lanes.items()}
    state |= {f"saved/{product}": text for product, text in remains.saved.items()}
    store.wait_for_disk(True)
    state |= {"lid": opening.lid, "epoch": str(epoch), "clean": "0", "salvaged": "1"}
    store.commit(Work(state=state, spent=remains.spent))


def read_remains(db: sqlite3.Connection, size: int) -> Remains:
    """Read the small tables of a file of *size* bytes, each as far as it can be read."""
    remains = Remains(routes=dict(_pairs(db, "SELECT number, name FROM route", int)))
    for name, text in _pairs(db, "SELECT name, value FROM state", str):
        try:
            if name == "epoch":
                remains.epoch = int(text)
            elif name == "anchor":
                remains.anchor, link = msgspec.json.decode(text, type=tuple[int, str])
                remains.link = bytes.fromhex(link) or chain.START
            elif name.startswith("lane/"):
                remains.lanes[name[5:]] = msgspec.json.decode(text, type=LaneState)
            elif name.startswith("saved/"):
                msgspec.json.decode(text)
                remains.saved[name[6:]] = text
        except (ValueError, RecursionError) as error:
            SALVAGE_ENDS.tell(log, f"the outbox's {name} is unreadable", error)
    remains.spent = {Key(*key): count for *key, count in _try(db, "SELECT * FROM spent")}
    tops = [*_try(db, "SELECT max(id) FROM row")]
    for number in remains.routes:
        query = "SELECT max(id) FROM row INDEXED BY row_by_route WHERE route=?"
        tops += _try(db, query, number)
    known = [top for (top,) in tops if top is not None]
    tails = [lane.tail for lane in remains.lanes.values()]
    whole = len(tops) == 1 + len(remains.routes) or len(tails) == len(remains.routes)
    # where the end cannot be read, look a good way beyond what is known
    top = max([*known, *tails, remains.anchor]) + (0 if whole else _BEYOND)
    # a number that was garbled may say that rows go on for ever
    remains.top = min(top, remains.anchor + size // _LEAST + _BEYOND)
    return remains


def _pairs(db: sqlite3.Connection, query: str, kind: type) -> list[Any]:
    return [pair for pair in _try(db, query) if isinstance(pair[0], kind) and isinstance(pair[1], str)]


def _try(db: sqlite3.Connection, query: str, *values: object) -> list[Any]:
    found: list[Any] = []
    try:
        found.extend(db.execute(query, values))
    except UNREADABLE as error:
        log.debug("%s: %s", query, error)
    return found


def sound_rows(
    db: sqlite3.Connection, first: int, last: int, judge: Judge, told: Callable[[int], None]
) -> Iterator[Any]:
    """Give every row from id *first* to *last* that can be read and is, for *judge*, what was written.

    *told* hears each id at which it looks, also where nothing can be read.
    """
    for start in range(first, last + 1, _STRETCH):
        for *row, link in _stretch(db, start, min(start + _STRETCH - 1, last), told):
            number, route, epoch, seq, kind, made, boot, expires, policy, topic, props, *rest = row
            *spans, lost, digest, body = rest
            head = (number, route, epoch, seq, kind, made, boot, policy, topic, props)
            # the chain does not bind these
            is_kept = all(one is None or isinstance(one, float) for one in (expires, *spans)) and has_losses(
                lost
            )
            if judge.holds((*head, digest, link, body)) and is_kept:
                yield row


def _stretch(db: sqlite3.Connection, first: int, last: int, told: Callable[[int], None]) -> Iterator[Any]:
    """Halve what cannot be read until the unreadable rows stand alone."""
    told(first)
    try:
        query = f"SELECT {_COLUMNS}, link FROM row WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608
        rows = db.execute(query, (first, last)).fetchall()
    except UNREADABLE:
        if first < last:
            middle = (first + last) // 2
            yield from _stretch(db, first, middle, told)
            yield from _stretch(db, middle + 1, last, told)
        return
    yield from rows


class _Place(Struct, kw_only=True):
    """How far the copy of one lane has come: its last row in the old file, and ``row``, its id in the new.

    ``hole``: something is missing since.
    """

    epoch: int = 0
    seq: int = 0
    row: int = 0
    hole: bool = False


class Copy:
    """Copies rows into a fresh outbox and keeps account of those that are missing."""

    def __init__(self, store: Store, remains: Remains) -> None:
        self.saved = 0
        self._store = store
        self._routes = dict(remains.routes)
        self._old = {name: remains.lanes.get(name) for name in remains.routes.values()}
        self._acked = {name: Ranges(lane.acked if lane else ()) for name, lane in self._old.items()}
        self._new = {
            name: LaneState() if lane is None else _carried(lane) for name, lane in self._old.items()
        }
        self._settled = {name: Ranges() for name in self._new}
        self._places = {name: _Place() for name in self._new}
        self._last = remains.anchor
        self._full = False

    def run(self, rows: Iterator[Any]) -> None:
        """Copy *rows*, in the order of their ids."""
        chunk: list[Any] = []
        for row in rows:
            if row[1] in self._routes:
                chunk.append(row)
            if len(chunk) >= _STRETCH:
                self._copy(chunk)
                chunk = []
        self._copy(chunk)

    def _copy(self, chunk: list[Any]) -> None:
        whole = [row for row in chunk if row[-1] is not None]
        if not self._full and whole:
            try:
                self._store.commit(
                    Work(rows=tuple(_draft(row) for row in whole), routes=self._fresh_routes())
                )
            except OutboxError as error:
                SALVAGE_ENDS.tell(log, f"the salvage ends before row {chunk[0][0]}", error)
                self._full = True
        if self._full:
            return
        for row in chunk:
            self._account(row)

    def _fresh_routes(self) -> dict[int, str]:
        return {} if self.saved else self._routes

    def _account(self, row: Any) -> None:  # noqa: ANN401 - as SQLite gives it
        number, route, epoch, seq = row[:4]
        if number > self._last + 1:
            for name, place in self._places.items():
                place.hole = place.hole or bool(self._acked[name].holes(self._last, number - 1))
        self._last = number
        name = self._routes[route]
        place, lane = self._places[name], self._new[name]
        if place.hole:
            lane.owed += _missing(place, epoch, seq - 1)
        place.epoch, place.seq, place.hole = epoch, seq, False
        if row[-1] is None:
            return
        self.saved += 1
        if number in self._acked[name]:
            # ids between two rows of a lane belong to others: no holes
            self._settled[name].add(place.row + 1, self.saved)
        else:
            lane.n += 1
            lane.size += len(row[-1])
        place.row = self.saved

    def finish(self, epoch: int) -> dict[str, LaneState]:
        """Give the lanes as they are in the new file, with everything missing until *epoch* owed."""
        for name, lane in self._new.items():
            place, old = self._places[name], self._old[name]
            if old is None:
                # the numbers are those last seen; what came after in that epoch is declared at opening
                lane.epoch, lane.seq, lane.open = place.epoch, place.seq, place.epoch > 0
                lane.owed += numberless(place.epoch + 1, epoch)
            elif old.n and (place.epoch, place.seq) != (old.epoch, old.seq):
                lane.owed += _missing(place, old.epoch, old.seq)
            lane.tail = place.row
            lane.acked = list(self._settled[name])
            lane.owed = merge(lane.owed)
        return self._new


def _carried(lane: LaneState) -> LaneState:
    """Keep of a lane what does not depend on its rows.

    Without an address, since ids are new: what left before is sent again to nobody.
    """
    return replace(lane, acked=[], n=0, size=0, owed=list(lane.owed), address="")


def _missing(place: _Place, epoch: int, last: int) -> list[Loss]:
    """Name the numbers between the last row seen and *last* of *epoch*."""
    if place.epoch == epoch:
        return [_loss(epoch, place.seq + 1, last)] if last > place.seq else []
    found = [_loss(epoch, 1, last)] if last >= 1 else []
    if place.epoch:
        found.append(Loss(why="crash", epoch=place.epoch, first=place.seq + 1, last=None, count=None))
    return found + numberless(place.epoch + 1, epoch - 1)


def _loss(epoch: int, first: int, last: int) -> Loss:
    return Loss(why="crash", epoch=epoch, first=first, last=last, count=last - first + 1)


def _draft(row: Any) -> Draft:  # noqa: ANN401 - as SQLite gives it
    _, route, epoch, seq, kind, made, boot, expires, policy, topic, props, since, until, lost, _, body = row
    carried = read_props(props)
    return Draft(
        route=route,
        epoch=epoch,
        seq=seq,
        message=Message(
            topic=topic,
            body=body,
            kind=kind,
            qos=carried.qos,
            retain=carried.retain,
            content_type=carried.content_type,
            utf8=carried.utf8,
            user=carried.user,
            correlation=bytes.fromhex(carried.correlation),
        ),
        policy=policy,
        made=made,
        since=since,
        until=until,
        boot=boot,
        expires=expires,
        lost=_LOSSES.decode(lost) if lost else (),
    )
