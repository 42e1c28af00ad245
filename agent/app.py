"""The daemon: reads a plan, runs it until it is told to stop, reads it again when it is told to.

Exit status 0 after SIGTERM or SIGINT, 2 when the configuration cannot be used, 1 when a service is beyond
help or another daemon has the outbox.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import os
import random
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent import journal
from agent.answers import Answers
from agent.backoff import Restart
from agent.config.load import load
from agent.control import Control
from agent.core.catalogue import gateway as told
from agent.core.clock import Clock, SystemClock
from agent.core.errors import ConfigError, GatewayError
from agent.core.plan import Plan
from agent.core.ticks import ticks
from agent.gateway import Gateway, MakeOutlet
from agent.leave import leave
from agent.memory import give_back
from agent.notify import Notifier
from agent.outbox.outbox import Outbox
from agent.policy import refusal
from agent.policy.edition import admit
from agent.privacy.laplace import Below
from agent.reach import must_fit, outside
from agent.release import release
from agent.supervisor import Supervisor
from agent.uplink.uplink import Uplink
from agent.vitals import Physician
from agent.watchdog import Watchdog

_log = logging.getLogger(__name__)
_SOON: Final = Restart(longest=10.0)  # for what the gateway itself needs: the disk, the tick, the socket
_METRICS: Final = 30.0  # seconds between two writings of the metrics' file
_PATIENCE: Final = 90.0  # seconds that start and stop may take before the service manager gives up


async def run(folder: Path, *, state: Path, socket: Path) -> int:
    """Run the gateway whose files lie in *folder*; give the exit status."""
    journal.set_up()
    faulthandler.enable()  # what the watchdog ends leaves its stack behind
    world = World(
        clock=SystemClock(),
        rng=random.Random(),
        notifier=Notifier(),
        make_uplink=Uplink,
        give_back=give_back,
    )
    daemon = Daemon(folder, state=state, socket=socket, world=world)
    with signals(daemon.orders):  # before the files are read: a SIGHUP at that moment must not end us
        try:
            plan = load(folder)
            admit(plan, state)
        except ConfigError as fault:
            told.REFUSES_TO_START.tell(_log, fault)
            refusal.keep(state, str(fault))
            return 2
        try:
            await daemon.run(plan)
        except GatewayError as end:
            told.GAVE_UP.tell(_log, end)
            return 1
    if daemon.stuck:
        told.END_NOT_WAITED.tell(_log, ", ".join(daemon.stuck))
        os._exit(0)  # the event loop would wait for ever, until the service manager kills us
    return 0


class World(Struct, frozen=True, kw_only=True):
    """What the daemon needs of the world outside: tests give it another one.

    *rng* spreads attempts in time; the noise of figures comes from *below*; *tick* is in seconds. *give_back*
    tidies the memory of a process that is nothing but this daemon.
    """

    clock: Clock
    rng: random.Random
    notifier: Notifier
    make_uplink: MakeOutlet
    below: Below = secrets.randbelow
    boxed: bool = True
    tick: float = 1.0
    give_back: Callable[[], None] = lambda: None


class Daemon:
    """One life of the gateway between start and the order ``stop``."""

    def __init__(self, folder: Path, *, state: Path, socket: Path, world: World) -> None:
        self.gateway: Gateway | None = None
        self.answers: Answers | None = None
        self.orders: asyncio.Queue[str] = asyncio.Queue()
        self.stuck: list[str] = []
        self.clock = world.clock
        self.notifier = world.notifier
        self._folder = folder
        self._state = state
        self._socket = socket
        self._world = world
        self._physician = Physician(state, folder=folder if folder.is_dir() else folder.parent)

    async def run(self, plan: Plan) -> None:
        """Run *plan* and its successors until the order ``stop`` comes."""
        self.notifier.extend(_PATIENCE)
        supervisor = Supervisor(self.clock, self._world.rng)
        async with self._outbox(plan) as outbox:
            gateway = self.gateway = Gateway(
                clock=self.clock,
                outbox=outbox,
                supervisor=supervisor,
                watchdog=Watchdog(self.notifier.watchdog_period),
                make_uplink=self._world.make_uplink,
                below=self._world.below,
                vitals=self._physician.vitals,
            )
            await supervisor.run(lambda: self._live(gateway, supervisor, plan))
        self.stuck = supervisor.stuck

    @asynccontextmanager
    async def _outbox(self, plan: Plan) -> AsyncIterator[Outbox]:
        folder = Path(plan.outbox.path) if plan.outbox.path else self._state
        folder.mkdir(parents=True, exist_ok=True)
        outbox = await Outbox.open(
            folder,
            cap=plan.outbox.cap,
            keep=plan.outbox.keep,
            clock=self.clock,
            boxed=self._world.boxed,
            saving=self._saving,
        )
        try:
            yield outbox
        except BaseException:
            # what was cleared is kept; the open windows are gone, so the next start must declare a crash
            with suppress(GatewayError):
                await outbox.flush()
            raise
        await outbox.close()

    def _saving(self, share: float) -> None:
        """Ask for more time while a damaged outbox is salvaged, as long as that makes progress."""
        self.notifier.extend(_PATIENCE)
        self.notifier.status(f"saving what a damaged outbox holds: {share:.0%} looked at")

    async def _live(self, gateway: Gateway, supervisor: Supervisor, plan: Plan) -> None:
        answers = self.answers = Answers(gateway, self._physician)
        supervisor.start("outbox", gateway.outbox.run, _SOON)
        changes = await gateway.apply(plan)
        if before := refusal.take(self._state):
            gateway.refuse(before)
        supervisor.start("ticker", lambda: self._tick(gateway, answers), _SOON)
        supervisor.start("control socket", Control(self._socket, answers).run, _SOON)
        for warning in plan.warnings:
            told.PLAN_WARNING.tell(_log, warning)
        for beyond in outside(plan):
            told.OUTSIDE_FENCE.tell(_log, beyond)
        told.RUNS.tell(_log, release(), answers.status()["place"], changes.sentence())
        self.notifier.ready(gateway.sentence())
        self._world.give_back()
        while await self.orders.get() == "reload":
            await self._reload(gateway, answers)
        told.STOPPING.tell(_log)
        self.notifier.stopping("handing over")
        self.notifier.extend(_PATIENCE)
        await supervisor.stop("ticker")
        await gateway.hand_over()
        await supervisor.stop("control socket", "outbox")

    async def _reload(self, gateway: Gateway, answers: Answers) -> None:
        self.notifier.reloading()
        try:
            plan = await asyncio.to_thread(load, self._folder)
            await asyncio.to_thread(must_fit, plan)
            admit(plan, self._state)
        except ConfigError as fault:
            answers.fault = str(fault)
            told.OLD_PLAN_STAYS.tell(_log, fault)
            gateway.refuse(str(fault))
            self.notifier.ready(f"the new configuration has faults; {gateway.sentence()}")
            return
        answers.fault, answers.loaded = "", self.clock.now().utc
        changes = await gateway.apply(plan)
        told.RELOADED.tell(_log, changes.sentence())
        self.notifier.ready(gateway.sentence())
        self._world.give_back()

    async def _tick(self, gateway: Gateway, answers: Answers) -> None:
        """Let time pass once a second, and prove life to the service manager while all advances."""
        written = -inf
        async for due in ticks(self.clock, self._world.tick):
            answers.lag.append(self.clock.boot() - due)
            now = self.clock.now()
            gateway.tick(now)
            if (place := gateway.plan.metrics if gateway.plan else "") and now.boot >= written + _METRICS:
                written = now.boot
                await asyncio.to_thread(leave, Path(place), answers.metrics("prometheus"))
            if gateway.watchdog.due(now.boot):
                self.notifier.watchdog()
            faulty = "the new configuration has faults; " if answers.fault else ""
            self.notifier.status(faulty + gateway.sentence())


@contextmanager
def signals(orders: asyncio.Queue[str]) -> Iterator[None]:
    """Turn SIGTERM and SIGINT into the order ``stop``, SIGHUP into ``reload``."""
    loop = asyncio.get_running_loop()
    meanings = {signal.SIGTERM: "stop", signal.SIGINT: "stop", signal.SIGHUP: "reload"}
    for number, meaning in meanings.items():
        loop.add_signal_handler(number, orders.put_nowait, meaning)
    try:
        yield
    finally:
        for number in meanings:
            loop.remove_signal_handler(number)
