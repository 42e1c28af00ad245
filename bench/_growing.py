"""A site that can be made larger in one direction: its files, whatever it talks to, and what a size costs.

Registers are polled once a second and summed up in windows of five; cameras play the film of
`bench/_film.py`. Each recipient has a listener of the broker to itself.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from agent.demo.broker import free_port
from agent.demo.site import Site
from bench._city import City, of_ours
from bench._curve import Step
from bench._field import Field, serving
from bench._film import MODEL, film, model
from bench._site import gateway
from bench.idle_rss import memory
from tests.peers.mosquitto import Mosquitto

WINDOW: Final = 5.0
SECONDS: Final = 2 * WINDOW  # of measuring
_LATE: Final = 2.0  # for which a window waits, as long as nobody says otherwise
_CALM: Final = 0.8  # of a window: by then the messages of the one before have left
_PATIENCE: Final = 60.0
_MOST: Final = 1000  # points of a product: what describes it must fit one message
_UNITS: Final = 247

_SITE = """\
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[clock]
wait = "0s"
"""
_LINK = """\
[link.l{number}]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
[device.d{number}]
link = "l{number}"
unit = {unit}
profile = "bench/growing"
every = "1s"
"""
_CAMERA = """\
[link.c{number}]
driver = "camera"
source = "file:{clip}"
model = "{model}"
cell = "5s"
[link.c{number}.lines.gate]
from = [0.5, 0.95]
to = [0.5, 0.05]
"""
_PROFILE = '[profile]\nvendor = "bench"\nmodel = "growing"\nsources = ["this file", "bench/_field.py"]\n'
_POINT = '[point.r{addr}]\naddr = {addr}\nsentinel = "none"\n'
_OWNER = '[owner]\nname = "City of Vaasa"\ncontact = "data@vaasa.example"\n'
_RECIPIENT = """\
[recipient.r{number}]
broker = "mqtt://127.0.0.1:{port}"
rate = 0
[grant.g{number}]
recipient = "r{number}"
products = {products}
purpose = "demo"
basis = "public-task"
keep = "1d"
"""
_PRODUCT = """\
[product.{name}]
from = {points}
window = "5s"
statistics = ["mean", "max"]
"""
_FLOW = """\
[product.flow]
from = ["*.gate.*"]
window = "5s"
statistics = ["sum"]
privacy = { mode = "suppress", k = 2 }
"""


class Scale(Struct, frozen=True, kw_only=True):
    """How large the site is; ``points`` are those of each link, which has one device."""

    links: int = 1
    points: int = 10
    products: int = 1
    recipients: int = 1
    cameras: int = 0

    def published(self) -> dict[str, list[str]]:
        """Give the points of each product, but for what cameras count."""
        names = [f"d{number}.r{addr}" for number in range(self.links) for addr in range(self.points)]
        each = min(_MOST, ceil(len(names) / self.products))
        found = {f"p{first // each}": names[first : first + each] for first in range(0, len(names), each)}
        eyes = [f"c{number}.analysis_rate" for number in range(self.cameras)]
        return found | ({"eyes": eyes} if eyes else {})


class Arrivals(City):
    """What arrives at the city, with the moment at which it does, and how often pictures are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.windows_at: list[tuple[float, float]] = []
        self.rows: Counter[float] = Counter()
        self.rates: dict[float, list[float]] = defaultdict(list)

    def batch(self, body: dict[str, Any]) -> None:
        """Note when a window ended, and when it came."""
        if body.get("k") != "batch":
            return
        begin = datetime.fromisoformat(body["t"]).timestamp()
        self.windows_at.append((begin + body["w"], time.time()))
        seen = body["c"].index("n")
        self.rows[begin] += sum(bool(row[seen]) for row in body["r"] if ".gate." not in row[0])
        if "mean" in body["c"]:
            at = body["c"].index("mean")
            self.rates[begin] += [row[at] or 0.0 for row in body["r"] if row[0].endswith(".analysis_rate")]


