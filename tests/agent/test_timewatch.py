"""Windows wait for the clock, but not for ever; a clock that is set is noticed."""

from __future__ import annotations

import pytest

from agent.core.clock import Instant
from agent.timewatch import News, TimeWatch


def _at(boot: float, *, offset: float = 1e9, synced: bool = True) -> Instant:
    return Instant(boot, boot + offset, synced)


def test_a_synchronised_clock_is_not_waited_for() -> None:
    watch = TimeWatch(_at(100), wait=120)
    assert watch.look(_at(100)) == News(begin=True)
    assert watch.look(_at(101)) == News()


def test_windows_begin_when_the_clock_is_synchronised() -> None:
    watch = TimeWatch(_at(100, synced=False, offset=0), wait=120)
    assert watch.look(_at(130, synced=False, offset=0)) == News()
    assert watch.look(_at(131)) == News(begin=True, step=1e9)
    assert not watch.waiting


def test_without_synchronisation_the_wait_ends_and_the_later_one_is_told_once() -> None:
    watch = TimeWatch(_at(100, synced=False), wait=120)
    assert watch.look(_at(220, synced=False)) == News(begin=True)
    assert watch.look(_at(400)) == News(synced=True)
    assert watch.look(_at(401, synced=False)) == News()
    assert watch.look(_at(402)) == News()


def test_a_wait_of_nothing_begins_at_once() -> None:
    assert TimeWatch(_at(100, synced=False), wait=0).look(_at(100, synced=False)) == News(begin=True)


def test_a_step_of_the_time_of_day_is_noticed_a_slew_is_not() -> None:
    watch = TimeWatch(_at(100), wait=0)
    watch.look(_at(100))
    assert watch.look(_at(101, offset=1e9 + 0.4)) == News()
    assert watch.look(_at(102, offset=1e9 - 3600)).step == pytest.approx(-3600.4)
