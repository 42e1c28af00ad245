"""Losses are joined where they touch, and never told narrower than they were."""

from __future__ import annotations

import pytest

from agent.core.message import Loss
from agent.core.record import Aggregate, Event, Record
from agent.outbox.losses import MOST, merge, numberless, span


def loss(first: int, last: int | None, *, epoch: int = 1, why: str = "cap", n: int | None = None) -> Loss:
    count = n if n is not None or last is None else last - first + 1
    return Loss(
        why=why,
        epoch=epoch,
        first=first,
        last=last,
        count=count,
        begin=float(first),
        end=float(last or first),
    )


def stretches(losses: list[Loss]) -> list[tuple[int, int | None]]:
    return [(one.first, one.last) for one in losses]


@pytest.mark.parametrize(
    ("second", "joined"),
    [((4, 5), [(1, 5)]), ((3, 4), [(1, 4)]), ((2, 2), [(1, 3)]), ((5, 6), [(1, 3), (5, 6)])],
)
def test_what_touches_or_overlaps_is_one_loss(second: tuple[int, int], joined: list[tuple[int, int]]) -> None:
    for pair in ([loss(1, 3), loss(*second)], [loss(*second), loss(1, 3)]):
        found = merge(pair)
        assert stretches(found) == joined
        assert sum(one.count or 0 for one in found) == 3 + second[1] - second[0] + 1
        assert min(one.begin or 0.0 for one in found) == 1.0
        assert max(one.end or 0.0 for one in found) == max(3, second[1])


@pytest.mark.parametrize("other", [{"epoch": 2}, {"why": "ttl"}])
def test_another_epoch_or_reason_is_another_loss(other: dict[str, int]) -> None:
    assert len(merge([loss(1, 3), loss(4, 5, **other)])) == 2  # type: ignore[arg-type]


def test_crashes_are_one_loss_only_at_the_same_number() -> None:
    same, later = merge([loss(4, None), loss(4, None), loss(5, None)])
    assert (same.first, same.last, same.count) == (4, None, None)
    assert later.first == 5
    assert len(merge([loss(4, None), loss(4, 9)])) == 2


def test_a_number_and_none_are_not_joined_for_want_of_room() -> None:
    assert len(merge([loss(4, None), loss(6, 9)], most=1)) == 2


def test_losses_are_told_in_the_order_of_their_numbers() -> None:
    told = merge([loss(9, 9, epoch=2), loss(7, 8, why="ttl"), loss(1, 2), loss(20, 20, why="ttl")])
    assert [(one.epoch, one.first) for one in told] == [(1, 1), (1, 7), (1, 20), (2, 9)]


def test_too_many_are_joined_where_the_least_lies_between_and_their_count_stays() -> None:
    apart = [loss(1, 2), loss(10, 11), loss(14, 15), loss(30, 31)]
    assert stretches(merge(apart, most=4)) == [(1, 2), (10, 11), (14, 15), (30, 31)]
    three = merge(apart, most=3)
    assert stretches(three) == [(1, 2), (10, 15), (30, 31)]
    assert [one.count for one in three] == [2, 4, 2]
    assert (three[1].begin, three[1].end) == (10.0, 15.0)
    assert stretches(merge(apart, most=1)) == [(1, 31)]


def test_what_lies_between_is_counted_from_the_end_of_a_loss() -> None:
    assert stretches(merge([loss(1, 20), loss(25, 26), loss(34, 35)], most=2)) == [(1, 26), (34, 35)]
    crashes = merge([loss(4, None), loss(5, None), loss(9, None)], most=2)
    assert stretches(crashes) == [(4, None), (9, None)]


def test_hundreds_become_so_many_as_one_message_can_hold() -> None:
    told = merge(loss(3 * one, 3 * one) for one in range(1, 300))
    assert len(told) == MOST == 64
    assert sum(one.count or 0 for one in told) == 299


def test_what_has_no_times_borrows_none() -> None:
    bare = Loss(why="cap", epoch=1, first=4, last=5, count=2)
    [found] = merge([loss(1, 3), bare])
    assert (found.begin, found.end, found.count) == (1.0, 3.0, 5)
    [found] = merge([bare, Loss(why="cap", epoch=1, first=6, last=6, count=None)])
    assert (found.begin, found.end, found.count) == (None, None, 2)


def test_a_batch_tells_from_its_first_begin_to_its_last_end() -> None:
    records: list[Record] = [
        Aggregate("a.b", 100.0, 60.0, 1, (1.0,)),
        Aggregate("a.c", 40.0, 60.0, 1, (1.0,)),
        Event(
            point="a.b",
            at=170.0,
            kind="threshold",
            severity="info",
            value=1.0,
            unit="",
            text="",
        ),
    ]
    assert span(records) == (40.0, 170.0)
    assert span(records[:2]) == (40.0, 160.0)


def test_epochs_of_which_nothing_is_known_are_owned_up_to() -> None:
    [two, three] = numberless(2, 3)
    assert (two.why, two.epoch, two.first, two.last, two.count) == ("crash", 2, 1, None, None)
    assert three.epoch == 3
    assert [one.epoch for one in numberless(0, 2)] == [1, 2]
    assert [one.epoch for one in numberless(1, 1000)] == list(range(1000 - MOST, 1001))
    assert numberless(3, 2) == []