class Scene:
    """The site at work."""

    def __init__(self, scale: Scale, process: int, field: Field, city: Arrivals) -> None:
        self._scale, self._process, self._field, self._city = scale, process, field, city
        self._rows = scale.recipients * sum(map(len, scale.published().values()))

    def measured(self, size: int) -> Step:
        """Wait until a window had all of its points, then look at two."""
        self.settle()
        time.sleep((_CALM - time.time() / WINDOW) % 1 * WINDOW)
        begin, cpu = time.time(), self._spent()
        time.sleep(SECONDS)
        cpu, end = self._spent() - cpu, time.time()
        rss = sum(memory(one)["Rss"] for one in self._all())
        polls = sorted(_late(at) for many in self._field.look().polls.values() for at in many if at > begin)
        windows = [_behind(ended, at) for ended, at in self._city.windows_at if begin < at < end]
        rates = [one for at, many in self._city.rates.items() if at >= begin - WINDOW for one in many]
        return Step(
            size, 100 * cpu / (end - begin), rss,
            polls=1000 * polls[int(0.99 * (len(polls) - 1))], windows=1000 * max(windows),
            looks=sum(rates) / len(rates) if rates else 0.0,
        )  # fmt: skip

    def settle(self) -> None:
        """Wait until a window has come to every recipient with all of its points."""
        until = time.monotonic() + _PATIENCE
        while not any(self._is_whole(one) for one in list(self._city.rows)):
            if time.monotonic() > until:
                sys.exit(f"no whole window of {self._scale} has come within {_PATIENCE:g} s")
            time.sleep(0.1)

    def _is_whole(self, begin: float) -> bool:
        return self._city.rows[begin] == self._rows and all(self._city.rates[begin])

    def _all(self) -> list[int]:
        """Give the daemon and the processes that it has started."""
        tasks = Path(f"/proc/{self._process}/task").glob("*/children")
        return [self._process, *(int(one) for task in tasks for one in task.read_text("ascii").split())]

    def _spent(self) -> float:
        return sum(map(_spent, self._all()))


@contextmanager
def running(scale: Scale, folder: Path) -> Iterator[Scene]:
    """Run a site of that *scale* in *folder*, in the place of an older one."""
    with ExitStack() as stack:
        field = stack.enter_context(serving(ports=scale.links))
        more = [free_port() for _ in range(scale.recipients - 1)]
        listeners = [f"listener {port} 127.0.0.1\nmount_point r{port}/" for port in more]
        broker = Mosquitto(folder, more="\n".join(["max_queued_messages 0", *listeners]))
        broker.start()
        stack.callback(broker.stop)
        site = lay(folder, scale, field.ports, [broker.port, *more])
        city = stack.enter_context(of_ours(broker.port, Arrivals(), "citygate/#", "+/citygate/#"))
        process = stack.enter_context(gateway(site))
        yield Scene(scale, process.pid, field, city)


def lay(folder: Path, scale: Scale, links: list[int], brokers: list[int]) -> Site:
    """Write the site's files; *links* and *brokers* are their ports."""
    site = Site(folder)
    for one in (site.config, site.state, site.socket.parent):
        shutil.rmtree(one, ignore_errors=True)
        one.mkdir(parents=True)
    tables = [
        _LINK.format(number=number, port=port, unit=1 + number % _UNITS) for number, port in enumerate(links)
    ]
    if scale.cameras:
        clip = film("480p").absolute()
        tables += [_CAMERA.format(number=one, clip=clip, model=MODEL) for one in range(scale.cameras)]
        models = site.state / "models"
        models.mkdir()
        name = f"{MODEL}.citymodel"
        (models / name).symlink_to((model() / name).absolute())
    (site.config / "site.toml").write_text("".join((_SITE, *tables)), "utf-8")
    (site.config / "sharing.toml").write_text(_sharing(scale, brokers), "utf-8")
    profile = site.config / "profiles" / "bench" / "growing.toml"
    profile.parent.mkdir(parents=True)
    points = [_POINT.format(addr=addr) for addr in range(scale.points)]
    profile.write_text("".join((_PROFILE, *points)), "utf-8")
    return site


def _sharing(scale: Scale, brokers: list[int]) -> str:
    products = scale.published()
    tables = [_PRODUCT.format(name=name, points=json.dumps(points)) for name, points in products.items()]
    names = json.dumps([*products, *(["flow"] if scale.cameras else [])])
    tables += [_FLOW] if scale.cameras else []
    tables += [
        _RECIPIENT.format(number=number, port=port, products=names) for number, port in enumerate(brokers)
    ]
    return "".join((_OWNER, *tables))


def _spent(process: int) -> float:
    """Give the seconds of CPU of all threads of *process*, to the nanosecond: clock_getcpuclockid(3)."""
    return time.clock_gettime((~process << 3) | 2)


def _late(at: float) -> float:
    """Say how long after its whole second since boot something was, in seconds."""
    behind = (at - _boot()) % 1.0
    return behind if behind < 0.99 else 0.0  # two clocks are never quite the same


def _behind(ended: float, at: float) -> float:
    """Say how long after the second in which a window closes its message came."""
    boot = _boot()
    return at - boot - ceil(ended + _LATE - boot)


def _boot() -> float:
    """Give the UTC second at which this computer was started."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def as_program() -> None:
    """Let the gateway find the program that looks at pictures, which is beside this interpreter."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
