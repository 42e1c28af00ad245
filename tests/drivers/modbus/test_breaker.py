"""A silent device is left alone, and found again."""

from __future__ import annotations

from drivers.modbus.breaker import Breaker


def test_a_device_is_left_alone_after_two_silent_polls() -> None:
    breaker = Breaker(1.0)
    breaker.failed(10.0)
    assert breaker.allows(11.0)
    breaker.failed(11.0)
    assert not breaker.allows(12.0)
    assert breaker.open


def test_a_silent_device_is_asked_every_thirty_seconds() -> None:
    breaker = Breaker(1.0)
    breaker.failed(10.0)
    breaker.failed(11.0)
    assert not breaker.allows(40.9)
    assert breaker.allows(41.0)
    breaker.failed(41.3)
    assert not breaker.allows(71.2)


def test_probes_are_brief_and_every_second_one_is_patient() -> None:
    breaker, waits = Breaker(1.0), []
    for _ in range(5):
        breaker.failed(0.0)
        waits.append(breaker.timeout)
    assert waits == [1.0, 0.3, 1.0, 0.3, 1.0]


def test_one_answer_closes_it() -> None:
    breaker = Breaker(1.0)
    breaker.failed(10.0)
    breaker.failed(11.0)
    breaker.worked()
    assert breaker.allows(11.1)
    assert not breaker.open
