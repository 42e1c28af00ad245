"""A soak tells a leak from a cache that fills, and says so where it was too short to tell."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from random import Random

import pytest

from tests.soak.samples import Sample, Trend, trend
from tests.soak.site import variables_of_the_unit
from tests.soak.verdict import Verdict, grown

_MEGA = 1e6


def samples(rss: Callable[[float], float], minutes: float = 40.0, noise: float = 0.05) -> list[Sample]:
    """Give a look every ten seconds; *rss* is in MB at a time in hours."""
    chance, found, jumps = Random(3), [], 0.0
    for beat in range(int(minutes * 6)):
        jumps += chance.gauss(0.0, noise) / 20
        moment = abs(chance.gauss(0.0, noise))  # what is held for a moment
        size = rss(beat / 360) + jumps + moment
        found.append(_sample(10.0 * beat, int(size * _MEGA)))
    return found


def _sample(at: float, rss: int) -> Sample:
    return Sample(
        at=at, life=1, age=600 + at, rss=rss, anon=rss, inside=None, vision=0, watcher=0, handles=18,
        threads=5, outbox=0, wal=0, queue=0, log=0, lag=1.0, windows=0, state="online",
    )  # fmt: skip


def of_memory(found: list[Sample]) -> Trend:
    seen = trend(found, lambda one: one.rss / _MEGA)
    assert seen is not None
    return seen


def verdict(rss: Trend | None, handles: tuple[int, int] = (18, 18)) -> Verdict:
    return Verdict(
        hours=1, seed=1, lives=3, troubles={}, windows=0, repeats=0, declared=0, steady_hours=0.65,
        rss_mb=40, rss=rss, used=None, blocks=None, vision_mb=80, vision=Trend(slope=0, low=-1, high=1),
        handles=handles, threads=(5, 5), outbox_mb=1, wal_mb=2, log_bytes_hour=1, lag_median=1, lag_most=2,
        codes={}, grown={},
    )  # fmt: skip


def test_a_leak_is_told() -> None:
    seen = of_memory(samples(lambda hours: 40 + 4 * hours))
    assert seen.low <= 4 <= seen.high
    assert grown(verdict(seen)) == ([f"memory grows by {seen.slope} MB an hour"], [])


def test_memory_that_stays_is_none() -> None:
    seen = of_memory(samples(lambda _: 40))
    assert seen.low <= 0 <= seen.high
    assert grown(verdict(seen)) == ([], [])


def test_a_cache_that_has_filled_in_the_first_minutes_is_no_leak() -> None:
    seen = of_memory(samples(lambda hours: 40 + 0.5 * (1 - exp(-hours / 0.1))))
    assert grown(verdict(seen)) == ([], [])


def test_what_is_held_for_a_moment_does_not_count() -> None:
    found = samples(lambda _: 40)
    late = [_sample(one.at, one.rss + (20_000_000 if one.at > 1200 and one.at % 60 else 0)) for one in found]
    assert grown(verdict(of_memory(late))) == ([], [])


def test_a_run_that_cannot_tell_says_so() -> None:
    seen = of_memory(samples(lambda hours: 40 + 2 * hours, noise=0.4))
    faults, [doubt] = grown(verdict(seen))
    assert not faults
    assert "let it run for longer" in doubt


def test_a_run_of_minutes_has_no_trend() -> None:
    assert trend(samples(lambda _: 40, minutes=12), lambda one: float(one.rss)) is None
    assert grown(verdict(None)) == ([], ["the run was too short to tell whether memory grows"])


def test_a_process_that_is_killed_now_and_then_is_judged_within_its_lives() -> None:
    found = samples(lambda hours: 80 - 30 * (hours > 0.1 and hours % 0.2 < 0.01))
    assert of_memory(found).high > 100
    lived = trend(found, lambda one: one.rss / _MEGA, lambda one: int(one.at // 720))
    assert lived is not None
    assert lived.low <= 0 <= lived.high < 5


def test_handles_that_become_more_are_told() -> None:
    flat = Trend(slope=0, low=-1, high=1)
    assert grown(verdict(flat, handles=(18, 21))) == (["handles grew from 18 to 21"], [])


@pytest.mark.parametrize("hours", [1, 4])
def test_nineteen_of_twenty_trends_hold_what_is_true(hours: int) -> None:
    held = 0
    for seed in range(200):
        chance, size, found = Random(seed), 40.0, []
        for beat in range(hours * 60):
            size += 1 / 60 + chance.gauss(0.0, 0.02)
            found.append(_sample(60.0 * beat, int(size * _MEGA)))
        seen = of_memory(found)
        held += seen.low <= 1 <= seen.high
    assert held >= 180


def test_the_gateway_has_the_environment_of_its_unit() -> None:
    assert variables_of_the_unit()["MALLOC_ARENA_MAX"] == "1"
