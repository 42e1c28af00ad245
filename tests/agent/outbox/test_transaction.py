"""What rows that come, leave or are erased mean for their lanes once a transaction is safe."""

from __future__ import annotations

from agent.core.message import Loss, Message
from agent.outbox.lane import OWN, Change, Lane, LaneState
from agent.outbox.row import Draft, Header
from agent.outbox.transaction import blank_out, come, header_of, leave, lost, owe

DRAFT = Draft(
    route=3, epoch=2, seq=9, message=Message(topic="t", body=b"12345", kind="batch"), policy="p", made=10.0,
    boot=1.0, expires=70.0, since=0.0, until=5.0,
)  # fmt: skip
GAP = Loss(why="cap", epoch=1, first=1, last=2, count=2)


def lane(number: int = 3, name: str = "city.a") -> Lane:
    return Lane(number, name, LaneState(n=1, size=5), 0)


def header(*, size: int | None = 5, gap: tuple[Loss, ...] = ()) -> Header:
    return Header(
        7, 3, 2, 9, "batch", 10.0, 1.0, 70.0, size, b"", b"", since=0.0, until=5.0, lost=gap, before=4
    )


def test_a_header_is_its_draft_with_a_place() -> None:
    assert header_of(7, DRAFT, 4) == header()


def test_one_lost_message_is_told_with_its_stretch_of_time() -> None:
    assert lost(lane(), DRAFT, "ttl") == Loss(
        why="ttl", epoch=2, first=9, last=9, count=1, begin=0.0, end=5.0
    )


def test_what_is_owed_is_joined_when_it_becomes_too_much() -> None:
    one = lane()
    apart = [Loss(why="cap", epoch=1, first=2 * n, last=2 * n, count=1) for n in range(256)]
    owe(one, apart)
    assert one.owed == apart
    owe(one, [GAP])
    assert len(one.owed) <= 64
    assert sum(each.count or 0 for each in one.owed) == 258


def test_a_row_that_leaves_is_under_way_no_more_and_counts_no_more() -> None:
    one, changes = lane(), {5: Change()}
    one.flight[7] = 4
    leave(one, header(), changes)
    leave(one, header(size=None), changes)
    assert one.flight == {}
    assert one.leaving == {7}
    assert (changes[3].n, changes[3].size) == (-2, -5)
    assert changes[5] == Change()


def test_an_erased_row_is_settled_and_owed_with_what_it_would_have_declared() -> None:
    one, changes = lane(), dict[int, Change]()
    blank_out({3: one}, [(header(gap=(GAP,)), "ttl")], changes)
    assert one.owed == [GAP, lost(one, header(), "ttl")]
    assert changes[3].settled == [(5, 7)]
    assert (changes[3].n, one.leaving) == (-1, {7})


def test_rows_that_come_are_counted_and_those_for_nobody_settled_at_once() -> None:
    changes: dict[int, Change] = {}
    home = Draft(**{name: getattr(DRAFT, name) for name in Draft.__struct_fields__} | {"unconfined": True})
    own = Draft(**{name: getattr(DRAFT, name) for name in Draft.__struct_fields__} | {"route": 1})
    come({3: lane(), 1: lane(1, OWN)}, [(7, DRAFT), (8, home), (9, own), (10, DRAFT)], changes)
    assert changes[3] == Change(n=3, size=15, tail=10, home=True)
    assert changes[1] == Change(tail=9, settled=[(1, 9)])
    plain: dict[int, Change] = {}
    come({3: lane()}, [(7, DRAFT)], plain)
    assert not plain[3].home
