"""What a late reply holds up is charged to whom it was waited for, and to nobody else."""

from __future__ import annotations

import pytest

from drivers.modbus.overdue import MOST, Waiting


def test_few_are_late_while_somebody_should_not_be_and_there_may_be_more() -> None:
    waiting = Waiting()
    assert (bool(waiting), waiting.few) == (False, False)
    waiting.add(9, 1.0, 0.02, probe=True)
    assert (bool(waiting), waiting.few) == (True, False), "a unit that is silent says nothing of the others"
    late = [waiting.add(unit, 2.0 + unit, 0.2, probe=False) for unit in range(MOST - 2)]
    assert waiting.few
    late.append(waiting.add(8, 20.0, 0.2, probe=False))
    assert not waiting.few, "eight at once are no hiccup"
    waiting.end(late[0], 21.0, 1.0)
    assert waiting.few


def test_there_may_be_eight_late_ones() -> None:
    assert MOST == 8


def test_who_ends_while_others_wait_behind_it_has_held_them_up_until_then() -> None:
    waiting = Waiting()
    first, second = waiting.add(1, 10.0, 0.2, probe=False), waiting.add(2, 10.2, 0.3, probe=False)
    waiting.end(first, 11.0, 0.5)
    waiting.end(second, 12.0, 0.5)
    assert first.held == pytest.approx(1.0)
    assert second.held == pytest.approx(0.3), "nobody was behind it: its turn, and no more"
    assert not waiting


def test_who_ends_soon_while_others_wait_behind_it_is_charged_for_what_they_may_still_wait() -> None:
    waiting = Waiting()
    first = waiting.add(1, 10.0, 0.2, probe=True)
    waiting.add(2, 10.2, 0.3, probe=False)
    waiting.end(first, 11.0, 3.0)
    assert first.held == pytest.approx(3.0)


def test_who_was_asked_at_the_same_moment_is_not_behind() -> None:
    waiting = Waiting()
    first = waiting.add(1, 10.0, 0.2, probe=False)
    waiting.add(2, 10.0, 0.3, probe=False)
    waiting.end(first, 11.0, 3.0)
    assert first.held == pytest.approx(0.2)


def test_a_late_reply_charges_those_that_were_asked_before_it_and_never_less_than_before() -> None:
    waiting = Waiting()
    before, same, after, long = (
        waiting.add(unit, sent, held, probe=True)
        for unit, sent, held in ((1, 10.0, 0.2), (2, 10.5, 0.3), (3, 11.0, 0.4), (4, 10.1, 5.0))
    )
    waiting.charge(10.5, 12.0)
    assert [one.held for one in (before, same, after, long)] == [pytest.approx(2.0), 0.3, 0.4, 5.0]
