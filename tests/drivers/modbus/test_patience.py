"""Waits follow how fast a unit answers, and never exceed what the settings say."""

from __future__ import annotations

import pytest

from drivers.modbus.patience import Patience


def test_nothing_is_known_at_first() -> None:
    assert Patience(3.0).of(1) == 3.0
    assert Patience(3.0).brief(1) == 0.2


def test_a_wait_is_four_times_the_slowest_of_the_latest_replies() -> None:
    patience = Patience(3.0)
    for _ in range(30):
        patience.answered(1, 0.05)
    patience.answered(1, 0.3)
    assert patience.of(1) == 1.2
    for _ in range(130):
        patience.answered(1, 0.1)
    assert patience.of(1) == 0.4, "it forgets"


def test_a_wait_has_a_floor_and_a_ceiling_and_room_for_the_bytes() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.001)
    assert patience.of(1) == 0.2
    assert patience.of(1, line=0.25) == 0.45
    patience.answered(1, 2.0)
    assert patience.of(1) == 3.0


def test_silences_in_a_row_double_a_wait_and_one_reply_ends_that() -> None:
    patience, waits = Patience(3.0), []
    patience.answered(1, 0.05)
    for _ in range(6):
        waits.append(patience.of(1))
        patience.missed(1)
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.0, 3.0]
    patience.answered(1, 0.05)
    assert patience.of(1) == 0.2


def test_a_unit_that_never_answered_is_judged_by_the_others() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.1)
    assert patience.of(2) == 0.4
    assert patience.brief(2) == 0.4


def test_a_slow_reply_is_forgotten_with_the_hundred_and_twenty_eighth() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.3)
    for _ in range(126):
        patience.answered(1, 0.1)
    assert patience.of(1) == 1.2
    patience.answered(1, 0.1)
    assert patience.of(1) == 0.4


def test_after_eight_silences_a_wait_grows_no_more() -> None:
    patience = Patience(1000.0)
    patience.answered(1, 0.001)
    for _ in range(8):
        patience.missed(1)
    assert patience.of(1) == 0.2 * 2**8
    patience.missed(1)
    assert patience.of(1) == 0.2 * 2**8


def test_a_probe_is_worth_what_the_unit_itself_took_and_no_less_than_the_others() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.2)
    for _ in range(200):
        patience.answered(2, 0.01)
    assert patience.brief(2, floor=0.02) == 0.04
    assert patience.brief(2, line=0.1, floor=0.2) == pytest.approx(0.3)
    assert patience.brief(3, floor=0.02) == 0.04
    assert patience.brief(1, floor=0.02) == 0.8


def test_who_is_late_once_is_not_slow_and_who_is_late_time_after_time_is() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.01)
    for _ in range(3):
        patience.answered_late(1, 0.5)
    patience.answered(1, 0.01)
    for _ in range(3):
        patience.answered_late(1, 0.5)
    assert patience.of(1) == 0.2
    patience.answered_late(1, 0.5)
    assert patience.of(1) == 2.0


def test_a_late_unit_is_no_silent_one() -> None:
    patience = Patience(3.0)
    patience.answered(1, 0.01)
    patience.missed(1)
    assert patience.of(1) == 0.4
    patience.answered_late(1, 0.5)
    assert patience.of(1) == 0.2


@pytest.mark.parametrize(("ceiling", "most"), [(0.4, 0.8), (1.0, 2.0), (3.0, 5.0)])
def test_what_keeps_nobody_waiting_is_waited_for_until_the_next_beat_suffers(
    ceiling: float, most: float
) -> None:
    patience = Patience(ceiling)
    for probe in (True, False):
        assert patience.late(0.0, probe=probe) == pytest.approx(most)
        assert patience.late(60.0, probe=probe) == pytest.approx(most)
    assert patience.late(0.2, probe=True) == pytest.approx(0.19)
    assert patience.late(0.2, probe=False) == pytest.approx(0.29)
