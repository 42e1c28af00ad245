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


def test_a_silent_device_is_asked_ever_more_rarely_but_every_thirty_seconds() -> None:
    breaker, now, waits = Breaker(1.0), 10.0, []
    breaker.failed(now)
    for _ in range(12):
        breaker.failed(now)
        waits.append(next(wait for wait in range(100) if breaker.allows(now + wait)))
        now += waits[-1]
    assert waits == [5, 10, 20, *[30] * 9]


def test_probes_are_brief_and_every_fourth_one_is_patient() -> None:
    breaker, waits = Breaker(1.0), []
    for _ in range(10):
        waits.append(breaker.timeout)
        breaker.failed(0.0)
    assert waits == [None, None, BRIEF, BRIEF, BRIEF, 1.0, BRIEF, BRIEF, BRIEF, 1.0]


@pytest.mark.parametrize("ceiling", [0.3, 1.0, 3.0, 30.0])
def test_a_dead_device_costs_less_than_a_fiftieth_of_the_line(ceiling: float) -> None:
    breaker, now, spent = Breaker(ceiling), 0.0, 0.0
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
