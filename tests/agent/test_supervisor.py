"""Services are started again patiently, bugs end the process, and nothing is told twice."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable

import pytest

from agent.backoff import LINK, UPLINK, Restart
from agent.core.errors import ConfigError, DriverError, GatewayError, UplinkError
from agent.supervisor import Supervisor
from tests.virtual import VirtualClock

STEADY = Restart(spread=(1.0, 1.0))


class Service:
    """Fails as its list says, each time after running for *lasting* seconds; then runs on."""

    def __init__(self, clock: VirtualClock, failures: list[Exception], *, lasting: float = 0.0) -> None:
        self.clock = clock
        self.failures = failures
        self.lasting = lasting
        self.began: list[float] = []

    async def __call__(self) -> None:
        self.began.append(self.clock.boot())
        if not self.failures:
            await self.clock.sleep(10**9)
        await self.clock.sleep(self.lasting)
        raise self.failures.pop(0)

    @property
    def pauses(self) -> list[float]:
        """Give the seconds between the end of one run and the start of the next."""
        pairs = zip(self.began, self.began[1:], strict=False)
        return [round(after - before - self.lasting, 6) for before, after in pairs]


def _failures(count: int, text: str = "nobody answers at 10.0.0.5") -> list[Exception]:
    return [DriverError(text) for _ in range(count)]


async def _run_for(
    clock: VirtualClock, service: Callable[[], Awaitable[None]], *, seconds: float, restart: Restart = STEADY
) -> Supervisor:
    supervisor = Supervisor(clock, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", service, restart)
        await clock.sleep(seconds)

    await supervisor.run(main)
    return supervisor


async def test_the_back_off_doubles_up_to_its_cap(virtual: VirtualClock) -> None:
    service = Service(virtual, _failures(9))
    await _run_for(virtual, service, seconds=1000)
    assert service.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_links_spread_their_retries_a_little(virtual: VirtualClock) -> None:
    service = Service(virtual, _failures(8))
    await _run_for(virtual, service, seconds=1000, restart=LINK)
    due = [1, 1.5, 2.25, 3.375, 5.0625, 7.59375, 10, 10]
    shares = [pause / whole for pause, whole in zip(service.pauses, due, strict=True)]
    assert all(0.8 <= share <= 1.2 for share in shares)
    assert len(set(shares)) == len(shares)


async def test_uplinks_spread_their_retries_over_the_whole_back_off(virtual: VirtualClock) -> None:
    service = Service(virtual, [UplinkError("the broker is away") for _ in range(40)])
    await _run_for(virtual, service, seconds=5000, restart=UPLINK)
    late = service.pauses[6:]
    assert min(late) < 20
    assert 40 < max(late) <= 60


async def test_a_minute_of_health_starts_the_back_off_anew(virtual: VirtualClock) -> None:
    service = Service(virtual, _failures(4), lasting=61)
    await _run_for(virtual, service, seconds=1000)
    assert service.pauses == [1, 1, 1, 1]


async def test_what_disturbs_nobody_is_tried_again_soon(virtual: VirtualClock) -> None:
    failures: list[Exception] = [DriverError("ttyUSB0 is not there", patience=1.0) for _ in range(9)]
    service = Service(virtual, failures)
    await _run_for(virtual, service, seconds=9.5)
    assert service.pauses == [1.0] * 9


async def test_a_device_may_be_off_for_a_week(virtual: VirtualClock) -> None:
    service = Service(virtual, _failures(100_000))
    supervisor = await _run_for(virtual, service, seconds=7 * 86400)
    assert len(service.began) == pytest.approx(7 * 1440, rel=0.01)
    assert supervisor.lives["link hall"].crashes == 0


async def test_the_first_failure_is_told_once_and_the_recovery_with_its_tries(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await _run_for(virtual, Service(virtual, _failures(5)), seconds=1000)
    assert [(one.levelname, one.getMessage()) for one in caplog.records] == [
        ("WARNING", "link hall failed: nobody answers at 10.0.0.5; next try in 1 s"),
        ("INFO", "link hall works again after 91 s and 5 tries"),
    ]


async def test_a_service_that_says_it_is_healthy_is_told_at_once(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", Service(virtual, _failures(1)), STEADY)
        await virtual.sleep(3)
        supervisor.healthy("link hall")

    await supervisor.run(main)
    assert caplog.messages[-1] == "link hall works again after 3 s and 1 try"


async def test_what_comes_and_goes_is_told_once(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    supervisor = Supervisor(virtual, random.Random(7))
    flapping = Service(virtual, _failures(500), lasting=5)

    async def main() -> None:
        supervisor.start("link hall", flapping, STEADY)
        for _ in range(7200):
            await virtual.sleep(1)
            supervisor.healthy("link hall")

    await supervisor.run(main)
    assert len(flapping.began) > 50
    assert len(caplog.messages) == 3
    assert "it comes and goes" in caplog.messages[-1]


async def test_an_error_that_a_person_must_cure_is_an_error(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    await _run_for(virtual, Service(virtual, [ConfigError("credential mqtt is missing")]), seconds=10)
    assert caplog.records[0].levelname == "ERROR"


async def test_an_error_out_of_a_task_group_is_the_same_error(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    group = ExceptionGroup("unhandled errors in a TaskGroup", _failures(2))
    supervisor = await _run_for(virtual, Service(virtual, [group]), seconds=10)
    assert caplog.messages == ["link hall failed: nobody answers at 10.0.0.5; next try in 1 s"]
    assert supervisor.lives["link hall"].crashes == 0


async def test_a_service_whose_own_task_group_failed_is_started_again(virtual: VirtualClock) -> None:
    began: list[float] = []

    async def line() -> None:
        raise DriverError("nobody answers at 10.0.0.5")

    async def service() -> None:
        began.append(virtual.boot())
        async with asyncio.TaskGroup() as group:  # waits at its end: its task is cancelled to tell it
            group.create_task(virtual.sleep(10**6))
            group.create_task(line())

    supervisor = await _run_for(virtual, service, seconds=10)
    assert len(began) == 4  # at 0, 1, 3 and 7 seconds
    assert supervisor.lives["link hall"].crashes == 0


async def test_a_service_that_cancels_itself_is_a_bug_and_not_the_end(virtual: VirtualClock) -> None:
    async def service() -> None:
        raise asyncio.CancelledError

    supervisor = await _run_for(virtual, service, seconds=2.5)
    assert supervisor.lives["link hall"].crashes == 2


async def test_a_bug_among_such_errors_is_a_bug(virtual: VirtualClock) -> None:
    group = ExceptionGroup("unhandled errors in a TaskGroup", [*_failures(1), ValueError("odd")])
    supervisor = await _run_for(virtual, Service(virtual, [group]), seconds=10)
    assert supervisor.lives["link hall"].crashes == 1


async def test_a_bug_is_told_with_its_traceback(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(virtual, [ZeroDivisionError("division by zero")])
    supervisor = await _run_for(virtual, service, seconds=10)
    assert caplog.records[0].levelname == "ERROR"
    assert caplog.records[0].exc_info is not None
    assert supervisor.lives["link hall"].crashes == 1
    assert len(service.began) == 2


async def test_five_bugs_in_ten_minutes_end_the_process(virtual: VirtualClock) -> None:
    service = Service(virtual, [ValueError("odd") for _ in range(9)])
    began = virtual.boot()
    with pytest.raises(GatewayError, match=r"link hall crashed 5 times within 10 min.*ValueError\('odd'\)"):
        await _run_for(virtual, service, seconds=10**6)
    assert len(service.began) == 5
    assert virtual.boot() - began == pytest.approx(15)


async def test_rare_bugs_do_not_end_the_process(virtual: VirtualClock) -> None:
    service = Service(virtual, [ValueError("odd") for _ in range(20)], lasting=200)
    await _run_for(virtual, service, seconds=10_000)
    assert len(service.began) == 21


async def test_when_one_service_is_beyond_help_the_others_clean_up(virtual: VirtualClock) -> None:
    cleaned: list[str] = []

    async def tidy() -> None:
        try:
            await virtual.sleep(10**9)
        finally:
            await virtual.sleep(0.5)
            cleaned.append("tidy")

    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link tidy", tidy)
        supervisor.start("link hall", Service(virtual, [ValueError("odd") for _ in range(5)]), STEADY)
        await virtual.sleep(10**9)

    with pytest.raises(GatewayError):
        await supervisor.run(main)
    assert cleaned == ["tidy"]


async def test_a_stopped_service_has_cleaned_up_before_stop_returns(virtual: VirtualClock) -> None:
    events: list[str] = []

    async def service() -> None:
        try:
            await virtual.sleep(10**9)
        finally:
            await virtual.sleep(2)
            events.append("cleaned")

    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", service)
        await virtual.sleep(1)
        await supervisor.stop("link hall", "link never-started")
        events.append("stopped")
        supervisor.start("link hall", service)

    await supervisor.run(main)
    assert events[:2] == ["cleaned", "stopped"]


async def test_a_service_can_be_stopped_during_its_back_off(virtual: VirtualClock) -> None:
    service = Service(virtual, _failures(50))
    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", service, STEADY)
        await virtual.sleep(5)
        await supervisor.stop("link hall")
        await virtual.sleep(1000)

    await supervisor.run(main)
    assert len(service.began) == 3
    assert "link hall" not in supervisor.lives


async def test_a_service_that_hangs_is_started_again_when_bounced(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(virtual, [])
    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", service, STEADY)
        await virtual.sleep(100)
        supervisor.bounce("link hall", "it made no progress for 90 s")
        await virtual.sleep(5)

    await supervisor.run(main)
    assert service.pauses == [101]
    assert caplog.messages == ["link hall failed: it made no progress for 90 s; next try in 1 s"]


async def test_a_service_that_fails_while_it_is_stopped_is_stopped(virtual: VirtualClock) -> None:
    began: list[float] = []

    async def failing() -> None:
        began.append(virtual.boot())
        try:
            await virtual.sleep(10**9)
        finally:
            raise DriverError("the connection broke while it was closed")

    supervisor = Supervisor(virtual, random.Random(7))

    async def main() -> None:
        supervisor.start("link hall", failing)
        await virtual.sleep(1)
        before = virtual.boot()
        await supervisor.stop("link hall")
        assert virtual.boot() == before
        await virtual.sleep(100)

    await supervisor.run(main)
    assert len(began) == 1


async def test_a_service_that_will_not_stop_does_not_keep_another_from_its_place(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    supervisor = Supervisor(virtual, random.Random(7))
    follower = Service(virtual, [])

    async def main() -> None:
        supervisor.start("link hall", stubborn)
        await virtual.sleep(1)
        await supervisor.stop("link hall")
        supervisor.start("link hall", follower)
        await virtual.sleep(1)
        released.set()
        await virtual.sleep(1)
        await supervisor.stop("link hall")

    await supervisor.run(main)
    assert len(follower.began) == 1
    assert "link hall did not stop within 10 s" in caplog.text


async def test_a_service_may_come_to_its_own_end(virtual: VirtualClock) -> None:
    async def short() -> None:
        await virtual.sleep(1)

    supervisor = await _run_for(virtual, short, seconds=100)
    assert supervisor.lives["link hall"].state == "finished"


async def test_cancelling_the_supervisor_cancels_everything(virtual: VirtualClock) -> None:
    supervisor = Supervisor(virtual, random.Random(7))
    service = Service(virtual, [])

    async def main() -> None:
        supervisor.start("link hall", service)
        await virtual.sleep(10**9)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await supervisor.run(main)
    assert len(service.began) == 1


async def test_a_service_is_started_once_and_while_the_supervisor_runs(virtual: VirtualClock) -> None:
    supervisor = Supervisor(virtual, random.Random(1))
    with pytest.raises(RuntimeError, match="from within run"):
        supervisor.start("link a", Service(virtual, []))

    async def begin() -> None:
        supervisor.start("link a", Service(virtual, []))
        with pytest.raises(ValueError, match="link a runs already"):
            supervisor.start("link a", Service(virtual, []))

    await supervisor.run(begin)
