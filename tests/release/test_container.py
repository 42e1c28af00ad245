"""The image that Containerfile describes is built and runs, started as its first lines say.

Its base is made here, because no registry is asked: a minimal Debian under the name that is wanted.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from release import deb
from release.targets import ROOT, TARGETS
from tests.peers import missing, need
from tests.peers.mosquitto import Mosquitto
from tests.release.test_fresh_root import SUITES, mirror
from tests.systemd.meter import Meter

pytestmark = pytest.mark.long
TEXT = (ROOT / "Containerfile").read_text("utf-8")
# no name server, bridge or limit of this computer's takes part: what is tried is the image
HERE = "--network=host --ulimit=nofile=1024:1024 --ulimit=nproc=1024:1024"
SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.plant-room]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {meter}
[device.main-meter]
link = "plant-room"
unit = 1
profile = "eastron/sdm630"
every = "2s"
[clock]
wait = "0s"
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
[product.energy]
from = ["main-meter.active_power"]
window = "10s"
statistics = ["mean"]
[recipient.city]
broker = "mqtt://127.0.0.1:{broker}"
[grant.city-operations]
recipient = "city"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""


class Image:
    """Containers of the image, in a store of their own."""

    def __init__(self, room: Path) -> None:
        self.site = room / "site"
        self.site.mkdir()
        self._store = f"--root={room}/store --runroot={room}/run --storage-driver=overlay"

    def buildah(self, words: str, **given: Path | str) -> str:
        """Run buildah on the store."""
        return said("buildah", *f"{self._store} {words.format(**given)}".split())

    def podman(self, words: str) -> str:
        """Run podman on the store."""
        return said("podman", *f"--runtime=runc --cgroup-manager=cgroupfs {self._store} {words}".split())

    def run(self, words: str = "", more: str = "--rm") -> str:
        """Start a container as the description says, for ``./site`` our own folder."""
        told = re.search(r"podman run ((?:.*\\\n#)*.*)\n", TEXT)
        assert told
        given = shlex.split(told[1].replace("\\\n#", ""))
        assert given.pop() == "citygate"
        options = " ".join(given).replace("./site", str(self.site))
        return self.podman(f"run {more} {HERE} {options} localhost/citygate {words}")


def said(program: str, *words: str) -> str:
    done = subprocess.run([need(program), *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Build the image out of the package of this source."""
    for program in ("buildah", "podman", "runc", "mmdebstrap"):
        need(program)
    if os.geteuid() != 0:
        missing("root, to build an image")
    room = tmp_path_factory.mktemp("image")
    made, base = Image(room), room / "base.tar"
    name = next(line.split()[1] for line in TEXT.splitlines() if line.startswith("FROM "))
    system = f"debian{name.removeprefix('debian:').removesuffix('-slim')}"
    target = next(
        one for one in TARGETS.values() if (one.system, one.machine) == (system, platform.machine())
    )
    suite = SUITES[system]
    said("mmdebstrap", "--variant=minbase", "--quiet", suite, str(base), f"deb {mirror()} {suite} main")
    made.buildah("from --name base scratch")
    made.buildah("add -q base {base}", base=base)
    made.buildah("commit -q --rm base docker.io/library/{name}", name=name)
    base.unlink()
    context = room / "context"
    deb.build(target, context / "dist" / target.name, ["citygate"], level=1)
    shutil.copy(ROOT / "Containerfile", context)
    build = "bud --pull-never --isolation=chroot --build-arg=ARCH={arch} -t citygate {context}"
    made.buildah(build, arch=target.arch, context=context)
    yield made
    made.podman("rm -a -f -t 1")
    made.buildah("rm -a")
    shutil.rmtree(room / "store")


@pytest.fixture(scope="module")
def broker(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Give a city's broker, and write a site with a meter and that broker."""
    broker = Mosquitto(tmp_path_factory.mktemp("broker"))
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Meter) as meter:
        meter.daemon_threads = True
        threading.Thread(target=meter.serve_forever, daemon=True).start()
        broker.start()
        text = SITE.format(meter=meter.server_address[1], broker=broker.port)
        (image.site / "site.toml").write_text(text, "utf-8")
        yield broker
        broker.stop()
        meter.shutdown()


def test_it_says_which_release_it_holds(image: Image) -> None:
    assert image.run("--version").startswith("citygate ")


def test_it_is_nobody_who_could_change_it(image: Image) -> None:
    assert "(citygate)" in image.run(more="--rm --entrypoint=/usr/bin/id")
    with pytest.raises(AssertionError, match="Read-only file system"):
        image.run("/opt/citygate/mine", more="--rm --entrypoint=/usr/bin/touch")


def test_it_finds_the_faults_of_a_site_that_lies_outside(image: Image, broker: Mosquitto) -> None:
    del broker
    assert image.run("check").startswith("vaasa/library/gw1: no faults")


def test_values_leave_a_stop_is_clean_and_the_ledger_stays(image: Image, broker: Mosquitto) -> None:
    image.run(more="-d --name=gateway")
    words = ["-p", str(broker.port), "-t", "citygate/1/vaasa/library/gw1/d/energy", "-C", "2", "-W", "60"]
    heard = said("mosquitto_sub", *words)  # the beginning of its numbers, and a window
    status = image.podman("exec gateway citygate status")
    image.podman("stop -t 20 gateway")
    ended = image.podman("inspect gateway --format={{.State.ExitCode}}")
    assert "main-meter.active_power" in heard
    assert "polling 1/1 devices; uplink city ok" in status
    assert ended.strip() == "0"
    assert "The chain holds" in image.run("ledger verify")
