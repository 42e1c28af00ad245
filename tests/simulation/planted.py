"""Defects that somebody might make one day, put in on purpose: the simulation must find each."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from agent import gate
from agent.gate import Cleared, Gate
from agent.outbox import chain, store
from agent.outbox.books import Books
from agent.outbox.feed import Feed
from agent.outbox.lane import Lane
from agent.outbox.row import Row
from agent.uplink.session import Flight, Session
from drivers.modbus.frames_tcp import TcpFrames
from pipelines.windows.counter import Counter
from pipelines.windows.published import Published
from tests.simulation.run import run

Original = Callable[..., Any]


def _plant(owner: Any, name: str, make: Callable[[Original], Original]) -> Callable[[], Any]:  # noqa: ANN401
    """Give a context manager that replaces *owner*'s function *name* by what *make* makes of it."""

    @contextmanager
    def planted() -> Iterator[None]:
        original = getattr(owner, name)
        setattr(owner, name, make(original))
        try:
            yield
        finally:
            setattr(owner, name, original)

    return planted


def _nothing(_: Original) -> Original:
    return lambda *_args, **_named: None


def _acknowledge_early(publish: Original) -> Original:
    def wrong(self: Session, packet: Any, flight: Flight, *, backlog: bool) -> None:  # noqa: ANN401
        publish(self, packet, flight, backlog=backlog)
        if isinstance(flight.message, Row):
            self._feed.acked(flight.message)
            answer = next(one for one, known in self._flights.items() if known is flight)
            del self._flights[answer]
            answer.add_done_callback(asyncio.Future.exception)

    return wrong


def _lazy(connect: Original) -> Original:
    def wrong(path: Path) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(path)
        db.execute("PRAGMA synchronous=NORMAL")
        return db

    return wrong


def _same_epoch(init: Original) -> Original:
    def wrong(self: Books, opening: Any, clock: Any) -> None:  # noqa: ANN401
        init(self, opening, clock)
        if opening.epoch:
            self.epoch -= 1
            for lane in self.lanes.values():
                lane.seq = 0

    return wrong


def _any_number(_: Original) -> Original:
    return lambda _frames, frame, question, _number: frame[6] in question.units()


def _take_for_delivered(_: Original) -> Original:
    def wrong(self: Session, row: Row, reason: int, now: float) -> None:
        assert reason
        assert now
        self._feed.acked(row)

    return wrong


def _share_with_all(_: Original) -> Original:
    def wrong(self: Gate, product: str, records: Any, now: Any) -> list[Cleared]:  # noqa: ANN401
        known = self._products[product]
        return (
            [Cleared(route, known, records, gate._KEY) for route in self.open_routes(now)] if records else []
        )

    return wrong


def _unbound(columns: Original) -> Original:
    return lambda number, route, draft, _link: columns(number, route, draft, chain.START)


PLANTED: Final[dict[str, Callable[[], Any]]] = {
    "a message counts as delivered when it is sent": _plant(Session, "_publish", _acknowledge_early),
    "a refused message counts as delivered": _plant(Session, "_refused", _take_for_delivered),
    "what was under way when a connection ends is not sent again": _plant(Feed, "release", _nothing),
    "the disk is not waited for": _plant(store, "connect", _lazy),
    "what a failed transaction held is dropped": _plant(Books, "take_back", _nothing),
    "a crash is not owned up to": _plant(Lane, "note_crash", _nothing),
    "a crash is told of, but not how long it was": _plant(Lane, "reached", _nothing),
    "a restart gives the numbers of the run before again": _plant(Books, "__init__", _same_epoch),
    "rows of the ledger are not bound to the one before": _plant(store, "columns_of", _unbound),
    "a reply is taken whatever its transaction number": _plant(TcpFrames, "_is_ours", _any_number),
    "a counter begins anew with each window": _plant(Counter, "rest", _nothing),
    "a window is published again after the clock was set back": _plant(Published, "add", _nothing),
    "every route gets every product": _plant(Gate, "_cleared", _share_with_all),
}


def seed_that_finds(defect: str, folder: Path, *, within: int) -> int | None:
    """Give the first seed whose verdict changes when *defect* is in the product; None if none does."""
    for seed in range(within):
        place = folder / str(seed)
        with PLANTED[defect]():
            try:
                faults = run(seed, place).faults
            except (AssertionError, RuntimeError) as failure:
                faults = [repr(failure)]
        if faults:
            return seed
        shutil.rmtree(place)
    return None
