"""Each promise holds on a made-up street, and each planted breach of it is found."""

from __future__ import annotations

import re
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.core.errors import ConfigError, GatewayError, OutboxError
from agent.core.plan import Link, Plan, Purpose
from agent.core.product import Privacy
from agent.prove import life, planted, promises
from agent.prove.books import Book, ledgers, spoiled
from agent.prove.life import Event, Life
from agent.prove.outcome import State
from agent.prove.promises.files_are_closed_to_others import is_open
from agent.prove.run import names, promise, try_all
from agent.prove.scene import Parts, Scene
from tests.agent.prove import breaches
from tests.agent.prove.scenes import STREET, street, tried

Made = Callable[..., Scene]
SLOW = {
    "files-are-closed-to-others",
    "no-port-listens",
    "nobody-else-is-called",
    "nothing-is-started-or-written-elsewhere",
    "nothing-is-written-to-a-bus",
    "the-system-confines-it",
}
"""Those that look at a gateway that lives: `citygate prove` tries them on the demo in its own test."""


def test_each_promise_begins_with_a_sentence_for_somebody_who_asks() -> None:
    assert len(names()) == len(list(Path(promises.__path__[0]).glob("[a-z]*.py"))) >= 20
    for name in names():
        first, _, how = promise(name).__doc__.partition("\n")
        assert re.fullmatch(r"[A-Z].*\.", first), name
        assert how.strip(), name


def test_the_page_for_the_city_lists_the_promises() -> None:
    page = (Path(__file__).parents[3] / "docs" / "city" / "proofs.md").read_text("utf-8")
    rows = [f"| {promise(name).__doc__.partition(chr(10))[0]} | `{name}` |" for name in names()]
    assert "\n".join(rows) in page


def test_every_promise_holds_on_a_street_that_breaks_none(scene: Made) -> None:
    site = scene()
    found = {name: tried(name, site) for name in names() if name not in SLOW}
    assert {name: one.told for name, one in found.items() if one.state is not State.KEPT} == {}


@pytest.mark.parametrize(
    ("name", "parts", "said"),
    [
        ("only-the-gate-clears", {"outbox": breaches.CarelessOutbox.open}, "a raw reading"),
        ("unshared-points-stay", {"flow": breaches.MixingFlow}, "depends on points that are not shared"),
        ("ungranted-products-stay", {"flow": breaches.GenerousFlow}, "was cleared for city without a grant"),
        ("ended-grants-send-nothing", {"flow": breaches.EndlessFlow}, "after its grant had ended"),
        ("ended-grants-send-nothing", {"outbox": breaches.LoyalOutbox.open}, "outlived its grant"),
        (
            "nothing-leaves-too-often",
            {"flow": breaches.HastyFlow},
            "city.alarms was told 99 events",
        ),
        ("nobody-gets-more-by-asking", {"outbox": breaches.LoyalOutbox.open}, "after its grant had ended"),
        ("nobody-gets-more-by-asking", {"outbox": breaches.GenerousOutbox.open}, "without a grant was sent"),
        ("nobody-gets-more-by-asking", {"outbox": breaches.HastyOutbox.open}, "never been delivered"),
        ("nobody-gets-more-by-asking", {"outbox": breaches.MuteOutbox.open}, "nothing has been proven"),
        ("nobody-gets-more-by-asking", {"outbox": breaches.FaithfulOutbox.open}, "to another address before"),
        ("small-counts-are-withheld", {"flow": breaches.LaxFlow}, "suppressed told 1 passages of door.in"),
        ("small-counts-are-withheld", {"flow": breaches.LaxFlow}, "held told 1 passages of door.out"),
        ("noise-is-what-it-says", {"flow": breaches.LaxFlow}, "have no noise"),
        ("homes-leave-only-together", {"flow": breaches.LaxFlow}, "with 4 sources"),
        ("homes-leave-only-together", {"flow": breaches.LaxFlow}, "with one source that has nearly"),
        ("altered-rows-are-named", {"verify": breaches.blind}, "nothing told"),
        ("altered-bodies-are-named", {"verify": breaches.blind}, "nothing told"),
        ("tls-never-falls-back", {"connect": breaches.falls_back}, "bytes in plain text"),
    ],
)
def test_a_part_that_leaks_is_found(name: str, parts: dict[str, Any], said: str, scene: Made) -> None:
    outcome = tried(name, scene(**parts))
    assert outcome.state is State.BROKEN
    assert any(said in one for one in outcome.told), outcome.told


