"""Virtual time for tests: an event loop that never sleeps, and a clock that reads it.

An ``async`` test that asks for the fixture ``virtual`` runs on a ``VirtualLoop``; the fixture is its
``VirtualClock``::

    async def test_a_driver_is_started_again_after_its_back_off(virtual: VirtualClock) -> None:
        await virtual.sleep(60)             # a minute passes at once
        virtual.step(3600)                  # somebody sets the time of day: UTC jumps, boot time does not

A test that is not ``async`` (a Hypothesis one, say) calls ``simulate(scenario(clock))``.

When no task can go on, the loop moves its time to the next timer. Work for threads
(``asyncio.to_thread``) is done on the spot, so that a simulation is repeatable. Sockets within the test's
own process work, since their bytes are there before time moves. Other processes do not: they need real
time. A test that waits for what cannot happen any more ends with an error instead of hanging.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final, TypeVar, TypeVarTuple

from agent.core.clock import Instant

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START: Final = datetime.fromisoformat("2026-03-02T08:00:00+00:00").timestamp()
"""The UTC second at which every virtual clock starts: a Monday, far from any change to summer time."""

_BOOTED: Final = 1000.0  # not 0, so that a stamp mistaken for "never" shows
_PATIENCE: Final = 5.0  # real seconds for a byte that some other thread or process may still send


class _Selector(selectors.DefaultSelector):
    """Looks at sockets without waiting, and lets the time pass that the loop wanted to wait."""

    now = _BOOTED

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            if not (ready := super().select(_PATIENCE)):
                raise RuntimeError("the test waits for something that cannot happen any more")
            return ready
        self.now += max(0.0, timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only when there is nothing else to do."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Give virtual seconds."""
        return self._virtual.now

    @property
    def _clock_resolution(self) -> float:
        """Give the least step of time: after 194 days more than the nanosecond that the loop is made with.

        The loop runs what is due before now plus this. Where the sum is now itself it would wait for ever.
        """
        return max(1e-9, math.ulp(self._virtual.now))

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        """Pass over what the loop sets at its beginning."""

    def run_in_executor(self, executor: object, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Do the work at once, in this thread."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed on to whoever awaits the result
            done.set_exception(error)
        return done


class VirtualClock:
    """A clock on the running virtual loop; UTC and its trustworthiness are the test's to set."""

    def __init__(self, utc: float = START, *, synced: bool = True, boot_id: str = "b0071d01") -> None:
        self.offset = utc - _BOOTED
        self.synced = synced
        self.boot_id = boot_id
        self._seen = _BOOTED

    def now(self) -> Instant:
        """Give this moment."""
        boot = self.boot()
        return Instant(boot, boot + self.offset, self.synced)

    def boot(self) -> float:
        """Give seconds since boot; after the loop has ended, the last ones seen."""
        try:  # written out, since a simulation asks a million times a day
            self._seen = asyncio.get_running_loop().time()
        except RuntimeError:
            return self._seen
        return self._seen

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(max(0.0, seconds))

    def step(self, seconds: float) -> None:
        """Set the time of day forward (or back, when negative); boot time goes on as it did."""
        self.offset += seconds


def simulate(scenario: Coroutine[Any, Any, T]) -> T:
    """Run *scenario* on a virtual loop of its own and give its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
