"""A lane by itself: what it keeps, what it owes, what may leave next and until when."""

from __future__ import annotations

import math

import msgspec
import pytest
from msgspec.structs import replace

from agent.core.command import ANSWERS
from agent.core.message import Loss
from agent.outbox.lane import DATA, MOST_RANGES, Change, Lane, LaneState, Terms
from agent.outbox.row import Row
from agent.outbox.work import Found

FOUND = Found(
    id=7, route=3, epoch=1, seq=4, kind="batch", made=1000.0, boot=50.0, expires=None, policy="p1",
    topic="t", props='["application/json",true,1,false,[["id","gw1/1/energy/4"]]]', body=b"body", before=5,
)  # fmt: skip
BEGAN = LaneState(epoch=1, seq=9, open=True, reach=600.0)


def lane(state: LaneState | None = None, *, name: str = "city.energy") -> Lane:
    return Lane(3, name, state or LaneState(), tail=0)


def stored(one: Lane, change: Change | None = None) -> LaneState:
    return msgspec.json.decode(one.text(change or Change()), type=LaneState)


def row(one: Lane, number: int, before: int) -> Row:
    """Take a row, as a feed does."""
    one.flight[number] = before
    return one.row(replace(FOUND, id=number), 2000.0)


def test_what_it_keeps_comes_back_as_it_was() -> None:
    state = LaneState(
        epoch=4, seq=17, clean=False, open=True, acked=[(1, 5), (9, 9)], tail=12, n=3, size=400, reach=600.0,
        reach_synced=False, unsynced="boot", told=True, home=True, address="mqtt://a", since=2,
        owed=[Loss(why="cap", epoch=4, first=3, last=4, count=2)],
        crashed=Loss(why="crash", epoch=3, first=9, last=None, count=None),
    )  # fmt: skip
    one = Lane(3, "city.energy", state, tail=12)
    one.granted = True
    assert stored(one) == state
    assert (one.recipient, one.product) == ("city", "energy")


def test_a_new_lane_is_nobodys_and_changes_nothing() -> None:
    one = lane()
    assert not one.granted
    assert not one.near
    assert not one.erasing
    assert not one.in_order
    assert not one.dirty
    assert not one.stored
    assert not one.behind
    assert not one.must_wait
    assert (one.keep, one.ends) == (math.inf, math.inf)
    assert not stored(one).open


def test_a_change_is_written_before_it_is_taken_over() -> None:
    one = lane(LaneState(acked=[(1, 2)], n=4, size=100))
    one.tail = 8
    change = Change(n=-1, size=-30, tail=11, settled=[(3, 5)], home=True)
    told = stored(one, change)
    assert (told.n, told.size, told.tail, told.acked, told.home) == (3, 70, 11, [(1, 5)], True)
    assert stored(one, Change(tail=6)).tail == 8
    assert (one.n, one.size, list(one.acked), one.home) == (4, 100, [(1, 2)], False)
    one.leaving, one.near = {4}, True
    one.land(change)
    assert (one.n, one.size, list(one.acked), one.home) == (3, 70, [(1, 5)], True)
    assert not one.leaving
    assert not one.dirty, "it stands on disk already"
    assert not one.erasing


def test_what_lands_leaves_a_lane_as_dirty_as_it_was_and_the_oldest_until_nothing_waits() -> None:
    one = lane(LaneState(n=2))
    one.dirty, one.oldest = True, 5.0
    one.land(Change(n=-1, settled=[(1, 1)]))
    assert (one.dirty, one.oldest) == (True, 5.0)
    one.land(Change(n=-1))
    assert one.oldest is None


def test_what_must_not_leave_this_computer_is_erased_where_the_recipient_is_elsewhere() -> None:
    one = lane(LaneState(home=True, n=1))
    assert one.home
    assert not lane(LaneState(home=True, n=0)).home
    one.near = True
    one.open(Terms(60.0, 100.0, "a"), 5, unbroken=True)
    assert not one.erasing
    one.near = False
    one.open(Terms(60.0, 100.0, "a"), 5, unbroken=True)
    assert one.erasing
    one.dirty = False
    one.erased()
    assert (one.erasing, one.home, one.dirty) == (False, False, True)
    one.dirty = False
    one.erased()
    assert not one.dirty
    far = lane()
    far.land(Change(n=1, home=True))
    assert far.erasing
    plain = lane()
    plain.home, plain.near = False, False
    plain.keep_home()
    assert not plain.erasing
    plain.erasing = True
    plain.erased()
    assert not plain.dirty