@pytest.mark.parametrize(
    ("name", "families"),
    [
        ("nothing-can-be-subtracted", ("difference",)),
        ("personal-points-are-protected", ("home", "workplace")),
        ("nothing-is-finer-than-its-purpose", ("finer", "lower")),
        ("nothing-leaves-too-often", ("oftener",)),
        ("secrets-stay-out-of-files", ("password", "key")),
    ],
)
def test_a_compiler_that_lets_everything_in_is_found(
    name: str, families: tuple[str, ...], scene: Made
) -> None:
    plan = street()
    outcome = tried(name, scene(load=lambda _: plan))
    assert outcome.state is State.BROKEN
    assert len(outcome.told) == planted.count(*families) > 1


def test_every_planted_configuration_is_tried_by_a_promise() -> None:
    assert planted.count(
        "difference", "home", "workplace", "finer", "lower", "oftener", "password", "key"
    ) == (planted.count(""))


def test_a_refusal_for_another_reason_is_no_proof() -> None:
    def grumpy(_: Path) -> Plan:
        raise ConfigError(f"no: {planted.SECRET}")

    found = list(planted.let_in(Parts(load=grumpy), "password-of"))
    assert ["another reason" in found[0], "shows the secret" in found[1]] == [True, True]


def test_an_overlap_in_the_plan_is_found_without_the_compiler(scene: Made) -> None:
    plan = street()
    hours = replace(plan.products[0], id="hours", window=3600.0, span="1h")
    overlap = street(
        products=(*plan.products, hours), routes=(*plan.routes, breaches.route_of(plan, "hours"))
    )
    outcome = tried("nothing-can-be-subtracted", scene(overlap))
    assert outcome.told == ("city.suppressed and city.hours both tell of door.in, to one audience.",)
    other = replace(plan.recipients[0], name="office", port=2)
    apart = replace(
        overlap,
        recipients=(*plan.recipients, other),
        routes=(*plan.routes, breaches.route_of(plan, "hours", "office")),
    )
    assert tried("nothing-can-be-subtracted", scene(apart)).state is State.KEPT
    twice = replace(apart, routes=(plan.routes[0], replace(plan.routes[0], recipient="office")))
    assert tried("nothing-can-be-subtracted", scene(twice)).state is State.KEPT, "one product is one figure"
    party = tuple(replace(one, party="City") for one in apart.recipients)
    assert tried("nothing-can-be-subtracted", scene(replace(apart, recipients=party))).state is State.BROKEN


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"privacy": Privacy()}, "without a privacy mode"),
        ({"window": 60.0}, "each 60 s"),
    ],
)
def test_a_home_that_leaves_bare_is_found_without_the_compiler(
    change: dict[str, Any], said: str, scene: Made
) -> None:
    products = tuple(replace(one, **change) if one.id == "homes" else one for one in street().products)
    outcome = tried("personal-points-are-protected", scene(street(products=products)))
    assert outcome.state is State.BROKEN
    assert said in outcome.told[0]


def test_a_home_without_a_legal_basis_is_found(scene: Made) -> None:
    routes = tuple(replace(one, basis="") for one in street().routes)
    assert (
        "without a legal basis"
        in tried("personal-points-are-protected", scene(street(routes=routes))).told[0]
    )


@pytest.mark.parametrize("limits", [{"finest": "1h"}, {"k": 10}])
def test_a_product_beyond_its_purpose_is_found(limits: dict[str, Any], scene: Made) -> None:
    purpose = Purpose(name="planning", iri="", description="Planning.", **limits)
    outcome = tried("nothing-is-finer-than-its-purpose", scene(street(purposes=(purpose,))))
    assert outcome.state is State.BROKEN
    assert "city.suppressed" in outcome.told[0]


def test_a_credential_that_everybody_can_read_is_found(tmp_path: Path, scene: Made) -> None:
    (tmp_path / "site.toml").write_text(STREET.read_text())
    (tmp_path / "credentials").mkdir()
    secret = tmp_path / "credentials" / "password"
    secret.write_text("x")
    secret.chmod(0o600)
    site = scene(folder=tmp_path)
    assert tried("secrets-stay-out-of-files", site).state is State.KEPT
    secret.chmod(0o644)
    assert f"chmod 600 {secret}" in tried("secrets-stay-out-of-files", site).told[0]


