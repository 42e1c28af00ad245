"""What must not be told is nowhere: not in log, status or ledger, at the broker or in a core file."""

from __future__ import annotations

import base64
import ctypes
import json
import logging
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.core.catalogue.entry import Entry
from agent.core.plan import Plan
from agent.journal import journal_record
from agent.status import ask
from tests.agent.small_site import NETWORK, Meter, Site, plan
from tests.agent.test_process import SHARING, SITE, Machine
from tests.peers import need
from tests.peers.mosquitto import Mosquitto
from tests.systemd import refusing
from tests.systemd.story_secrets import forms
from tests.virtual import VirtualClock

ACL = """
user {user}
topic readwrite #
user reader
topic read #
"""
KINDS = {
    "city-user": ("recipient.username",),
    "city-password": ("recipient.password",),
    "board-token": ("recipient.username",),
    "proxy-user": ("recipient.proxy_username",),
    "proxy-password": ("recipient.proxy_password",),
    "hub-key": ("recipient.password",),
    "thing-ca": ("recipient.ca",),
    "thing-certificate": ("recipient.certificate",),
    "thing-key": ("recipient.key",),
    "substation-ca": ("link.modbus-tls.ca",),
    "substation-certificate": ("link.modbus-tls.certificate",),
    "substation-key": ("link.modbus-tls.key",),
}
"""The credentials that the test below sets at random, and the keys that name them."""
ELSEWHERE = {"link.camera.user", "link.camera.password"}
"""What another process reads: tests/systemd/test_years.py has it used, and searches for it."""
SUBSTATION = """
[link.substation]
driver = "modbus-tls"
host = "127.0.0.4"
ca = "credential:substation-ca"
certificate = "credential:substation-certificate"
key = "credential:substation-key"
[device.transformer-meter]
link = "substation"
unit = 1
profile = "eastron/sdm630"
"""
OTHERS = """
[recipient.board]
broker = "mqtt://localhost:{port}"
encoding = "thingsboard"
username = "credential:board-token"
[recipient.behind]
broker = "mqtt://localhost:1883"
proxy = "http://127.0.0.1:{proxy}"
proxy_username = "credential:proxy-user"
proxy_password = "credential:proxy-password"
[recipient.hub]
broker = "mqtts://127.0.0.1:8883"
encoding = {{ use = "azure-iot-hub", device = "gw1" }}
password = "credential:hub-key"
[recipient.thing]
broker = "mqtts://localhost:8883"
encoding = {{ use = "aws-iot-core", thing = "gw1" }}
ca = "credential:thing-ca"
certificate = "credential:thing-certificate"
key = "credential:thing-key"
"""
REFUSED = {"board", "behind", "hub", "thing"}
GRANT = """
[grant.for-{name}]
recipient = "{name}"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""
DAY = 86_400
SHARE = 20e6 / 7  # bytes of a day


@pytest.fixture
def known() -> dict[str, str]:
    """Give a secret of each kind, new in each run."""
    return {name: secrets.token_hex(16) for name in KINDS}


@pytest.fixture
def broker(tmp_path: Path, known: dict[str, str]) -> Iterator[Mosquitto]:
    """Give a broker that knows the gateway's name and password."""
    made = Mosquitto(tmp_path, acl=ACL.format(user=known["city-user"]))
    made.users = [(known["city-user"], known["city-password"]), ("reader", secrets.token_hex(16))]
    made.write_passwords()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def machine(
    tmp_path: Path, broker: Mosquitto, known: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Machine]:
    """Give a gateway of whose recipients one takes what it is shown, and the others do not."""
    monkeypatch.setattr(refusing.Folder, "place", tmp_path)
    with socket.socket() as held, refusing.asking("127.0.0.1", 0) as proxy:
        refusing.serve(proxy)
        held.bind(("127.0.0.1", 0))
        made = Machine(tmp_path, held.getsockname()[1])
        made.write(SITE + SUBSTATION)
        login = 'username = "credential:city-user"\npassword = "credential:city-password"'
        address = '"mqtt://127.0.0.1:{port}"'
        sharing = SHARING.replace(address, f"{address}\n{login}")
        grants = "".join(GRANT.format(name=name) for name in sorted(REFUSED))
        text = (sharing + OTHERS).format(port=broker.port, proxy=proxy.server_address[1])
        (made.config / "sharing.toml").write_text(text + grants)
        folder = made.config / "credentials"
        folder.mkdir()
        for name, value in known.items():
            (folder / name).write_text(value)
            (folder / name).chmod(0o600)
        yield made
        made.close()
        proxy.shutdown()


def told_of(machine: Machine, names: set[str]) -> Any:  # noqa: ANN401 - as the daemon tells it
    """Ask for the status until it says why each of *names* is not well; give it then, or after a while."""
    end = time.monotonic() + 20
    while True:
        status = ask(machine.socket, {"ask": "status"})
        why = {one["name"] for one in status["recipients"] if one["why"]}
        if names <= why or time.monotonic() > end:
            return status


