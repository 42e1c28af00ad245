"""The site that is soaked: the demo's meter and air handler, a camera that plays a clip, a real mosquitto.

Between the gateway and its meter and broker stand proxies that break; the outbox lies on a small disk of its
own, where loop devices can be made.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError
from agent.demo.air_handler import free_udp_port
from agent.demo.site import Ports, lay
from tests.faults.books import Books
from tests.faults.cameras import train
from tests.faults.disks import Disk, new_disk
from tests.faults.journal import Journal
from tests.faults.site import Daemon
from tests.peers.mosquitto import Mosquitto
from tests.peers.proxy import Proxy, proxy
from tests.pipelines.vision.clips import clip
from tests.pipelines.vision.watched import bundle

CAP: Final = 16_000_000
_MEGABYTES: Final = 64
_PASSING_ON: Final = "max_queued_messages 0"  # it keeps nothing that its own death would lose
_MORE: Final = """\
[outbox]
cap = "16MB"
[link.yard]
driver = "camera"
source = "file:{clip}"
model = "toy"
cell = "5s"
[link.yard.lines.gate]
from = [0.5, 0.95]
to = [0.5, 0.05]
[product.yard-flow]
from = ["yard.gate.*"]
window = "5s"
statistics = ["sum"]
privacy = {{ mode = "suppress", k = 2 }}
[grant.city-yard]
recipient = "city"
products = ["yard-flow"]
purpose = "demo"
basis = "public-task"
keep = "1d"
"""
_UNIT: Final = Path(__file__).parents[2] / "systemd" / "citygate.service"
_BEATS: Final = ('every = "1s"', 'every = "2s"')


class Twin:
    """A device that is a process of its own."""

    def __init__(self, *words: str) -> None:
        self._words = [sys.executable, "-P", "-m", *words]
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self._words, stdout=subprocess.PIPE, stderr=quiet)

    def port(self) -> int:
        """Read the port that it tells once it serves."""
        assert self.process.stdout is not None
        while not (line := self.process.stdout.readline()).startswith(b"port "):
            assert line, f"{self._words} ended"  # what its libraries say goes by
        return int(line.split()[1])

    def freeze(self, *, still: bool) -> None:
        """Let it stand still, or go on."""
        self.process.send_signal(signal.SIGSTOP if still else signal.SIGCONT)

    def again(self) -> None:
        """Kill it and start it anew."""
        self.close()
        self.process = self._started()
        self.port()

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Scene:
    """Everything at work."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.disk = _small_disk(folder, stack)
        home = self.disk.path if self.disk else folder
        self.bacnet = free_udp_port()
        self.air = Twin("agent.demo.air_handler", "--port", str(self.bacnet))
        stack.callback(self.air.close)
        self.meter = Twin("agent.demo.meter", "--truth", os.devnull)
        stack.callback(self.meter.close)
        self.broker = Mosquitto(folder, more=_PASSING_ON)
        self.broker.start()
        stack.callback(self.broker.kill)
        self.books = Books(self.broker.port)
        stack.callback(self.books.close)
        self.notes = folder / "notes"
        self.journal = _Noted(folder / "journal", self.notes)
        stack.callback(self.journal.close)
        self.config = folder / "config"
        self.daemon = Daemon(folder, self.config, state=home / "state", journal=self.journal)
        unit = {"CITYGATE_VISION_SOCKET": str(folder / "no-unit"), "STATE_DIRECTORY": str(home / "state")}
        self.daemon.environment |= unit | variables_of_the_unit()
        stack.callback(self.daemon.close)
        self.meter_way: Proxy
        self.broker_way: Proxy

    async def begin(self, stack: AsyncExitStack) -> None:
        """Lay the site and start the gateway."""
        self.meter_way = await stack.enter_async_context(proxy(self.meter.port()))
        self.broker_way = await stack.enter_async_context(proxy(self.broker.port))
        self.air.port()
        ports = Ports(meter=self.meter_way.port, bacnet=self.bacnet, broker=self.broker_way.port)
        lay(self.folder, ports)
        film = clip(self.folder / "train.mp4", 30, train)
        (self.config / "yard.toml").write_text(_MORE.format(clip=film), "utf-8")
        models = self.daemon.state / "models"
        models.mkdir()
        bundle(models)
        self.daemon.start()

    def change_beat(self) -> None:
        """Have the devices read every other second, or every second again, from the next reload on."""
        path = self.config / "site.toml"
        text = path.read_text("utf-8")
        old, new = _BEATS if _BEATS[0] in text else reversed(_BEATS)
        path.write_text(text.replace(old, new), "utf-8")

    def vision(self) -> list[int]:
        """List the processes that look at pictures."""
        found = []
        for task in Path(f"/proc/{self.daemon.pid}/task").glob("*/children"):
            found += [int(one) for one in task.read_text().split()]
        return [one for one in found if b"watch" in Path(f"/proc/{one}/cmdline").read_bytes()]


class _Noted(Journal):
    """The journal of a citygate that notes how much memory is in use."""

    def __init__(self, path: Path, notes: Path) -> None:
        super().__init__(path)
        self._notes = notes

    def command(self, *words: str) -> list[str]:
        """Give what runs citygate so."""
        return [sys.executable, "-m", "tests.soak.inside", str(self._notes), str(self.path), *words]


def variables_of_the_unit() -> dict[str, str]:
    """Give what the service has in its environment: one of these decides how memory is laid out."""
    lines = _UNIT.read_text("utf-8").splitlines()
    said = [one.removeprefix("Environment=") for one in lines if one.startswith("Environment=")]
    return dict(one.split("=", 1) for line in said for one in line.split())


def _small_disk(folder: Path, stack: ExitStack) -> Disk | None:
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        return None
    return stack.enter_context(new_disk(folder, _MEGABYTES))


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """Run the site for as long as the block lasts."""
    with ExitStack() as stack:
        made = await asyncio.to_thread(Scene, folder, stack)
        async with AsyncExitStack() as ways:
            await made.begin(ways)
            yield made


def asked(path: Path) -> dict[str, object]:
    """Give the gateway's status; empty while it does not answer."""
    from agent.status import ask

    try:
        return ask(path, {"ask": "status"}, patience=5.0)
    except GatewayError:
        return {}
