"""One simulated gateway over several lives: the daemon with its real parts, and everything it meets."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from msgspec.structs import replace

from agent.app import Daemon
from agent.app import World as Surroundings
from agent.config.load import load
from agent.core.duration import Duration
from agent.core.errors import ConfigError, GatewayError
from agent.core.message import Encoding
from agent.core.plan import Recipient
from agent.notify import Notifier
from agent.outbox import outbox as outbox_module
from agent.uplink.desk import Feed, UplinkDesk
from agent.uplink.uplink import Uplink
from tests.simulation.books import Books
from tests.simulation.broker import Broker
from tests.simulation.disk import Disk
from tests.simulation.meters import APART, Bus, Meter, Places
from tests.simulation.network import Network
from tests.simulation.site import write_sharing, write_site
from tests.virtual import VirtualClock

CAP: Final = 32 << 20
LINKS: Final = {"plant": (1, 2), "roof": (3,)}


class Simulation:
    """Everything of one seed. ``history`` tells what happened, for whoever has to understand a failure."""

    def __init__(  # noqa: PLR0913 - each is named, and all but two have a usual value
        self, seed: int, folder: Path, *, links: dict[str, tuple[int, ...]] | None = None, every: str = "30s",
        windows: tuple[str, str] = ("1m", "5m"), tick: float = 1.0,
        places: Places = APART,
    ) -> None:  # fmt: skip
        self.seed = seed
        self.rng = Random(seed)
        self.folder = folder
        self.config = folder / "etc"
        self.clock = VirtualClock()
        self.network = Network(self.rng)
        self.windows = windows
        self.widths = (Duration.parse(windows[0]), Duration.parse(windows[1]))
        self.utc_end = 0.0
        self.sizes: list[int] = []  # of the outbox' files, now and then
        self._tick = tick
        self.meters: dict[int, Meter] = {}
        self.buses: list[Bus] = []
        for number, (_, units) in enumerate((links or LINKS).items(), 1):
            behind = [Meter(unit, self.rng, places) for unit in units]
            self.meters |= {one.number: one for one in behind}
            bus = Bus(behind, self.rng)
            self.buses.append(bus)
            self.network.hosts[f"10.0.0.{number}:502"] = bus
        self.books = {name: Books(name=name) for name in ("city", "lab")}
        self.brokers = {name: Broker(self.rng, books.take) for name, books in self.books.items()}
        self.disk = Disk(self.rng)
        self.daemon: Daemon | None = None
        self.history: list[str] = []
        self.faults: list[str] = []
        self.stepped = self.crashed = self.reshared = 0
        self.rests: list[tuple[float, float]] = []  # UTC spans between a stop in order and the next start
        self._rested = 0.0
        self._life = 0
        self._task: asyncio.Task[None] | None = None
        self._cut: Path | None = None
        self.disk.on_cut = self._power_is_cut
        self._log = _Log(self.faults)
        write_site(self.config, links=links or LINKS, every=every, cap=f"{CAP >> 20}MiB", places=places)
        write_sharing(self.config, windows=windows)

    def note(self, text: str) -> None:
        """Write a line of history."""
        self.history.append(f"{self.clock.boot() - 1000:10.1f}  {text}")

    # --- lives ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the daemon on what the disk holds."""
        if self._rested:
            self.rests.append((self._rested, self.clock.now().utc))
            self._rested = 0.0
        if not self._life:
            self.disk.folder = self.folder / "state"
        self._life += 1
        self.disk.folder.mkdir(parents=True, exist_ok=True)
        setattr(outbox_module, "Inline", self.disk.port)  # noqa: B010
        surroundings = Surroundings(
            clock=self.clock, rng=self.rng, notifier=Notifier({}), make_uplink=self._uplink,
            below=self.rng.randrange, boxed=False, tick=self._tick,
        )  # fmt: skip
        socket = self.folder / f"c{self._life}.sock"
        daemon = self.daemon = Daemon(self.config, state=self.disk.folder, socket=socket, world=surroundings)
        self._task = asyncio.create_task(daemon.run(load(self.config)))
        await self.clock.sleep(0.01)

    async def stop(self) -> None:
        """Stop it in order."""
        assert self.daemon is not None
        assert self._task is not None
        self.daemon.orders.put_nowait("stop")
        await asyncio.wait([self._task], timeout=120)
        if not self._task.done():
            self.faults.append("the stop takes more than two minutes")
        self._end_task()
        self._rested = self.clock.now().utc

    async def kill(self) -> None:
        """End it without a word, as ``kill -9``: only what is on the disk goes on."""
        self.crashed += 1
        after = self.folder / f"state{self._life}"
        self.disk.snapshot(after)
        await self._bury()
        self.disk.folder = after

    async def cut_power(self) -> None:
        """Cut the power in the middle of the next transaction."""
        self.disk.cut_at, self._cut = self.disk.commits + 1, None
        for _ in range(3000):
            await self.clock.sleep(0.1)
            if self._cut is not None:
                break
        else:
            self.disk.cut_at = 0
            return
        self.crashed += 1
        await self._bury()
        self.disk.folder = self._cut

    async def reload(self) -> None:
        """Have it read its files again."""
        assert self.daemon is not None
        self.daemon.orders.put_nowait("reload")
        await self.clock.sleep(2)

    @property
    def alive(self) -> bool:
        """Whether a daemon runs."""
        return self._task is not None

    def died(self) -> bool:
        """Say whether it ended by itself."""
        return self._task is not None and self._task.done()

    async def revive(self) -> None:
        """Start it again, as the service manager does after five seconds."""
        self._end_task()
        self.note("the daemon ended by itself; it is started again")
        for broker in self.brokers.values():
            broker.drop()
        await self.clock.sleep(5)
        await self.start()

    def _power_is_cut(self, after: Path) -> None:
        self._cut = after
        for broker in self.brokers.values():
            broker.forget()

    async def _bury(self) -> None:
        assert self._task is not None
        for broker in self.brokers.values():
            broker.forget()
        for bus in self.buses:
            for end in bus.open:
                end.close()
        self._log.mute = True
        self._task.cancel()
        await asyncio.wait([self._task], timeout=300)
        self._end_task()
        self._log.mute = False

    def _end_task(self) -> None:
        task, self._task = self._task, None
        if task is None or not task.done():
            return
        with suppress(asyncio.CancelledError, GatewayError):
            task.result()

    def _uplink(self, recipient: Recipient, encoding: Encoding, feed: Feed, desk: UplinkDesk) -> Uplink:
        broker = self.brokers[recipient.name]
        return Uplink(
            recipient, encoding, feed, replace(desk, connect=broker.connect, chance=self.rng.random)
        )

    # --- the log ----------------------------------------------------------------------------------------

    def __enter__(self) -> Simulation:
        logging.getLogger().addHandler(self._log)
        self._inline = vars(outbox_module)["Inline"]
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self._log)
        setattr(outbox_module, "Inline", self._inline)  # noqa: B010


class _Log(logging.Handler):
    """Takes what nobody foresaw for a fault: a traceback is a defect, whatever happened outside."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(logging.INFO)
        self.mute = False
        self._faults = faults

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio" and "aclose()" in str(record.exc_info and record.exc_info[1]):
            return
        if record.exc_info and not self.mute and not isinstance(record.exc_info[1], ConfigError):
            self._faults.append(f"{record.getMessage()}: {record.exc_info[1]!r}")