def test_too_many_holes_make_it_orderly_until_the_last_one_is_closed() -> None:
    one = lane()
    for number in range(1, 2 * MOST_RANGES, 2):
        one.settle(number, number)
    assert len(one.acked) == MOST_RANGES == 32
    assert one.dirty
    assert not one.orderly
    assert [span.events for span in one.spans(0, 99)] == [True, False]
    one.settle(99, 99)
    assert one.orderly
    assert [span.events for span in one.spans(0, 99)] == [False]
    one.settle(3, 90)
    assert len(one.acked) == 3
    assert one.orderly
    one.settle(1, 98)
    assert not one.orderly
    one.in_order = True
    assert one.orderly


def test_holes_are_looked_for_in_the_rows_that_there_are() -> None:
    one = lane(LaneState(acked=[(4, 6)]))
    [_, plain] = one.spans(2, 9)
    assert (plain.route, plain.holes) == (3, ((2, 3), (6, 9)))


def test_of_what_nobody_is_owed_nothing_is_left() -> None:
    one = lane(LaneState(n=3, size=10, open=True, owed=[Loss(why="cap", epoch=1, first=1, last=1, count=1)]))
    one.keep_for_nobody(8)
    assert (one.n, one.size, one.was_open, one.owed, list(one.acked)) == (0, 0, False, [], [(1, 8)])


def test_an_acknowledgement_settles_once_what_was_under_way() -> None:
    one = lane(LaneState(n=2, size=8))
    one.oldest = 1.0
    first, second = row(one, 4, 1), row(one, 6, 4)
    assert not one.behind
    assert (one.wants(4), one.wants(5)) == (False, True)
    assert one.acknowledge(first)
    assert not one.acknowledge(first)
    assert (one.n, one.size, list(one.acked), one.oldest) == (1, 4, [(2, 4)], 1.0)
    assert not one.wants(4)
    assert one.acknowledge(second)
    assert [one.n, one.size, one.oldest] == [0, 0, None]
    one.leaving = {9}
    assert not one.wants(9)


def test_where_order_matters_the_next_waits_for_the_answer() -> None:
    one = lane(LaneState(n=2))
    one.in_order = True
    assert (one.must_wait, one.behind) == (False, True)
    row(one, 4, 1)
    assert (one.must_wait, one.behind) == (True, True)
    one.in_order = False
    assert not one.must_wait


def test_a_row_is_what_was_read() -> None:
    one = lane()
    made = one.row(FOUND, 1234.0)
    assert (made.id, made.route, made.epoch, made.seq, made.kind) == (7, "city.energy", 1, 4, "batch")
    assert (made.topic, made.body, made.user) == ("t", b"body", (("id", "gw1/1/energy/4"),))
    assert (made.content_type, made.utf8, made.qos, made.retain) == ("application/json", True, 1, False)
    assert (made.made, made.expires, made.policy, made.boot) == (1000.0, 1234.0, "p1", 50.0)
    assert made.correlation == b""


@pytest.mark.parametrize("kind", sorted(DATA))
def test_without_a_grant_data_is_withheld_and_what_the_gateway_owes_is_not(kind: str) -> None:
    one = lane()
    assert one.withheld(kind)
    assert not one.withheld("gap")
    one.granted = True
    assert not one.withheld(kind)


def test_another_address_or_a_grant_that_broke_off_begins_anew() -> None:
    one = lane(LaneState(address="a", since=2))
    one.erasing = True
    one.open(Terms(60.0, 100.0, "a"), 5, unbroken=True)
    assert (one.keep, one.ends, one.since, one.dirty, one.erasing) == (60.0, 100.0, 2, False, False)
    one.open(Terms(60.0, 100.0, "a"), 5, unbroken=False)
    assert (one.since, one.dirty) == (5, True)
    one.dirty = False
    one.open(Terms(60.0, 100.0, "b"), 7, unbroken=True)
    assert (one.address, one.since, one.dirty) == ("b", 7, True)


def test_a_row_leaves_until_its_keep_or_the_grant_ends() -> None:
    one = lane()
    one.open(Terms(60.0, 1e9), 0, unbroken=True)
    aged = {"utc": 5000.0, "boot": 80.0}
    assert one.expiry(FOUND, **aged, same_boot=True) == 5000.0 - 30.0 + 60.0, "by boot time"
    assert one.expiry(FOUND, **aged, same_boot=False) == 1060.0, "by its label"
    later = replace(FOUND, made=9000.0)
    assert one.expiry(later, **aged, same_boot=False) == 5060.0, "which may lie ahead"
    said = replace(FOUND, expires=1200.0)
    assert one.expiry(said, **aged, same_boot=True) == 1060.0, "a keep that was shortened counts"
    one.keep = 500.0
    assert one.expiry(said, **aged, same_boot=True) == 1200.0, "one that grew does not"
    far = 1000.0 + 11 * 366 * 86400.0
    assert one.expiry(replace(FOUND, expires=far), **aged, same_boot=True) == far, "no clock was set"
    edge = 1000.0 + 10 * 366 * 86400.0
    assert one.expiry(replace(FOUND, expires=edge), **aged, same_boot=True) == edge
    assert one.expiry(replace(FOUND, expires=edge - 1), **aged, same_boot=True) == 1500.0
    one.ends = 900.0
    assert one.expiry(said, **aged, same_boot=True) == 900.0
    assert one.expiry(replace(FOUND, kind="gap"), **aged, same_boot=False) == 1500.0