def test_a_ledger_of_the_site_is_copied_and_its_own_faults_are_told(tmp_path: Path, scene: Made) -> None:
    site = scene()
    site.outbox.parent.mkdir()
    site.outbox.write_bytes(ledgers(site).path.read_bytes())
    before = site.outbox.read_bytes()
    outcome = tried("altered-bodies-are-named", site)
    assert outcome.state is State.KEPT
    assert "this site's ledger" in outcome.told[0]
    assert site.outbox.read_bytes() == before
    with closing(sqlite3.connect(site.outbox)) as db, db:
        db.execute("UPDATE row SET topic = 'elsewhere' WHERE id = 3")
    outcome = tried("altered-rows-are-named", site)
    assert outcome.state is State.BROKEN
    assert outcome.told[0].startswith("This site's own ledger: row 3 ")


def test_a_ledger_without_a_message_proves_nothing_and_is_left_alone(tmp_path: Path, scene: Made) -> None:
    site = scene()
    site.outbox.parent.mkdir()
    site.outbox.write_bytes(ledgers(site).path.read_bytes())
    with closing(sqlite3.connect(site.outbox)) as db, db:
        db.execute("UPDATE row SET body = x''")
    assert ledgers(site).what == "a made-up ledger"
    with pytest.raises(OutboxError, match="this site's ledger holds no message that could be altered"):
        spoiled(Book(site.outbox, "this site's ledger"), site, "DELETE FROM row WHERE id = ?")


WRITE_REGISTER = bytes.fromhex("0001 0000 0006 01 06 0001 0003")
WRITE_COIL_RTU = bytes.fromhex("01 05 0001 ff00 ddfa")
WRITE_PROPERTY = bytes.fromhex("810a 0015 01 04 0005 01 0f 0c00000001 1955 3e 44 41a00000 3f")


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        (breaches.Meddler(message=WRITE_REGISTER), "function code 6 to unit 1"),
        (breaches.RtuMeddler(message=WRITE_COIL_RTU), "function code 5 to unit 1"),
        (breaches.BacnetMeddler(message=WRITE_PROPERTY), "confirmed service 15"),
        (breaches.LineMeddler(message=b"SET 1"), "5 bytes"),
        (breaches.Meddler(slipping="function code 16"), "function code 16 was not refused"),
    ],
)
def test_a_driver_that_writes_is_found(driver: breaches.Meddler, said: str, scene: Made) -> None:
    plan = street(links=(Link(name="bad", kind="meddler", driver=driver),))
    outcome = tried("nothing-is-written-to-a-bus", scene(plan))
    assert outcome.state is State.BROKEN
    assert any(said in one for one in outcome.told), outcome.told


def test_a_link_that_says_nothing_to_a_spy_is_not_called_proven(scene: Made) -> None:
    links = (*street().links, Link(name="mute", kind="meddler", driver=breaches.BacnetMeddler()))
    outcome = tried("nothing-is-written-to-a-bus", scene(street(links=links)))
    assert outcome.state is State.OPEN
    assert "mute" in outcome.told[-1]


@pytest.fixture
def unruly(tmp_path: Path, scene: Made) -> Scene:
    script = Path(__file__).with_name("unruly.py")
    return scene(program=(sys.executable, "-P", str(script), str(tmp_path / "elsewhere")), seconds=0.8)


def test_a_gateway_that_does_what_it_must_not_is_found(unruly: Scene, tmp_path: Path) -> None:
    ports = tried("no-port-listens", unruly)
    assert any(one.startswith("A gateway of this site bound a port: tcp 127.0.0.1:") for one in ports.told)
    assert any(one.startswith("A gateway of this site listens on tcp 127.0.0.1:") for one in ports.told)
    calls = tried("nobody-else-is-called", unruly)
    assert "192.0.2.1:443 was called by udp." in calls.told
    assert "The name localhost was looked up." in calls.told
    assert "A udp socket leads to 192.0.2.1 port 443." in calls.told
    acts = tried("nothing-is-started-or-written-elsewhere", unruly)
    assert f"{tmp_path / 'elsewhere'} was opened for writing." in acts.told
    assert any(one.startswith("A program was started") for one in acts.told)


