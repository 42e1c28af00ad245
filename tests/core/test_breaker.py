"""A silent device is left alone, and found again."""

from __future__ import annotations

import pytest

from agent.core.breaker import BRIEF, Breaker


def test_a_device_is_left_alone_after_two_silent_polls() -> None:
    breaker = Breaker(1.0)
    breaker.failed(10.0)
    assert breaker.allows(10.1)
    assert not breaker.open
    breaker.failed(11.0)
    assert not breaker.allows(12.0)
    assert breaker.open


def _waits(breaker: Breaker, cost: float, probes: int) -> list[float]:
    """Give the seconds from each silent probe to the next, to a tenth."""
    now, waits = 10.0, []
    breaker.failed(now, cost)
    for _ in range(probes):
        breaker.failed(now, cost)
        waits.append(next(wait / 10 for wait in range(10_000) if breaker.allows(now + wait / 10)))
        now += waits[-1]
    return waits


def test_a_silent_device_is_asked_ever_more_rarely_but_every_thirty_seconds() -> None:
    assert _waits(Breaker(1.0), 0.0, 8) == [5, 5, 10, 20, 30, 30, 30, 30]


def test_where_probes_cost_little_a_device_is_found_again_within_a_twentieth_of_its_silence() -> None:
    waits = _waits(Breaker(1.0, first=1.0, part=0.05), 0.005, 300)
    gone = 0.0
    for wait in waits:
        assert wait <= max(1.0, 0.05 * gone + 0.1)
        assert wait <= 30
        gone += wait


def test_where_probes_cost_much_the_first_ones_are_soon_and_the_others_as_their_account_allows() -> None:
    waits = _waits(Breaker(1.0, first=1.0, part=0.05), 0.3, 200)
    assert waits[0] == 1
    assert max(waits[:20]) < 22
    assert max(waits) <= 30
    assert 0.3 * len(waits) / sum(waits) < 0.02


def test_after_a_second_of_credit_each_probe_waits_until_what_it_took_is_paid() -> None:
    breaker, now, waits = Breaker(1.0, first=1.0, part=0.0), 10.0, list[float]()
    breaker.failed(now)
    breaker.failed(now)
    for _ in range(3):
        breaker.failed(now, 0.7)
        waits.append(breaker._next - now)
        now += waits[-1]
    assert waits == [pytest.approx(one) for one in (1.0, (0.4 - 0.014) / 0.014, 0.7 / 0.014)]


def test_a_patient_probe_is_made_in_the_moment_in_which_the_one_before_is_paid() -> None:
    for took, then in ((0.08, 1.0), (0.081, BRIEF)):
        breaker = Breaker(1.0, part=0.0)
        for now in (0.0, 0.0, 5.0, 10.0, 15.0):
            breaker.failed(now)
        assert breaker.timeout == 1.0
        breaker.failed(20.0, took)
        for now in (25.0, 30.0, 35.0):
            breaker.failed(now)
        assert breaker.timeout == then, "a two hundred and fiftieth of the time: 0.08 s in 20 s"


def test_who_answers_has_no_silence_behind_it() -> None:
    breaker = Breaker(1.0)
    for _ in range(3):
        breaker.failed(10.0)
    breaker.worked()
    assert not breaker.doubts
    breaker.failed(20.0)
    assert (breaker.doubts, breaker.open) == (True, False)


def test_a_device_that_is_alone_on_its_link_costs_nobody_anything() -> None:
    assert _waits(Breaker(1.0, first=1.0, part=0.05, alone=True), 0.2, 12) == [1] * 12


def test_probes_are_brief_and_every_fourth_one_is_patient() -> None:
    breaker, waits = Breaker(1.0), []
    for _ in range(10):
        waits.append(breaker.timeout)
        breaker.failed(0.0)
    assert waits == [None, None, BRIEF, BRIEF, BRIEF, 1.0, BRIEF, BRIEF, BRIEF, 1.0]


@pytest.mark.parametrize("ceiling", [0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("eager", [False, True])
def test_a_dead_device_costs_less_than_a_fiftieth_of_the_line(ceiling: float, *, eager: bool) -> None:
    breaker = Breaker(ceiling, first=1.0, part=0.05) if eager else Breaker(ceiling)
    now, spent = 0.0, 0.0
    while now < 86400:
        if not breaker.allows(now):
            now += 1.0
            continue
        wait = ceiling if breaker.timeout is None else breaker.timeout or min(0.4, ceiling)
        now, spent = now + wait, spent + wait
        breaker.failed(now, wait)
    assert spent / now < 0.02


def test_one_answer_closes_it() -> None:
    breaker = Breaker(1.0)
    breaker.failed(10.0)
    breaker.failed(11.0)
    breaker.worked()
    assert breaker.allows(11.1)
    assert not breaker.open
    assert breaker.timeout is None