def test_a_crash_costs_from_the_last_window_to_the_next_one() -> None:
    one = lane(BEGAN)
    one.note_end(clean=False)
    assert (one.clean, one.dirty) == (False, True)
    assert one.crashed == Loss(why="crash", epoch=1, first=10, last=None, count=None, begin=600.0)
    one.dirty = False
    one.reached(900.0, 1200.0, synced=True)
    assert one.owed == [Loss(why="crash", epoch=1, first=10, last=None, count=None, begin=600.0, end=900.0)]
    assert [one.crashed, one.dirty] == [None, True]
    assert (one.reach, one.reach_synced) == (1200.0, True)


def test_a_crash_that_nothing_followed_is_told_with_the_next_one() -> None:
    one = lane(replace(BEGAN, crashed=Loss(why="crash", epoch=0, first=3, last=None, count=None, begin=5.0)))
    one.note_end(clean=False)
    assert one.crashed is not None
    assert one.crashed.begin == 5.0


@pytest.mark.parametrize(("begin", "synced"), [(599.0, True), (900.0, False)])
def test_a_crash_between_two_clocks_has_no_times(begin: float, synced: bool) -> None:
    one = lane(BEGAN)
    one.note_crash()
    one.reached(begin, begin + 300.0, synced=synced)
    [told] = one.owed
    assert (told.begin, told.end) == (None, None)


def test_a_window_that_follows_a_crash_at_once_costs_no_time() -> None:
    one = lane(BEGAN)
    one.note_crash()
    one.reached(600.0, 900.0, synced=True)
    [told] = one.owed
    assert (told.begin, told.end) == (600.0, 600.0)


def test_a_lane_that_was_not_open_owns_up_to_nothing_and_answers_to_no_time() -> None:
    shut = lane(replace(BEGAN, open=False))
    for clean in (False, True):
        shut.note_end(clean=clean)
    assert (shut.clean, shut.crashed, shut.pause) == (True, None, None)
    answers = lane(BEGAN, name=f"city.{ANSWERS}")
    answers.note_end(clean=True)
    assert answers.pause is None
    answers.note_end(clean=False)
    assert (answers.clean, answers.crashed) == (False, None)
    answers.close_crash()
    assert not answers.owed


def test_windows_that_lie_between_a_stop_and_a_start_are_owed() -> None:
    one = lane(BEGAN)
    one.note_end(clean=True)
    assert one.clean
    one.reached(600.0, 900.0, synced=True)  # handed on, as are two more
    one.dirty = False
    one.reached(1500.0, 1800.0, synced=True)
    assert one.owed == [
        Loss(why="stopped", epoch=1, first=10, last=None, count=None, begin=900.0, end=1500.0)
    ]
    assert (one.pause, one.dirty) == (None, True)


def test_after_three_windows_that_follow_at_once_nothing_was_lost() -> None:
    one = lane(BEGAN)
    one.note_stop()
    for number in range(3):
        assert one.pause is not None
        begin = 600.0 + 300 * number
        one.reached(begin + 0.001, begin + 300, synced=True)
    assert one.pause is None
    one.reached(9000.0, 9300.0, synced=True)
    assert not one.owed


def test_a_stop_between_two_clocks_has_no_times_and_events_do_not_end_it() -> None:
    one = lane(BEGAN)
    one.note_stop()
    one.reached(5000.0, 5000.0, synced=True)
    assert one.pause is not None
    one.reached(5000.0, 5300.0, synced=False)
    [told] = one.owed
    assert (told.begin, told.end) == (None, None)
    never = lane(replace(BEGAN, reach=None))
    never.note_stop()
    assert never.pause is None


def test_how_far_it_has_come_never_goes_back_but_with_another_clock() -> None:
    one = lane(BEGAN)
    one.reached(0.0, 500.0, synced=True)
    assert one.reach == 600.0
    one.reached(0.0, 500.0, synced=False)
    assert (one.reach, one.reach_synced) == (500.0, False)
    fresh = lane()
    fresh.reached(0.0, 50.0, synced=True)
    assert fresh.reach == 50.0