def test_a_gateway_that_does_not_come_to_life_is_waited_for_once(scene: Made, tmp_path: Path) -> None:
    tries = tmp_path / "tries"
    words = f"open({str(tries)!r}, 'a').write('x'); raise SystemExit('no luck')"
    site = scene(program=(sys.executable, "-c", words))
    for name in ("no-port-listens", "nobody-else-is-called"):
        with pytest.raises(GatewayError, match="ended by itself when it was tried: no luck"):
            tried(name, site)
    assert tries.read_text() == "x"
    [found] = [one for one in try_all(site) if one.name == "no-port-listens"]
    assert found.state is State.OPEN
    assert found.told[0].startswith("It could not be tried here: a gateway of this site ended")


def test_a_gateway_that_never_answers_is_given_up(
    scene: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.prove.life._START", 0.2)
    words = f"import os, time; open({str(tmp_path / 'who')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(GatewayError, match=r"a gateway of this site did not answer within 0\.2 s"):
        tried("no-port-listens", scene(program=(sys.executable, "-S", "-c", words)))
    assert not Path(f"/proc/{(tmp_path / 'who').read_text()}").exists()


def test_a_gateway_that_does_not_heed_the_signal_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "_END", 0.05)
    words = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-S", "-c", words], stdout=subprocess.PIPE) as deaf:
        assert deaf.stdout is not None
        deaf.stdout.readline()
        life._end(deaf)
        assert deaf.returncode == -signal.SIGKILL


def test_a_library_that_reports_home_is_found_unless_it_was_told_not_to(scene: Made, tmp_path: Path) -> None:
    site = scene()
    seen = Life(
        port=1, own=tmp_path, events=(Event("call", "tcp", "127.0.0.1:1"),), sockets=frozenset(),
        libraries=frozenset({"/venv/onnxruntime/capi/onnxruntime.so"}), environment={}, modes={}, left_out=(),
    )  # fmt: skip
    site.lived = seen
    assert "set ORT_DISABLE_TELEMETRY=1" in tried("nobody-else-is-called", site).told[0]
    site.lived = replace(seen, environment={"ORT_DISABLE_TELEMETRY": "1"})
    assert tried("nobody-else-is-called", site).state is State.KEPT


@pytest.fixture
def public() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_files_that_others_can_reach_are_found(public: Path, scene: Made, tmp_path: Path) -> None:
    site = scene()
    site.lived = Life(
        port=1, own=tmp_path, events=(), sockets=frozenset(), libraries=frozenset(), environment={},
        modes={"control.sock": 0o660, "outbox.db": 0o600}, left_out=(),
    )  # fmt: skip
    assert tried("files-are-closed-to-others", site).state is State.OPEN
    site.outbox = public / "outbox.db"
    site.outbox.write_bytes(b"")
    site.outbox.chmod(0o600)
    assert tried("files-are-closed-to-others", site).state is State.KEPT
    site.outbox.chmod(0o644)
    assert f"chmod o= {site.outbox}" in tried("files-are-closed-to-others", site).told[0]
    public.chmod(0o750)
    assert not is_open(site.outbox, 0o004)
    site.lived = replace(site.life, modes={"control.sock": 0o666})
    assert "mode 666" in tried("files-are-closed-to-others", site).told[0]


def test_a_gateway_that_nothing_confines_is_said_to_be_so(scene: Made) -> None:
    site = scene()
    outcome = tried("the-system-confines-it", site)
    assert outcome.state is State.OPEN
    assert "No gateway runs here" in outcome.told[0]
    with socket.socket(socket.AF_UNIX) as listener:  # this very process stands for a gateway
        listener.bind(str(site.socket))
        listener.listen()
        outcome = tried("the-system-confines-it", site)
    assert outcome.state is State.OPEN
    assert "It could gain rights by programs that it starts." in outcome.told


def test_a_broker_that_is_reached_in_plain_text_is_told_of(scene: Made) -> None:
    far = tuple(replace(one, host="broker.vaasa.example") for one in street().recipients)
    outcome = tried("tls-never-falls-back", scene(street(recipients=far)))
    assert outcome.state is State.OPEN
    assert "city" in outcome.told[-1]
