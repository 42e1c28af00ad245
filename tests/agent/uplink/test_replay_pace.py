"""Replays on their own: how many are under way, how fast, and what an end or a lost connection leaves."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.command import Answer, Wanted
from agent.encodings.native import Native
from agent.outbox.again import Page
from agent.outbox.row import Row
from agent.uplink.port import Packet
from agent.uplink.replays import MOST, STRETCHES, Replays, Request
from tests.agent.uplink.kit import PLACE, Rig


class Shelf:
    """What had been delivered: rows 1 to 1,000 but for *gone*; it keeps what is saved and answered."""

    def __init__(self, gone: frozenset[int] = frozenset()) -> None:
        self.gone = gone
        self.rows = {row.seq: row for row in Rig(1).rows(1000, keep=1e9)}
        self.answers: list[Answer] = []
        self.kept: Any = None
        self.fails = False

    async def page(self, wanted: Wanted, most: int) -> Page | None:
        if self.fails:
            return None
        numbers = range(wanted.first, min(wanted.last, wanted.first + most - 1) + 1)
        rows: list[Row] = [self.rows[one] for one in numbers if one not in self.gone]
        return Page(
            rows=tuple(rows),
            gone=tuple((one, one) for one in numbers if one in self.gone),
            next=numbers[-1] + 1,
        )

    def answer(self, answer: Answer) -> None:
        self.answers.append(answer)

    def save(self, state: object) -> None:
        self.kept = state

    def saved(self) -> object | None:
        kept: object | None = self.kept
        return kept


class Pace:
    """Replays with time that is turned by hand."""

    def __init__(self, shelf: Shelf, rate: float = 50.0) -> None:
        self.at = 0.0
        self.shelf = shelf
        self.replays = Replays(Native(PLACE), shelf, lambda: Instant(self.at, 1.8e9 + self.at), rate)

    def ask(self, first: int, last: int, product: str = "energy") -> None:
        self.replays.begin(Request(wanted=Wanted(product, 7, first, last), next=first))

    async def all(self) -> list[int]:
        """Send until all is done, each answered at once; give the numbers."""
        sent: list[int] = []
        while self.replays.waiting:
            for packet in await self.replays.take(20):
                sent.append(number(packet))
                self.replays.answered(packet, 0)
            self.at += 0.1
            assert self.at < 500.0, "it does not come to an end"
        return sent


def number(packet: Packet) -> int:
    return int(dict(packet.user)["id"].rpartition("/")[2])


async def test_only_so_many_are_under_way() -> None:
    pace = Pace(Shelf(), rate=0.0)
    pace.ask(1, 50)
    taken = [*await pace.replays.take(20), *await pace.replays.take(20)]
    assert len(taken) == MOST
    assert pace.replays.due(pace.at) is None
    pace.replays.answered(taken[0], 0)
    assert [number(one) for one in await pace.replays.take(20)] == [MOST + 1]


async def test_their_rate_is_a_fifth_and_never_above_ten() -> None:
    for rate, fastest in ((10.0, 2.0), (1000.0, 10.0), (0.0, 10.0)):
        pace = Pace(Shelf(), rate=rate)
        pace.ask(1, 200)
        assert len(await pace.all()) == 200
        assert (200 - fastest) / fastest * 0.95 <= pace.at <= 200 / fastest * 1.3, rate


async def test_there_is_never_more_than_there_is_room_for() -> None:
    pace = Pace(Shelf())
    pace.ask(1, 50)
    assert await pace.replays.take(0) == []
    assert len(await pace.replays.take(1)) == 1


async def test_what_had_no_answer_when_the_connection_was_lost_is_sent_once_more() -> None:
    pace = Pace(Shelf())
    pace.ask(1, 8)
    first, second, *_ = await pace.replays.take(20)
    pace.replays.answered(second, 0)
    pace.replays.lost()
    pace.replays.answered(first, 0)  # too late: nobody may believe it
    assert await pace.all() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_replay_of_a_product_that_is_no_longer_granted_stops_where_it_is() -> None:
    pace = Pace(Shelf())
    pace.ask(5, 50)
    pace.ask(1, 9, "people")
    for packet in await pace.replays.take(20):
        pace.replays.answered(packet, 0)
    pace.replays.keep_to(["people"])
    stopped = pace.shelf.answers[-1]
    assert (stopped.outcome, stopped.why, stopped.count) == ("stopped", "product", MOST)
    assert stopped.wanted == Wanted("energy", 7, 5, 5 + MOST - 1)
    assert pace.replays.waiting == 1


async def test_a_replay_that_waits_its_turn_may_lose_its_grant_before() -> None:
    pace = Pace(Shelf())
    pace.ask(1, 8)
    pace.ask(1, 9, "people")
    flying = await pace.replays.take(20)
    pace.replays.keep_to(["energy"])
    stopped = pace.shelf.answers[-1]
    assert (stopped.outcome, stopped.why, stopped.count) == ("stopped", "product", 0)
    assert stopped.wanted == Wanted("people", 7, 1, 0)
    for packet in flying:  # the one before it is none the worse
        pace.replays.answered(packet, 0)
    assert [number(one) for one in flying] + await pace.all() == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_what_a_grant_that_ends_while_the_disk_is_read_has_brought_is_not_sent() -> None:
    class Slow(Shelf):
        read = asyncio.Event()

        async def page(self, wanted: Wanted, most: int) -> Page | None:
            await self.read.wait()
            return await super().page(wanted, most)

    pace = Pace(Slow())
    pace.ask(1, 8)
    taking = asyncio.ensure_future(pace.replays.take(20))
    await asyncio.sleep(0)
    pace.replays.keep_to([])
    Slow.read.set()
    assert await taking == []
    assert pace.replays.waiting == 0
    assert [one.outcome for one in pace.shelf.answers] == ["begun", "stopped"]


async def test_what_must_be_deleted_while_it_waits_to_be_sent_again_is_gone() -> None:
    shelf = Shelf()
    shelf.rows[6] = replace(shelf.rows[6], expires=1.8e9 + 5.0)
    pace = Pace(shelf)
    pace.ask(1, 8)
    flying = await pace.replays.take(20)
    pace.at = 10.0
    for packet in flying:
        pace.replays.answered(packet, 0)
    assert await pace.all() == [5, 7, 8]
    assert (shelf.answers[-1].outcome, shelf.answers[-1].gone) == ("done", ((6, 6),))


async def test_an_answer_never_grows_without_bound() -> None:
    pace = Pace(Shelf(gone=frozenset(range(1, 1001, 2))))
    pace.ask(1, 1000)
    sent = await pace.all()
    done = pace.shelf.answers[-1]
    assert done.outcome == "done"
    assert len(done.gone) <= STRETCHES + 16
    assert done.wanted is not None
    assert done.wanted.last < 1000  # it says how far it came
    assert {*sent} == {one for one in range(1, done.wanted.last + 1) if one % 2 == 0}


async def test_where_nothing_is_left_the_answer_comes_at_once() -> None:
    pace = Pace(Shelf(gone=frozenset(range(1, 1001))))
    pace.ask(1, 40)
    assert await pace.all() == []
    assert pace.shelf.answers[-1].gone == ((1, 40),)


async def test_a_disk_that_fails_is_asked_again_later() -> None:
    pace = Pace(Shelf())
    pace.shelf.fails = True
    pace.ask(1, 3)
    assert await pace.replays.take(20) == []
    due = pace.replays.due(pace.at)
    assert due is not None
    assert due > pace.at + 1.0
    pace.shelf.fails = False
    assert await pace.all() == [1, 2, 3]


async def test_what_is_still_to_do_is_kept_and_nothing_when_all_is_done() -> None:
    shelf = Shelf()
    pace = Pace(shelf)
    pace.ask(1, 8)
    for packet in await pace.replays.take(20):
        pace.replays.answered(packet, 0)
    other = Pace(shelf)
    assert other.replays.word == f"energy, run 7: {MOST + 1} to 8"
    assert await other.all() == [5, 6, 7, 8]
    assert shelf.answers[-1].count == 8
    assert shelf.kept is None


async def test_what_was_kept_and_cannot_be_read_was_never_asked_for() -> None:
    shelf = Shelf()
    for kept in ("nonsense", [1], [{"wanted": None}], {"a": 1}):
        shelf.kept = kept
        assert Pace(shelf).replays.waiting == 0
