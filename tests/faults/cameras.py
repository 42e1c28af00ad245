"""A site with cameras that play clips, a meter and a city behind a real broker, for tests that hurt it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import pytest

from pipelines.vision.arrays import Pixels
from tests.faults.site import Daemon, until
from tests.peers import need
from tests.peers.mosquitto import Mosquitto
from tests.pipelines.vision.clips import HEIGHT, SQUARE, WIDTH, picture
from tests.pipelines.vision.watched import bundle

Cameras = Mapping[str, tuple[Path, str, str]]
"""By name: the clip that it plays, its model, and more lines of its table."""
_SITE: Final = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[clock]
wait = "0s"
[link.plant]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {meter}
[device.meter]
link = "plant"
unit = 1
profile = "eastron/sdm630"
every = "1s"
"""
_CAMERA: Final = """
[link.{name}]
driver = "camera"
source = "file:{source}"
model = "{model}"
cell = "5s"
{more}
[link.{name}.lines.gate]
from = [0.5, 0.95]
to = [0.5, 0.05]
[product.{name}-flow]
from = ["{name}.gate.*"]
window = "{window}"
statistics = ["sum"]
privacy = {{ mode = "suppress", k = 2 }}
"""
_SHARING: Final = """
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
[product.energy]
from = ["meter.active_power"]
window = "5s"
statistics = ["mean"]
[grant.all]
recipient = "city"
products = [{products}]
purpose = "demo"
basis = "public-task"
keep = "1d"
"""


def train(number: int) -> list[tuple[int, int]]:
    """Let eight walk to the right for ever: of four rows, half a picture apart, one after the other."""
    column = number // 3 % 10
    return [(x % 10 * SQUARE, y * 2 * SQUARE) for x in (column, column + 5) for y in range(4)]


def lossless(path: Path, frames: int, wall: Pixels) -> Path:
    """Write a clip of the train, every pixel as it is: squares before *wall*, a grey picture."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(frames):
            seen = picture(train(number))[:, :, 0]
            luma = np.where(seen > 0, seen - wall, wall).astype(np.uint8)
            grey = np.full((HEIGHT // 2, WIDTH), 128, np.uint8)
            frame = av.VideoFrame.from_ndarray(np.vstack([luma, grey]), format="yuv420p")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def watchers(daemon: int) -> list[int]:
    """List the processes by which the gateway with this process id looks at pictures."""
    tasks = Path(f"/proc/{daemon}/task").iterdir()
    found = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    return [one for one in found if b"watch" in Path(f"/proc/{one}/cmdline").read_bytes()]


def lives(folder: Path) -> Mapping[str, str]:
    """Give the variables of a gateway whose state is below *folder*, and which has no unit for pictures."""
    return {
        "STATE_DIRECTORY": str(folder / "state"),
        "CITYGATE_VISION_SOCKET": str(folder / "no-unit"),
    }


class City:
    """What a subscriber to everything has received: topic, body and user properties of each message."""

    def __init__(self, port: int) -> None:
        words = [need("mosquitto_sub"), "-p", str(port), "-V", "5", "-t", "#", "-F", "%t\t%x\t%P"]
        self.raw: list[bytes] = []
        self.messages: list[tuple[str, bytes]] = []
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE)
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def bodies(self, product: str, kind: str = "batch") -> list[dict[str, Any]]:
        """Give the messages of one product."""
        found = [json.loads(body) for topic, body in self.messages if topic.endswith(f"/{product}")]
        return [one for one in found if one["k"] == kind]

    def close(self) -> None:
        """Stop listening."""
        self._process.terminate()
        self._process.wait(10)
        self._thread.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            topic, body, user = line.rstrip(b"\n").split(b"\t", 2)
            message = bytes.fromhex(body.decode())
            self.raw.append(b"\n".join([topic, message, user]))
            self.messages.append((topic.decode(), message))


class Scene:
    """All of it at work."""

    def __init__(self, daemon: Daemon, city: City) -> None:
        self.daemon = daemon
        self.city = city

    def figures(self, link: str) -> Mapping[str, Any]:
        """Give what the status tells of one link."""
        links = self.daemon.status().get("links", [])
        return next((one["figures"] for one in links if one["name"] == link), {})

    def vision(self) -> list[int]:
        """List the processes that look at pictures."""
        return watchers(self.daemon.pid)

    def whole(self, product: str, many: int, *, seconds: float = 30.0) -> None:
        """Wait until so many windows of a product without any mark have arrived."""

        def there() -> bool:
            return sum("x" not in one or not _marks(one) for one in self.city.bodies(product)) >= many

        until(there, seconds=seconds, what=f"{many} whole windows of {product}")


def _marks(body: dict[str, Any]) -> set[str]:
    """Give the marks of a batch, but for counts below k of a time that was seen whole."""
    return {one["q"] for one in body.get("x", {}).values() if one["q"] != "suppressed" or "cov" in one}


@contextmanager
def scene(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    cameras: Cameras,
    *,
    window: str = "5s",
    spoil: Callable[[Path], None] = lambda _: None,
) -> Iterator[Scene]:
    """Run a site whose *cameras* play a clip each; *spoil* may do something to the folder of models."""
    for name, place in lives(folder).items():
        monkeypatch.setenv(name, place)
    words = ["-P", "-m", "agent.demo.meter", "--truth", str(folder / "truth")]
    broker = Mosquitto(folder)
    broker.start()
    city = City(broker.port)
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE) as meter:
        assert meter.stdout is not None
        port = int(meter.stdout.readline().split()[1])
        config = folder / "config"
        config.mkdir()
        tables = [
            _CAMERA.format(name=name, source=clip, model=model, more=more, window=window)
            for name, (clip, model, more) in cameras.items()
        ]
        (config / "site.toml").write_text("".join([_SITE.format(meter=port), *tables]))
        products = ", ".join(f'"{one}"' for one in ["energy", *(f"{name}-flow" for name in cameras)])
        (config / "sharing.toml").write_text(_SHARING.format(broker=broker.port, products=products))
        daemon = Daemon(folder, config)
        (folder / "state" / "models").mkdir()
        bundle(folder / "state" / "models")
        spoil(folder / "state" / "models")
        daemon.start()
        try:
            yield Scene(daemon, city)
        finally:
            daemon.close()
            city.close()
            broker.stop()
            meter.kill()
