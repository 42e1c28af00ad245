"""What costs the other end nothing is tried again soon; what costs it something ever more rarely."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from agent.backoff import LINK, UPLINK, BackOff, Restart
from agent.core.errors import DriverError, UplinkError

STEADY = Restart(spread=(1.0, 1.0))
REFUSED = UplinkError("nothing listens on broker:1883", cheap=True)
TURNED_AWAY = UplinkError("broker:1883 does not let us in: bad user name or password")


def _gone(back_off: BackOff, failure: Exception, seconds: float) -> list[float]:
    """Give the boot times of all attempts in the first *seconds* of an absence that begins at 0."""
    tries, now = [], 0.0
    while now < seconds:
        tries.append(now)
        now += back_off.after(failure, now, well=0.0)
    return tries


def _longest_gap(tries: list[float], begin: float, end: float) -> float:
    inside = [one for one in tries if begin <= one <= end]
    return max(after - before for before, after in pairwise(inside))


@pytest.mark.parametrize("seed", range(20))
def test_a_broker_that_refused_for_a_minute_is_found_within_five_seconds(seed: int) -> None:
    tries = _gone(BackOff(UPLINK, random.Random(seed)), REFUSED, 120)
    assert _longest_gap(tries, 0, 20) <= 2
    assert _longest_gap(tries, 40, 90) <= 5


def test_a_broker_that_refuses_for_a_day_is_asked_as_rarely_as_one_that_answers_no() -> None:
    refused = _gone(BackOff(UPLINK, random.Random(7)), REFUSED, 86_400)
    turned_away = _gone(BackOff(UPLINK, random.Random(7)), TURNED_AWAY, 86_400)
    assert len(refused) < 1.1 * len(turned_away)
    assert _longest_gap(refused, 40_000, 86_400) <= 60


def test_a_citys_gateways_do_not_come_back_at_one_moment() -> None:
    """Five hundred gateways, and a broker that is away for half a minute."""
    tries = [_gone(BackOff(UPLINK, random.Random(seed)), REFUSED, 60) for seed in range(500)]
    back = [next(one for one in mine if one >= 30) for mine in tries]
    in_a_tenth = [sum(30 + part / 10 <= one < 30.1 + part / 10 for one in back) for part in range(30)]
    assert max(in_a_tenth) < 50
    assert max(back) < 32.5


def test_who_is_turned_away_doubles_the_pause_however_often_it_was_refused_before() -> None:
    back_off = BackOff(STEADY, random.Random(7))
    assert [back_off.after(REFUSED, at, well=0.0) for at in (0, 1, 2)] == [1, 1, 1]
    assert [back_off.after(TURNED_AWAY, at, well=0.0) for at in (3, 4, 6, 10)] == [1, 2, 4, 8]


def test_a_refusal_does_not_shorten_what_being_turned_away_has_earned() -> None:
    back_off = BackOff(STEADY, random.Random(7))
    for at in (0, 1, 3):
        back_off.after(TURNED_AWAY, at, well=0.0)
    back_off.after(REFUSED, 7, well=0.0)
    assert back_off.after(TURNED_AWAY, 8, well=0.0) == 8


def test_what_works_for_ten_seconds_takes_one_step_back() -> None:
    back_off = BackOff(STEADY, random.Random(7))
    pauses = [back_off.after(TURNED_AWAY, at, well=0.0) for at in (0, 1, 3, 7)]
    assert pauses == [1, 2, 4, 8]
    assert back_off.after(TURNED_AWAY, 25, well=10.0) == 8  # instead of 16
    assert back_off.after(TURNED_AWAY, 90, well=60.0) == 1


def test_what_comes_back_for_a_moment_is_gone_only_since_then() -> None:
    back_off = BackOff(STEADY, random.Random(7))
    assert [back_off.after(REFUSED, at, well=0.0) for at in (0, 100, 200)] == [1, 5, 10]
    assert back_off.after(REFUSED, 210, well=1.0) == 1


def test_a_device_that_refuses_is_tried_each_second_and_one_that_swallows_is_not() -> None:
    refused = _gone(BackOff(LINK, random.Random(7)), DriverError("refused", cheap=True), 3600)
    swallowed = _gone(BackOff(LINK, random.Random(7)), DriverError("no answer"), 3600)
    assert _longest_gap(refused, 0, 20) <= 1.2
    assert _longest_gap(refused, 3000, 3600) <= 12
    assert _longest_gap(swallowed, 20, 60) > 5
    assert _longest_gap(swallowed, 60, 3600) <= 12
