"""The watchdog is fed by progress, and by nothing else."""

from __future__ import annotations

from agent.watchdog import Watchdog


def test_it_is_fed_four_times_a_period_while_all_advances() -> None:
    watchdog = Watchdog(period=60)
    fed = []
    for now in range(100, 161):
        watchdog.beat("link hall", now, allowance=90)
        if watchdog.due(now):
            fed.append(now)
    assert fed == [100, 115, 130, 145, 160]


def test_it_starves_while_something_hangs_and_is_fed_again_afterwards() -> None:
    watchdog = Watchdog(period=60)
    watchdog.beat("link hall", 100, allowance=90)
    watchdog.beat("outbox", 180, allowance=30)
    assert watchdog.due(190)
    assert watchdog.hanging(191) == ["link hall"]
    assert not watchdog.due(300)
    watchdog.beat("link hall", 300, allowance=90)
    watchdog.rest("outbox")
    assert watchdog.due(301)


def test_a_beat_from_the_past_takes_nothing_back() -> None:
    watchdog = Watchdog(period=60)
    watchdog.beat("link hall", 100, allowance=10)
    watchdog.beat("link hall", 50, allowance=10)
    assert not watchdog.hanging(105)


def test_without_a_watchdog_nothing_is_fed() -> None:
    assert not Watchdog(period=0).due(1000)
