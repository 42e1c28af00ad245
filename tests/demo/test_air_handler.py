"""The demo's air handler is a BACnet device whose values are the truth that the demo judges by."""

from __future__ import annotations

import pytest

from agent.demo import air

NOW = 1_795_291_200.0


def test_the_mean_of_the_supply_air_is_the_integral_of_what_is_measured() -> None:
    steps = 2000
    values = [air.supply_temperature(NOW + 5 * (n + 0.5) / steps) for n in range(steps)]
    assert air.mean_supply_temperature(NOW, NOW + 5) == pytest.approx(sum(values) / steps, abs=1e-6)


def test_the_supply_air_never_changes_faster_than_said() -> None:
    steps = [
        abs(air.supply_temperature(NOW + n / 10 + 0.1) - air.supply_temperature(NOW + n / 10)) / 0.1
        for n in range(1000)
    ]
    assert max(steps) <= air.STEEPEST


def test_the_share_of_running_is_the_part_of_the_time_that_the_fan_runs() -> None:
    steps = 6000
    for begin in (NOW, NOW + 46.5, NOW + 58):
        ran = sum(air.fan_runs(begin + 5 * (n + 0.5) / steps) for n in range(steps))
        assert air.share_of_running(begin, begin + 5) == pytest.approx(ran / steps, abs=1e-3)


def test_a_still_fan_takes_no_pressure_from_the_filter() -> None:
    still = next(NOW + n for n in range(60) if not air.fan_runs(NOW + n))
    assert air.filter_pressure(still) == 0