def test_secrets_of_every_kind_are_found_nowhere(
    machine: Machine, broker: Mosquitto, known: dict[str, str], tmp_path: Path
) -> None:
    process = machine.start()
    machine.hear("READY")
    broker.wait_for("as vaasa-library-gw1-")
    broker.wait_for("not authori")
    words = [need("mosquitto_sub"), "-p", str(broker.port), "-u", "reader", "-P", broker.users[1][1]]
    heard = subprocess.run(
        [*words, "-t", "#", "-v", "-C", "2", "-W", "20"], check=True, stdout=subprocess.PIPE
    ).stdout
    proc = Path("/proc") / str(process.pid)
    places = {
        "the process list": (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes(),
        "status": json.dumps(told_of(machine, REFUSED)).encode(),
        "links": json.dumps(ask(machine.socket, {"ask": "links"})).encode(),
        "the broker": heard,
    }
    core = resource.prlimit(process.pid, resource.RLIMIT_CORE)
    process.send_signal(signal.SIGTERM)
    places["the log"] = process.communicate(timeout=30)[1].encode()
    places |= {str(path): path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    for name in REFUSED:
        assert f"uplink {name} failed" in places["the log"].decode()
    assert b"link substation failed" in places["the log"]
    assert (tmp_path / "asked").read_text("ascii").split()[0] == "http", "the proxy was offered a login"
    assert b"vaasa" in heard
    assert core == (0, 0)
    assert [
        (place, name)
        for place, data in places.items()
        for name, value in known.items()
        if any(form in data for form in forms(value))
    ] == []


def test_a_login_would_be_found_as_it_travels() -> None:
    secret = secrets.token_hex(12)
    for user in ("a", "ab", "abc"):
        login = base64.b64encode(f"{user}:{secret}:more".encode())
        assert any(form in login for form in forms(secret))
    assert not any(form in base64.b64encode(b"nothing of the kind") for form in forms(secret))


def test_nobody_can_look_into_the_memory_of_the_gateway() -> None:
    text = (
        "import ctypes, resource; from agent.memory import keep_private; keep_private();"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    told = subprocess.run([sys.executable, "-c", text], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert told == "0 (0, 0)\n"
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1, "otherwise the test above shows nothing"


# --- how much is told ------------------------------------------------------------------------------------


class Pages(logging.Handler):
    """Counts what a journal would have to keep."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.codes: list[str] = []
        self.bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count one line; beside its own fields an entry of the journal takes about 1 kB: counted as 2."""
        given: dict[str, str] = getattr(record, "fields", {})
        self.codes.append(given.get("CODE", ""))
        self.bytes += 2048 + len(journal_record({"MESSAGE": self.format(record), **given}))


@pytest.fixture
def pages() -> Iterator[Pages]:
    """Give the count of all that is logged."""
    root, made = logging.getLogger(), Pages()
    before = root.level
    root.addHandler(made)
    root.setLevel(logging.INFO)
    yield made
    root.removeHandler(made)
    root.setLevel(before)


async def bad_hours(site: Site, meter: Meter, hours: int, today: Plan) -> None:
    """Let hours pass in which everything that comes and goes does so."""
    for hour in range(hours):
        for _ in range(6):  # every ten minutes the meter is gone for one
            meter.state = ("silent", "off", "hung")[hour % 3]
            await site.clock.sleep(60)
            meter.state = "well"
            await site.clock.sleep(540)
        site.city.away = hour % 4 == 1
        if hour % 12 == 1:
            site.clock.step(-5.0)
    await site.reload(today)


async def volume(site: Site, days: int, hours: int) -> None:
    """Let *days* bad ones pass, each of *hours*."""
    meter = NETWORK.setdefault("10.0.0.5", Meter())
    async with site.running():
        for _ in range(days):
            await bad_hours(site, meter, hours, plan())
            site.city.rows.clear()


async def test_bad_hours_fit_into_the_journals_share(
    virtual: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: Pages
) -> None:
    await volume(Site(tmp_path, virtual, monkeypatch), 1, 3)
    assert pages.bytes < SHARE * 3 / 24
    assert {"link-failed", "device-silent", "device-answers", "clock-set", "reloaded"} <= set(pages.codes)
    assert "" not in pages.codes


@pytest.mark.long
async def test_a_bad_week_stays_below_20_mb_of_journal(
    virtual: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: Pages
) -> None:
    await volume(Site(tmp_path, virtual, monkeypatch), 7, 24)
    assert pages.bytes < 7 * SHARE, f"{len(pages.codes)} lines"


def test_a_line_that_is_told_for_ever_would_be_noticed(pages: Pages) -> None:
    entry = Entry(code="so", level=logging.WARNING, text="%s", title="", matters="", act="")
    for _ in range(DAY // 10):
        entry.tell(logging.getLogger("agent.test"), "the same again")
    assert pages.bytes > SHARE
