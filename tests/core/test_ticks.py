"""A steady beat that neither drifts nor makes up for what it missed."""

from __future__ import annotations

import pytest

from agent.core.driver import Desk
from agent.core.errors import GatewayError
from agent.core.ticks import ticks
from tests.virtual import VirtualClock


async def _due_times(
    clock: VirtualClock, work: list[float], *, every: float, phase: float = 0.0
) -> list[float]:
    """Give when each beat was due, relative to the start, if the nth piece of work takes work[n] seconds."""
    began, due_times = clock.boot(), list[float]()
    async for due in ticks(clock, every, phase):
        due_times.append(round(due - began, 6))
        if len(due_times) > len(work):
            return due_times
        await clock.sleep(work[len(due_times) - 1])
    raise AssertionError("a beat ended by itself")


async def test_the_beat_does_not_drift_with_the_work(virtual: VirtualClock) -> None:
    assert await _due_times(virtual, [3, 1, 9.5], every=10) == [0, 10, 20, 30]


async def test_a_phase_delays_the_whole_beat(virtual: VirtualClock) -> None:
    assert await _due_times(virtual, [1, 1], every=10, phase=4) == [4, 14, 24]


async def test_missed_beats_are_left_out(virtual: VirtualClock) -> None:
    assert await _due_times(virtual, [35, 1], every=10) == [0, 40, 50]


@pytest.mark.parametrize(("took", "then"), [(14.0, 10), (15.0, 20), (24.9, 20), (25.0, 30), (9.0, 10)])
async def test_a_beat_that_is_a_little_overdue_can_still_be_had(
    virtual: VirtualClock, took: float, then: float
) -> None:
    beat = ticks(virtual, 10, grace=5.0)
    began = await anext(beat)
    await virtual.sleep(took)
    assert await anext(beat) - began == then
    assert virtual.boot() - began == pytest.approx(max(took, then))
    assert await anext(beat) - began == then + 10, "at most one is made up for"
    await beat.aclose()  # type: ignore[attr-defined]  # an async generator, typed as the iterator it serves as


@pytest.mark.parametrize("late", [10.0, 20.0])
async def test_work_that_ends_on_a_beat_skips_it(virtual: VirtualClock, late: float) -> None:
    assert await _due_times(virtual, [late], every=10) == [0, late + 10]


@pytest.mark.parametrize(("every", "meet"), [(1.0, [0.3, 2.0, 3.0]), (10.0, [0.3, 11.0, 21.0])])
async def test_beats_that_began_at_odd_moments_meet_on_whole_seconds(
    virtual: VirtualClock, every: float, meet: list[float]
) -> None:
    began = virtual.boot()
    await virtual.sleep(0.3)
    assert await _due_times(virtual, [0, 0], every=every) == [round(one - 0.3, 6) for one in meet]
    assert began == round(began)


async def test_who_has_a_phase_keeps_apart_from_those_who_have_another(virtual: VirtualClock) -> None:
    await virtual.sleep(0.3)
    assert await _due_times(virtual, [0, 0], every=1, phase=0.2) == [0.2, 1.9, 2.9]
    assert virtual.boot() % 1 == pytest.approx(0.2)


async def test_a_beat_faster_than_a_second_keeps_its_period(virtual: VirtualClock) -> None:
    await virtual.sleep(0.07)
    assert await _due_times(virtual, [0, 0, 0], every=0.25) == [0, 0.43, 0.68, 0.93]


async def test_a_step_of_the_time_of_day_does_not_disturb_the_beat(virtual: VirtualClock) -> None:
    beat = ticks(virtual, 10)
    first = await anext(beat)
    virtual.step(-86400)
    assert await anext(beat) - first == 10
    await beat.aclose()  # type: ignore[attr-defined]  # an async generator, typed as the iterator it serves as


async def test_a_question_that_nobody_waits_for_any_more_is_declined_in_silence() -> None:
    desk = Desk()
    first, second = desk.probe({"n": 1}), desk.probe({"n": 2})
    one, two = await desk.next_probe(), await desk.next_probe()
    first.cancel()
    one.decline("the line is away")
    two.decline("the line is away")
    with pytest.raises(GatewayError, match="the line is away"):
        await second
    assert first.cancelled()
