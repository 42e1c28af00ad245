"""Keeps services running: the only place that retries, and the only one that catches everything.

A service that raises one of our own errors is started again after a back-off, for ever: a device may be
off for weeks. Any other exception is a bug: its traceback is logged and counted, and five of them within
ten minutes end the process, so that the service manager starts it afresh. Nothing is restarted faster
than its back-off says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from agent.backoff import LINK, BackOff, Restart
from agent.core.catalogue.every import entry_of
from agent.core.catalogue.links import SERVICE_CRASHED, SERVICE_FINISHED, SERVICE_STUCK, SERVICE_WORKS
from agent.core.clock import Clock
from agent.core.errors import DriverError, GatewayError
from agent.journal import Trouble, spoken

T = TypeVar("T")
Service = Callable[[], Awaitable[None]]

_log = logging.getLogger(__name__)
_STOPPING: Final = 10.0  # seconds that a service may take to clean up


class Life(Struct, kw_only=True):
    """How one service does; ``state`` is running, waiting, finished or stopped.

    ``started`` and ``next_try`` are boot-time seconds, ``why`` what ended the last run, ``attempts`` how
    many runs were begun; ``well_since`` (when this run was first seen to work, 0: not yet), ``run`` and
    ``bounced`` are the supervisor's own.
    """

    name: str
    trouble: Trouble
    state: str = "running"
    why: str = ""
    started: float = 0.0
    next_try: float = 0.0
    attempts: int = 0
    crashes: int = 0
    bounced: str = ""
    well_since: float = 0.0
    run: asyncio.Future[None] | None = None


class Supervisor:
    """All services, each with a loop of its own."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.lives: dict[str, Life] = {}
        self._clock = clock
        self._rng = rng
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stubborn: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._beyond_help: asyncio.Future[None] | None = None

    async def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run *main* and the services that it starts; stop them when it ends.

        Raise GatewayError when a service is beyond help; *main* is cancelled then. Unlike a task group it
        does not wait for ever for a service that will not stop: what comes after must come.
        """
        self._beyond_help = asyncio.get_running_loop().create_future()
        leading = asyncio.create_task(main(), name="the gateway")
        try:
            first: list[asyncio.Future[Any]] = [leading, self._beyond_help]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._beyond_help = None
            leading.cancel()
            await self._cancelled([leading, *self._tasks.values()])
        if self._failures:
            raise _gravest(self._failures)
        return leading.result()

    @property
    def stuck(self) -> list[str]:
        """Name the services that were told to stop and still run."""
        return [task.get_name() for task in self._stubborn]

    def start(self, name: str, service: Service, restart: Restart = LINK) -> Life:
        """Begin to run *service*; its name is the subject of the sentences about it (``link plant-room``)."""
        if self._beyond_help is None:
            raise RuntimeError("services are started from within run()")
        if name in self._tasks:
            raise ValueError(f"{name} runs already")
        life = Life(name=name, trouble=Trouble(_log, settle=restart.settle, **_fields(name)))
        self.lives[name] = life
        task = asyncio.create_task(self._keep(life, service, restart), name=name)
        self._tasks[name] = task
        task.add_done_callback(self._forget)
        return life

    async def stop(self, *names: str) -> None:
        """Cancel the services and wait until they have cleaned up; those that do not run are no matter."""
        await self._cancelled([self._tasks[name] for name in names if name in self._tasks])
        for name in names:
            if life := self.lives.pop(name, None):
                life.state = "stopped"

    def healthy(self, name: str) -> None:
        """Note that the service does its work: ends the trouble that was told, if any."""
        if (life := self.lives.get(name)) and life.state == "running":
            life.well_since = life.well_since or self._clock.boot()
            self._recovered(life)

    def bounce(self, name: str, why: str) -> None:
        """End the present run of a service that hangs, as if it had failed because of *why*."""
        life = self.lives.get(name)
        if life and life.state == "running" and life.run and not life.bounced:
            life.bounced = why
            life.run.cancel()

    async def _cancelled(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        """Cancel *tasks* and wait until they have cleaned up; give up those that do not."""
        for task in tasks:
            task.cancel()
        _, stubborn = await asyncio.wait(tasks, timeout=_STOPPING) if tasks else ((), ())
        for task in stubborn:
            self._tasks.pop(task.get_name(), None)  # another may be started in its place
            self._stubborn.add(task)
            SERVICE_STUCK.tell(_log, task.get_name(), spoken(_STOPPING), **_fields(task.get_name()))

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._stubborn.discard(task)
        if self._tasks.get(task.get_name()) is task:
            del self._tasks[task.get_name()]
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
            if self._beyond_help is not None and not self._beyond_help.done():
                self._beyond_help.set_result(None)

    async def _keep(self, life: Life, service: Service, restart: Restart) -> None:
        crashes: deque[float] = deque(maxlen=restart.most_crashes)
        back_off = BackOff(restart, self._rng)
        while (failure := await self._one_run(life, service, restart.settle)) is not None:
            ended = self._clock.boot()
            delay = back_off.after(failure, ended, well=_well(life, ended, restart.settle))
            life.state, life.next_try, life.why = "waiting", ended + delay, _sentence(failure)
            if isinstance(failure, GatewayError):
                _tell(life, failure, ended, delay)
            else:
                crashes.append(ended)
                _tell_crash(life, failure, delay)
                if len(crashes) == restart.most_crashes and ended - crashes[0] < restart.within:
                    raise GatewayError(
                        f"{life.name} crashed {len(crashes)} times within {spoken(restart.within)}, last by "
                        f"{life.why}: the process ends, so that the service manager starts it afresh"
                    ) from failure
            await self._clock.sleep(delay)
        life.state = "finished"
        SERVICE_FINISHED.tell(_log, life.name, **_fields(life.name))

    async def _one_run(self, life: Life, service: Service, settle: float) -> Exception | None:
        """Run the service once and give what ended it; None: it came to its own end.

        It runs in a task of its own: a stop of ours is then never hidden by a failure at the same moment, and
        what a task group leaves behind in its task (a count of cancellations, cpython gh-116720) is no stop.
        """
        life.state, life.started, life.bounced = "running", self._clock.boot(), ""
        life.well_since = 0.0
        life.attempts += 1
        calm = asyncio.get_running_loop().call_later(settle, self._recovered, life)
        life.run = run = asyncio.ensure_future(service())
        try:
            await asyncio.wait([run])
        except asyncio.CancelledError:
            run.cancel()
            await asyncio.wait([run])
            if not run.cancelled() and (late := run.exception()) is not None:
                _log.debug("%s ended with %r when it was stopped", life.name, late)
            raise
        finally:
            calm.cancel()
            life.run = None
        return _ending(life, run)

    def _recovered(self, life: Life) -> None:
        if (since := life.trouble.since) is not None:
            now, tries = self._clock.boot(), life.trouble.count
            told = f"{tries} tries" if tries > 1 else "1 try"
            life.trouble.worked(now, SERVICE_WORKS, life.name, spoken(now - since), told)


def _well(life: Life, ended: float, settle: float) -> float:
    """Give for how long the run that *ended* did well: so far as was seen, or all of it if it was long."""
    ran = ended - life.started
    return ran if ran >= settle else ended - (life.well_since or ended)


def _tell(life: Life, failure: GatewayError, at: float, delay: float) -> None:
    again = f"next try in {spoken(max(1.0, round(delay)))}"
    then = f" {again.capitalize()}" if life.why.endswith("?") else f"; {again}"
    life.trouble.failed(at, entry_of(failure), life.name, life.why, then)


def _tell_crash(life: Life, failure: Exception, delay: float) -> None:
    life.crashes += 1
    again = spoken(max(1.0, round(delay)))
    SERVICE_CRASHED.tell_crash(_log, failure, life.name, life.why, again, **_fields(life.name))


def _fields(service: str) -> dict[str, str]:
    """Give what the journal is told of a service: ``link plant-room`` is the link plant-room."""
    kind, _, name = service.partition(" ")
    more = {"link": {"LINK": name}, "uplink": {"RECIPIENT": name}}
    return {"SERVICE": service, **more.get(kind, {})}


def _sentence(failure: Exception) -> str:
    text = str(failure)
    return text if isinstance(failure, GatewayError) and text else repr(failure)


def _ending(life: Life, run: asyncio.Future[None]) -> Exception | None:
    """Give why a run that nobody stopped is over; what is no ``Exception`` ends the process."""
    if life.bounced:
        return DriverError(life.bounced)
    if run.cancelled():
        return RuntimeError("it cancelled itself")
    failure = run.exception()
    if failure is None or isinstance(failure, Exception):
        return None if failure is None else _single(failure)
    raise failure


def _single(failure: Exception) -> Exception:
    """Give the first of a group of our own errors, since a driver may use a task group; all else as it is."""
    if isinstance(failure, ExceptionGroup) and failure.split(GatewayError)[1] is None:
        return _single(failure.exceptions[0])
    return failure


def _gravest(failures: Sequence[BaseException]) -> BaseException:
    """Give the one that a person should read: ours before any other, the first before the rest."""
    return next((one for one in failures if isinstance(one, GatewayError)), failures[0])
