"""The books by themselves, without a file: what is numbered, what goes to the disk, what is owed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from agent.core.command import ANSWERS, Answer
from agent.core.message import Encoding, Head, Loss, Message, Place, Previous
from agent.core.record import Aggregate
from agent.encodings.native import Native
from agent.outbox.books import Books, Landed
from agent.outbox.lane import OWN, OWN_KEEP, Change, LaneState, Terms
from agent.outbox.ranges import Ranges
from agent.outbox.row import Header
from agent.outbox.schema import PAGE
from agent.outbox.transaction import Transaction
from agent.outbox.work import Done, Opening
from tests.agent.outbox.scenes import PLAIN, START, Plain, TurnedClock, World

CITY = "city.energy"
HOUR = 3600.0
NOTE = Message(topic="", body=b"the policy", kind="policy")
GAP = Loss(why="cap", epoch=1, first=1, last=2, count=2)


class Silent(Plain):
    """A plain encoding that does not say that a run begins."""

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        del product, head, previous
        return None


class Run:
    """One run of the books, and a disk that keeps what they bring to it."""

    def __init__(
        self, opening: Opening | None = None, clock: TurnedClock | None = None, encoding: Encoding = PLAIN
    ) -> None:
        self.clock = clock or TurnedClock()
        self.books = Books(opening or fresh(), self.clock)
        self.encodings = {"city": encoding, "lab": encoding}
        self.world = World(Path())
        self.books.policy = "3b683cb786f6"

    def open(self, *names: str, ends: float = START + 9 * HOUR, near: bool = False) -> None:
        terms = {name: Terms(HOUR, ends) for name in names}
        self.books.open_lanes(terms, self.encodings, ("city", "lab") if near else ())

    def put(self, *, size: int = 10, synced: bool = True, at: float = START - 60.0) -> None:
        figure = Aggregate("x" * size, at, 60.0, 60, (1.0,), synced=synced)
        for one in self.world.clear(CITY, figure):
            self.books.put(one)

    def land(self, transaction: Transaction) -> Landed:
        tail = self.books.tail + len(transaction.work.rows)
        return self.books.land(transaction, Done(tail=tail, used=1, limit=self.books.limit))

    def commit(self) -> Transaction:
        transaction = self.books.draw()
        self.land(transaction)
        return transaction


def fresh(  # noqa: PLR0913 - what a file may say
    *,
    epoch: int = 0,
    anchor: int = 0,
    tail: int = 0,
    limit: int = 100_000,
    routes: dict[int, str] | None = None,
    state: dict[str, str] | None = None,
) -> Opening:
    done = Done(tail=tail, used=1, limit=limit)
    return Opening(
        lid="1", epoch=epoch, anchor=anchor, tail=tail, routes=routes or {}, state=state or {}, done=done
    )


def stored(lane: LaneState, **more: str) -> dict[str, str]:
    return {f"lane/{CITY}": msgspec.json.encode(lane).decode(), **more}


def again(**changes: object) -> Opening:
    """Give what a file says after an orderly run with one route."""
    lane = LaneState(epoch=1, seq=4, open=True, acked=[(1, 4)], tail=4)
    return fresh(epoch=1, tail=4, routes={1: CITY}, state=stored(lane, clean="1"), **changes)  # type: ignore[arg-type]


def lane_of(transaction: Transaction, name: str = CITY) -> LaneState:
    return msgspec.json.decode(transaction.work.state[f"lane/{name}"], type=LaneState)


def numbers(transaction: Transaction) -> list[tuple[str, int]]:
    return [(one.message.kind, one.seq) for one in transaction.work.rows]


def losses(transaction: Transaction) -> list[Loss]:
    return [loss for one in transaction.work.rows for loss in one.lost]


def header(number: int, *, route: int = 1, size: int | None = 5, lost: tuple[Loss, ...] = ()) -> Header:
    return Header(
        number, route, 1, number, "batch", START, 0.0, None, size, b"", bytes([number]), lost=lost,
        before=number - 1,
    )  # fmt: skip


# --- numbers ---


def test_a_message_carries_the_number_of_its_row() -> None:
    run = Run()
    run.open(CITY)
    run.put()
    run.put()
    rows = run.books.draw().work.rows
    assert [json.loads(one.message.body)["s"] for one in rows] == [one.seq for one in rows] == [1, 2, 3]


def test_what_a_lane_has_come_to_goes_to_the_disk_with_its_rows() -> None:
    run = Run(again())
    run.open(CITY)
    run.put()
    first = run.commit()
    assert numbers(first) == [("start", 1), ("batch", 2)]
    told = lane_of(first)
    assert (told.epoch, told.seq, told.tail, told.n) == (2, 2, 6, 2)
    run.put()
    assert lane_of(run.books.draw()).tail == 7


def test_a_run_that_begins_without_a_message_is_remembered_too() -> None:
    """Else a crash would be told of the run before it."""
    run = Run(again(), encoding=Silent())
    run.open(CITY)
    told = lane_of(run.books.draw())
    assert (told.epoch, told.seq) == (2, 0)


def test_a_new_route_takes_the_number_of_none_before() -> None:
    run = Run(fresh(epoch=1, routes={1: CITY, 2: "lab.energy"}))
    run.open(CITY, "lab.energy", "lab.people", "city.people")
    assert len(run.books.by_number) == 4
    assert {run.books.by_number[one].name for one in (1, 2)} == {CITY, "lab.energy"}
    assert set(run.commit().work.routes.values()) == {"lab.people", "city.people"}


@pytest.mark.parametrize(("synced", "trusted"), [(True, True), (True, False), (False, True)])
def test_only_what_two_trusted_clocks_made_knows_when_it_ends(*, synced: bool, trusted: bool) -> None:
    run = Run()
    run.open(CITY)
    run.books.draw()
    run.clock.synced = trusted
    run.put(synced=synced)
    [row] = run.books.draw().work.rows
    assert row.expires == (START + HOUR if synced and trusted else None)


def test_data_ends_with_its_grant_and_a_declaration_does_not() -> None:
    run = Run()
    run.open(CITY, ends=START + 60.0)
    run.put()
    start, batch = run.books.draw().work.rows
    assert (start.expires, batch.expires) == (START + HOUR, START + 60.0)


# --- what is noted, answered, kept ---


def test_what_is_noted_is_numbered_anew_in_each_run_and_stays_for_400_days() -> None:
    run = Run(fresh(epoch=1, routes={1: OWN}, state={f"lane/{OWN}": '{"epoch":1,"seq":7}'}))
    assert run.books.noted == 0
    run.books.note(NOTE, "mark", "policy")
    run.books.note(NOTE, "mark", "policy")
    noted = run.commit()
    assert [(one.epoch, one.seq, one.expires) for one in noted.work.rows] == [
        (2, 1, START + OWN_KEEP), (2, 2, START + OWN_KEEP),
    ]  # fmt: skip
    assert noted.work.state["noted"] == "mark"
    assert run.books.noted == 2
    run.open(CITY)
    run.commit()
    assert run.books.noted == 2


def test_an_answer_goes_to_who_asked_and_to_nobody_else() -> None:
    answer = Answer(verb="rebirth", outcome="done")
    run = Run(encoding=Native(Place(city="vaasa", site="library", gateway="gw1")))
    run.books.answer("city", answer)
    run.open(f"city.{ANSWERS}")
    run.books.answer("lab", answer)
    assert run.books.draw().work.rows == ()
    run.books.answer("city", answer)
    assert numbers(run.books.draw()) == [("start", 1), ("answer", 2)]


def test_where_nobody_can_be_answered_nothing_is_written() -> None:
    run = Run()
    run.open(f"city.{ANSWERS}")
    run.books.answer("city", Answer(verb="rebirth", outcome="done"))
    assert run.books.draw().work.rows == ()


def test_whatever_waits_for_the_disk_is_known_to_wait() -> None:
    run = Run()
    run.open(CITY)
    run.commit()
    assert not run.books.dirty
    run.books.kept.save("energy", 1)
    assert run.books.dirty
    assert run.commit().work.state == {"saved/energy": "1"}
    assert not run.books.dirty
    run.books.bound("city", 1000)
    assert run.books.dirty


def test_rows_of_this_boot_are_known_from_those_before_it() -> None:
    here = '["6f1c22ab",3]'
    same = Run(fresh(epoch=1, tail=9, state={"boot": here}))
    assert same.books.boot_from == 3
    assert "boot" not in same.commit().work.state
    other = Run(fresh(epoch=1, tail=9, state={"boot": here}), TurnedClock(boot_id="other"))
    assert other.books.boot_from == 10
    assert json.loads(other.commit().work.state["boot"]) == ["other", 10]


# --- memory ---


def test_memory_holds_what_it_may_to_the_byte_and_gives_up_the_oldest_beyond_it() -> None:
    run = Run(fresh(limit=64), encoding=Silent())
    most = 64 * PAGE // 16
    run.open(CITY)
    for _ in range(2):
        run.put()
        run.put(size=most - 2 * run.books.pending_size + 10)
        assert run.books.pending_size == most
        assert len(run.commit().work.rows) == 2
        assert not run.books.pending
    run.put()
    run.put(size=most - 2 * run.books.pending_size + 11)
    given_up = run.books.draw()
    assert numbers(given_up) == [("batch", 6), ("gap", 7)]
    assert [(one.why, one.first, one.last) for one in losses(given_up)] == [("cap", 5, 5)]


def test_the_newest_message_is_kept_however_large_it_is() -> None:
    run = Run(fresh(limit=64), encoding=Silent())
    run.open(CITY)
    run.put(size=20_000)
    assert len(run.books.pending) == 1
    run.put(size=20_000)
    assert [one.seq for one in run.books.pending] == [2]


# --- what is owed ---


def test_what_will_never_come_is_owed_from_the_first_moment_on() -> None:
    run = Run()
    run.open(CITY)
    run.books.lose(run.books.lane(CITY), "clock", START, START + 60.0)
    told = run.books.draw()
    assert numbers(told) == [("start", 1), ("gap", 2)]
    assert losses(told) == [
        Loss(why="clock", epoch=1, first=2, last=None, count=None, begin=START, end=START + 60.0)
    ]


def test_what_nobody_can_be_told_yet_is_owed_over_a_restart() -> None:
    run = Run()
    run.encodings = {}
    run.open(CITY)
    run.commit()
    run.books.lose(run.books.lane(CITY), "clock", START, START + 60.0)
    assert run.books.dirty
    assert [one.why for one in lane_of(run.books.draw()).owed] == ["clock"]


def lossy() -> Run:
    """Give a run whose lane has declared a loss that nobody has taken yet, in row 2."""
    run = Run()
    run.open(CITY)
    run.books.lose(run.books.lane(CITY), "clock", START, START + 60.0)
    run.commit()
    assert run.books.tail == 2
    return run


def test_a_gap_that_nobody_has_taken_is_taken_over_by_the_next() -> None:
    run = lossy()
    run.put()
    run.books.lose(run.books.lane(CITY), "cap", START, START + 60.0)
    second = run.books.draw()
    assert second.work.blank == (2,)
    assert sorted(one.why for one in losses(second)) == ["cap", "cap", "clock"]
    assert second.changes[1] == Change(n=1, size=second.changes[1].size, tail=4, settled=[(2, 2)])
    assert lane_of(second).n == 3


def test_a_gap_that_is_under_way_stands_beside_the_next() -> None:
    run = lossy()
    lane = run.books.lane(CITY)
    lane.flight[2] = 1
    run.books.lose(lane, "cap", START, START + 60.0)
    second = run.books.draw()
    assert second.work.blank == ()
    assert [one.why for one in losses(second)] == ["cap"]


def test_a_gap_that_has_left_with_the_front_is_not_owed_twice() -> None:
    run = Run(encoding=Silent())
    run.open(CITY)
    run.books.lose(run.books.lane(CITY), "clock", START, START + 60.0)
    [gap] = run.commit().work.rows
    away, run.encodings = run.encodings, {}
    run.open()
    run.land(run.books.draw(drop=[header(1, lost=gap.lost)]))
    run.encodings = away
    run.open(CITY)
    told = run.books.draw()
    assert told.work.blank == ()
    assert [(one.why, one.count) for one in losses(told)] == [("cap", 1), ("clock", None)]


def test_what_failed_to_reach_the_disk_goes_with_the_next_transaction() -> None:
    run = Run()
    run.open(CITY)
    run.put()
    run.books.kept.save("energy", 1)
    failed = run.books.draw()
    assert not failed.gives_up
    run.books.take_back(failed)
    assert run.books.pending_size == sum(one.size for one in failed.work.rows)
    assert run.commit().work == failed.work
    lane = run.books.lane(CITY)
    lane.settle(1, 1)
    run.books.take_back(run.books.draw())
    assert lane_of(run.books.draw()).acked == [(1, 1)]


# --- rows that leave from the front ---


def test_of_the_front_what_was_delivered_lives_on_and_the_rest_is_owed() -> None:
    run = Run(again())
    run.open(CITY)
    lane = run.books.lane(CITY)
    lane.acked = Ranges([(1, 2)])
    front = [header(1), header(2, size=None), header(3, route=9), header(4), header(5, lost=(GAP,))]
    told = run.books.draw(drop=front)
    drop = told.work.drop
    assert drop is not None
    assert (drop.last, drop.link) == (5, b"\x05")
    assert drop.left == (front[0],)
    assert [(one.why, one.first, one.last) for one in losses(told)] == [("cap", 1, 2), ("cap", 4, 5)]
    assert lane.leaving == {4, 5}


@pytest.mark.parametrize("what", ["drop", "blank"])
def test_what_causes_losses_itself_is_tried_again_as_a_whole(what: str) -> None:
    run = Run(again())
    run.open(CITY)
    assert run.books.draw(**{what: [header(1) if what == "drop" else (header(1), "ttl")]}).gives_up  # type: ignore[arg-type]
    assert not run.books.draw().gives_up


def test_how_old_the_oldest_is_that_waits_is_known_until_nothing_waits() -> None:
    run = Run()
    run.open(CITY)
    run.put()
    run.commit()
    run.clock.turn(60.0)
    run.put()
    run.commit()
    assert run.books.lane(CITY).oldest == START


# --- the plan ---


def test_where_not_even_a_name_was_saved_all_runs_before_are_owed_once() -> None:
    run = Run(fresh(epoch=3, routes={1: "lab.energy"}, state={"salvaged": "1"}))
    run.open(CITY, "lab.energy")
    told = run.commit()
    assert [(one.why, one.epoch, one.first) for one in losses(told)] == [("crash", n, 1) for n in (1, 2, 3)]
    assert [run.books.by_number[one.route].name for one in told.work.rows if one.lost] == [CITY]
    assert told.work.state["salvaged"] == "0"
    run.open(CITY, "lab.energy", "city.people")
    assert losses(run.commit()) == []


def test_a_route_that_is_new_owes_nothing() -> None:
    run = Run(fresh(epoch=3))
    run.open(CITY)
    assert losses(run.books.draw()) == []


def test_a_grant_goes_on_over_a_restart_and_begins_anew_where_it_broke_off() -> None:
    """What left before it broke off is not sent again to whoever asks."""
    lane = LaneState(epoch=1, seq=4, open=True, acked=[(1, 4)], tail=4, since=2)
    run = Run(fresh(epoch=1, tail=4, routes={1: CITY}, state=stored(lane, clean="1")))
    run.open(CITY)
    run.commit()
    assert run.books.lane(CITY).since == 2
    run.open()
    run.open(CITY)
    assert run.books.lane(CITY).since == run.books.tail == 5


def test_a_route_that_is_withdrawn_is_closed_on_disk_though_nothing_waits() -> None:
    run = Run(again())
    run.open(CITY)
    run.commit()
    lane = run.books.lane(CITY)
    lane.n = 0
    assert not lane.dirty
    run.open()
    assert lane.erasing
    assert not lane_of(run.books.draw()).open


def test_what_a_route_still_held_when_it_was_closed_is_erased_by_the_next_run() -> None:
    lane = LaneState(epoch=1, seq=4, tail=4, n=4, size=20)
    run = Run(fresh(epoch=1, tail=4, routes={1: CITY}, state=stored(lane, clean="1")))
    run.open()
    assert run.books.lane(CITY).erasing
    assert not run.books.lane(CITY).dirty


def test_a_route_that_is_closed_and_holds_nothing_is_left_alone() -> None:
    run = Run(fresh(epoch=1, tail=4, routes={1: CITY}, state=stored(LaneState(epoch=1, seq=4), clean="1")))
    run.open()
    assert not run.books.lane(CITY).erasing


@pytest.mark.parametrize("near", [True, False])
def test_what_must_not_leave_this_computer_waits_only_for_who_is_on_it(*, near: bool) -> None:
    run = Run(encoding=Silent())
    run.world.host, run.world.unconfined = "127.0.0.1", True
    run.open(CITY, near=True)
    run.put()
    run.open(CITY, near=near)
    told = run.books.draw()
    assert numbers(told) == [("batch", 1) if near else ("gap", 2)]
    assert [one.why for one in losses(told)] == ([] if near else ["unconfined"])
