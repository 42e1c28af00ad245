"""A feed by itself, over a table in memory: what is taken, what wakes who waits, what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agent.core.clock import Clock
from agent.outbox.feed import LIVE_BYTES, LIVE_ROWS, Feed
from agent.outbox.lane import Lane, LaneState
from agent.outbox.row import Row
from agent.outbox.work import Found, Span
from tests.agent.outbox.scenes import TurnedClock
from tests.virtual import START

PROPS = '["application/json",true,1,false,[]]'


class Table:
    """What a feed needs of its outbox: rows 1, 2 and so on of one lane or more, and what it told."""

    def __init__(self) -> None:
        self.clock: Clock = TurnedClock(START)
        self.floor = 0
        self.rows: list[Found] = []
        self.late: set[int] = set()
        self.asked: list[tuple[int, frozenset[int]]] = []
        self.heard = 0
        self.most: list[tuple[str, int]] = []

    @property
    def tail(self) -> int:
        return len(self.rows)

    def add(self, lane: Lane, *, kind: str = "batch", body: bytes | None = b"12345") -> Row:
        """Append a row; give it as it is offered."""
        number = self.tail + 1
        before = max((one.id for one in self.rows if one.route == lane.number), default=0)
        found = Found(
            id=number, route=lane.number, epoch=1, seq=number, kind=kind, made=START, boot=0.0, expires=None,
            policy="p", topic="t", props=PROPS, body=body, before=before,
        )  # fmt: skip
        self.rows.append(found)
        lane.n += 1
        return lane.row(found, START + 60.0)

    async def read(self, spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        self.asked.append((count, avoid))
        told: dict[int, Found] = {}
        for span in spans:
            for one in self.rows:
                inside = any(after < one.id <= last for after, last in span.holes)
                if span.route == one.route and inside and one.id not in avoid and not span.events:
                    told[one.id] = one
        return [told[number] for number in sorted(told)][:count]

    def expiry(self, lane: Lane, row: Found) -> float:
        del lane
        return START + (0.5 if row.id in self.late else 1.0)

    def expired(self) -> None:
        self.heard += 1

    def bound(self, recipient: str, most: int) -> None:
        self.most.append((recipient, most))


class Scene:
    """A feed of one recipient with two products."""

    def __init__(self) -> None:
        self.table = Table()
        self.lanes = [Lane(number, f"city.{name}", LaneState(), 0) for number, name in ((1, "a"), (2, "b"))]
        for lane in self.lanes:
            lane.granted = True
        self.feed = Feed("city", lambda: self.lanes, self.table)

    def live(self, many: int, *, lane: int = 0, size: int = 5) -> list[Row]:
        """Offer new rows."""
        made = []
        for _ in range(many):
            row = self.table.add(self.lanes[lane], body=bytes(size))
            self.feed.offer(self.lanes[lane], row, row.id - 1)
            made.append(row)
        return made

    async def woken(self) -> bool:
        """Say whether who waits now is woken at once."""
        try:
            async with asyncio.timeout(0):
                await self.feed.wait()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def scene() -> Scene:
    return Scene()


def ids(rows: Sequence[Row]) -> list[int]:
    return [one.id for one in rows]


async def test_while_nobody_sends_nothing_is_kept_in_memory(scene: Scene) -> None:
    scene.live(2)
    assert await scene.feed.take(9, 0) == []
    scene.feed.online(True)
    scene.live(1)
    assert ids(await scene.feed.take(9, 0)) == [3]
    scene.live(1)
    scene.feed.online(False)
    scene.feed.online(True)
    assert await scene.feed.take(9, 0) == []


async def test_only_as_many_live_rows_are_kept_as_memory_allows(scene: Scene) -> None:
    scene.feed.online(True)
    scene.live(LIVE_ROWS + 2)
    assert ids(await scene.feed.take(999, 0)) == [*range(3, LIVE_ROWS + 3)]
    third = LIVE_BYTES // 3
    rows = scene.live(4, size=third)
    assert ids(await scene.feed.take(999, 0)) == ids(rows[1:])
    scene.live(1, size=LIVE_BYTES)
    last = scene.live(1, size=1)
    assert ids(await scene.feed.take(999, 0)) == ids(last)
    whole = scene.live(1, size=LIVE_BYTES)
    assert ids(await scene.feed.take(999, 0)) == ids(whole)


async def test_memory_is_given_back_by_whatever_leaves_it(scene: Scene) -> None:
    """What went, what ran out and what nobody wants any more makes room for as much again."""
    scene.feed.online(True)
    third = LIVE_BYTES // 3
    for _ in range(3):
        taken = scene.live(1, size=third)
        expired = scene.table.add(scene.lanes[0], body=bytes(third))
        gone = Row(**{name: getattr(expired, name) for name in Row.__struct_fields__} | {"expires": START})
        scene.feed.offer(scene.lanes[0], gone, gone.id - 1)
        [unwanted] = scene.live(1, size=third)
        scene.lanes[0].acked.add(unwanted.id, unwanted.id)
        assert ids(await scene.feed.take(9, 0)) == ids(taken)
    assert ids(await scene.feed.take(9, 0)) == []
    rows = scene.live(3, size=third)
    assert ids(await scene.feed.take(9, 0)) == ids(rows)
    assert scene.feed._live_size == 0
    scene.live(2, size=third)
    scene.feed.online(False)
    assert scene.feed._live_size == 0


async def test_so_many_live_rows_are_given_as_are_wanted_and_the_others_keep_their_place(
    scene: Scene,
) -> None:
    scene.feed.online(True)
    scene.live(3)
    assert ids(await scene.feed.take(2, 0)) == [1, 2]
    assert ids(await scene.feed.take(2, 0, frozenset({"city.a"}))) == []
    assert ids(await scene.feed.take(0, 0)) == []
    assert ids(await scene.feed.take(2, 0)) == [3]
    assert scene.lanes[0].flight == {1: 0, 2: 1, 3: 2}


async def test_a_live_row_with_less_than_a_second_left_is_not_given(scene: Scene) -> None:
    scene.feed.online(True)
    row = scene.table.add(scene.lanes[0])
    fields = {name: getattr(row, name) for name in Row.__struct_fields__}
    for left, given in ((0.9, []), (1.0, [1])):
        scene.feed.offer(scene.lanes[0], Row(**fields | {"expires": START + left}), 0)
        assert ids(await scene.feed.take(9, 0)) == given


@pytest.mark.parametrize("what", ["orderly", "erasing", "withheld", "under way", "settled"])
async def test_what_must_not_go_ahead_does_not_go_live(scene: Scene, what: str) -> None:
    scene.feed.online(True)
    [row] = scene.live(1)
    lane = scene.lanes[0]
    lane.in_order, lane.erasing, lane.granted = what == "orderly", what == "erasing", what != "withheld"
    lane.flight = {1: 0} if what == "under way" else {}
    if what == "settled":
        lane.acked.add(1, 1)
    assert await scene.feed.take(9, 0) == []
    if what == "orderly":
        scene.feed.offer(lane, row, 0)
        lane.in_order = False
        assert await scene.feed.take(9, 0) == []


async def test_the_backlog_is_given_but_not_what_is_under_way_or_waits_live(scene: Scene) -> None:
    for _ in range(4):
        scene.table.add(scene.lanes[0])
    scene.feed.online(True)
    scene.live(1)
    assert ids(await scene.feed.take(0, 2)) == [1, 2]
    assert scene.table.asked == [(2, frozenset({5}))]
    assert ids(await scene.feed.take(0, 9)) == [3, 4]
    assert scene.table.asked[-1] == (9, frozenset({1, 2, 5}))
    assert scene.lanes[0].flight == {1: 0, 2: 1, 3: 2, 4: 3}
    scene.table.asked.clear()
    assert ids(await scene.feed.take(9, 0)) == [5]
    assert scene.table.asked == [], "nothing is read that nobody wants"


async def test_a_backlog_skips_routes_and_those_that_wait_or_are_erased(scene: Scene) -> None:
    one, other = scene.lanes
    for lane in scene.lanes:
        scene.table.add(lane)
    assert ids(await scene.feed.take(0, 9, frozenset({"city.a"}))) == [2]
    scene.feed.release([other.row(scene.table.rows[1], 0.0)])
    one.erasing = True
    assert ids(await scene.feed.take(0, 9)) == [2]
    one.erasing, one.in_order = False, True
    assert ids(await scene.feed.take(0, 9)) == [1]
    scene.table.add(one)
    assert await scene.feed.take(0, 9) == [], "the answer to the first is not there"
    one.in_order = False
    assert ids(await scene.feed.take(0, 9)) == [3]
    scene.table.asked.clear()
    assert await scene.feed.take(0, 9) == []
    assert scene.table.asked == [], "nothing is behind"


async def test_what_became_of_a_row_while_it_was_read_counts(scene: Scene) -> None:
    lane = scene.lanes[0]
    for _ in range(3):
        scene.table.add(lane)
    read = scene.table.read

    async def slow(spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        found = await read(spans, count, avoid)
        scene.table.floor = 1
        lane.acked.add(2, 2)
        return found

    scene.table.read = slow  # type: ignore[method-assign]
    assert ids(await scene.feed.take(0, 9)) == [3]


@pytest.mark.parametrize("what", ["erasing", "must_wait"])
async def test_a_lane_that_stops_while_it_is_read_gives_nothing(scene: Scene, what: str) -> None:
    lane = scene.lanes[0]
    scene.table.add(lane)
    read = scene.table.read

    async def slow(spans: Sequence[Span], count: int, avoid: frozenset[int]) -> list[Found]:
        found = await read(spans, count, avoid)
        lane.erasing, lane.in_order = what == "erasing", what == "must_wait"
        lane.flight = {9: 8} if what == "must_wait" else {}
        return found

    scene.table.read = slow  # type: ignore[method-assign]
    assert await scene.feed.take(0, 9) == []


async def test_what_may_not_leave_any_more_is_erased_and_not_given(scene: Scene) -> None:
    lane = scene.lanes[0]
    scene.table.add(lane, kind="batch")
    scene.table.add(lane, kind="gap")
    lane.granted = False
    assert ids(await scene.feed.take(0, 9)) == []
    assert (lane.erasing, scene.table.heard) == (True, 1)


async def test_an_erased_row_is_settled_with_all_before_it_and_an_expired_one_told_of(scene: Scene) -> None:
    lane = scene.lanes[0]
    scene.table.add(lane)
    lane.acked.add(1, 1)
    scene.table.add(lane, body=None)
    scene.table.add(lane)
    scene.table.add(lane)
    scene.table.late = {3}
    assert ids(await scene.feed.take(0, 9)) == [4]
    assert list(lane.acked) == [(1, 2)]
    assert scene.table.heard == 1


async def test_who_waits_is_woken_by_what_is_new_or_given_back(scene: Scene) -> None:
    assert await scene.woken(), "nobody has looked yet"
    await scene.feed.take(0, 0)
    assert not await scene.woken()
    for stir in (scene.feed.stir, lambda: scene.feed.release([]), lambda: scene.feed.online(True)):
        stir()
        assert await scene.woken()
        await scene.feed.take(0, 0)
        assert not await scene.woken()
    scene.live(1)
    assert await scene.woken()


async def test_who_took_less_than_there_is_is_woken_again(scene: Scene) -> None:
    for _ in range(2):
        scene.table.add(scene.lanes[0])
    await scene.feed.take(0, 0)
    assert await scene.woken(), "nothing of the backlog was wanted"
    assert scene.table.asked == []
    await scene.feed.take(0, 0, frozenset({"city.a"}))
    assert not await scene.woken(), "what is behind is left out"
    await scene.feed.take(0, 1)
    assert await scene.woken()
    await scene.feed.take(0, 1)
    assert not await scene.woken(), "that was all"
    scene.feed.release([scene.lanes[0].row(one, 0.0) for one in scene.table.rows])
    scene.table.late = {1, 2}
    await scene.feed.take(0, 1)
    assert not await scene.woken(), "the disk had no more to give than was asked for"


async def test_an_answer_wakes_where_order_matters_and_something_is_behind(scene: Scene) -> None:
    lane = scene.lanes[0]
    for in_order, more, woken in ((True, 1, True), (True, 0, False), (False, 1, False)):
        lane.in_order = in_order
        lane.n, lane.flight = 0, {}
        row = scene.table.add(lane)
        lane.n += more
        lane.flight[row.id] = row.id - 1
        scene.feed._some.clear()
        scene.feed.acked(row)
        assert await scene.woken() is woken
        assert row.id in lane.acked
    scene.lanes.clear()
    scene.feed.acked(row)
    scene.feed.release([row])


async def test_what_is_given_back_is_taken_again(scene: Scene) -> None:
    scene.table.add(scene.lanes[0])
    [row] = await scene.feed.take(0, 9)
    assert await scene.feed.take(0, 9) == []
    scene.feed.release([row])
    assert ids(await scene.feed.take(0, 9)) == [1]


def test_the_outbox_hears_how_much_a_broker_takes(scene: Scene) -> None:
    scene.feed.bound(1000)
    assert scene.table.most == [("city", 1000)]
