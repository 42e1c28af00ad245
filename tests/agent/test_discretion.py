"""What must not be told is nowhere: not in log, status or ledger, at the broker or in a core file."""

from __future__ import annotations

import ctypes
import json
import logging
import resource
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.catalogue.entry import Entry
from agent.core.plan import Plan
from agent.journal import journal_record
from agent.status import ask
from tests.agent.small_site import NETWORK, Meter, Site, plan
from tests.agent.test_process import SHARING, Machine
from tests.peers import need
from tests.peers.mosquitto import GATEWAY, Mosquitto
from tests.virtual import VirtualClock

ACL = """
user gw1
topic readwrite #
user reader
topic read #
"""
STRANGER = """
[recipient.stranger]
broker = "mqtt://localhost:{port}"
username = "stranger"
password = "credential:stranger"
[grant.strange]
recipient = "stranger"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""
DAY = 86_400
SHARE = 20e6 / 7  # bytes of a day


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Give a broker that knows a password which is new in each run."""
    made = Mosquitto(tmp_path, acl=ACL)
    made.users = [(GATEWAY[0], secrets.token_hex(16)), ("reader", secrets.token_hex(16))]
    made.write_passwords()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def machine(tmp_path: Path, broker: Mosquitto) -> Iterator[Machine]:
    """Give a gateway of whose two recipients one has a wrong password."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        made = Machine(tmp_path, held.getsockname()[1])
        sharing = SHARING.replace(
            '"mqtt://127.0.0.1:{port}"',
            '"mqtt://127.0.0.1:{port}"\nusername = "gw1"\npassword = "credential:city"',
        )
        text = (sharing + STRANGER).format(port=broker.port)
        (made.config / "sharing.toml").write_text(text)
        yield made
        made.close()


def test_secrets_are_found_nowhere(machine: Machine, broker: Mosquitto, tmp_path: Path) -> None:
    known = {"city": broker.users[0][1], "stranger": secrets.token_hex(16)}
    folder = machine.config / "credentials"
    folder.mkdir()
    for name, value in known.items():
        (folder / name).write_text(value)
        (folder / name).chmod(0o600)
    process = machine.start()
    machine.hear("READY")
    broker.wait_for("as vaasa-library-gw1")
    broker.wait_for("not authori")
    words = [need("mosquitto_sub"), "-p", str(broker.port), "-u", "reader", "-P", broker.users[1][1]]
    heard = subprocess.run(
        [*words, "-t", "#", "-v", "-C", "2", "-W", "20"], check=True, stdout=subprocess.PIPE
    ).stdout
    proc = Path("/proc") / str(process.pid)
    places = {
        "the process list": (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes(),
        "status": json.dumps(ask(machine.socket, {"ask": "status"})).encode(),
        "links": json.dumps(ask(machine.socket, {"ask": "links"})).encode(),
        "the broker": heard,
    }
    core = resource.prlimit(process.pid, resource.RLIMIT_CORE)
    process.send_signal(signal.SIGTERM)
    places["the log"] = process.communicate(timeout=30)[1].encode()
    places |= {str(path): path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()}
    assert b"uplink stranger failed" in places["the log"]
    assert b"vaasa" in heard
    assert core == (0, 0)
    assert not [place for place, data in places.items() for value in known.values() if value.encode() in data]


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
