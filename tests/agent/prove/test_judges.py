"""Whoever judges a promise can say each way in which it may be broken."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from agent.config.load import load
from agent.core.product import Privacy
from agent.core.record import Aggregate, Event, State
from agent.outbox.ledger import LedgerRow
from agent.prove import planted, sealed, watched
from agent.prove.life import Life
from agent.prove.outcome import State as Verdict
from agent.prove.promises import (
    files_are_closed_to_others,
    homes_leave_only_together,
    no_port_listens,
    nobody_gets_more_by_asking,
    noise_is_what_it_says,
    nothing_is_started_or_written_elsewhere,
    nothing_is_written_to_a_bus,
    nothing_leaves_too_often,
    small_counts_are_withheld,
    the_system_confines_it,
    tls_never_falls_back,
    unshared_points_stay,
)
from agent.prove.scene import Parts
from agent.prove.sockets import Socket
from agent.prove.spies import bacnet
from agent.prove.spies.bacnet import bacnet_spy
from agent.prove.spies.heard import Heard
from agent.prove.spies.listening import listening_spy
from agent.prove.spies.modbus import modbus_spy
from agent.resources import resource
from tests.agent.prove.scenes import NOW, street
from tests.agent.uplink.kit import until

UNCONFINED = {"Uid": "0\t0\t0\t0", "CapEff": "000001ffffffffff", "NoNewPrivs": "0", "Seccomp": "0"}
CONFINED = {"Uid": "998\t998\t998\t998", "CapEff": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}


def row(body: bytes) -> LedgerRow:
    return LedgerRow(
        id=1, route="city.flow", recipient="city", product="flow", epoch=1, seq=1, kind="batch",
        state="waiting", made=0.0, expires=None, policy="", topic="t", content_type="", user=(), body=body,
        digest="", link="",
    )  # fmt: skip


def test_what_depends_on_a_point_that_is_not_shared_is_named() -> None:
    def said(first: list[LedgerRow], second: list[LedgerRow]) -> list[str]:
        return list(unshared_points_stay._differences(first, second, {"door.in"}))

    assert said([row(b"x")], [row(b"x")]) == []
    assert said([row(b"x")], []) == ["The number of messages depends on points that are not shared: 1, 0."]
    [told] = said([row(b"1")], [row(b"2")])
    assert told == "Message 1/1 of city.flow depends on points that are not shared."
    for body in (b'{"door.in":1}', gzip.compress(b'["door.in"]')):
        [told] = said([row(body)], [row(body)])
        assert told == "Message 1/1 of city.flow names door.in, which is not shared."
    assert said([row(b'{"door.inner":1}')], [row(b'{"door.inner":1}')]) == []


@dataclass
class Told:
    """What a gate let out of one product."""

    product: Any
    records: tuple[Any, ...]


def test_what_a_small_count_leaves_behind_is_named() -> None:
    plan = street()
    product = next(one for one in plan.products if one.privacy.mode == "suppress")
    kept = replace(product, privacy=Privacy(mode="suppress", k=5))
    held = replace(plan, products=tuple(kept if one is product else one for one in plan.products))
    figure = Aggregate("door.in", 0.0, 900.0, None, (None,), State.SUPPRESSED)

    def said(*records: Aggregate | Event) -> list[str]:
        told: Any = [Told(kept, records)]
        return list(small_counts_are_withheld._below(held, told))

    assert said(figure, replace(figure, state=State.OK, n=15, values=(5.0,))) == []
    event = Event("door.in", "threshold", "warning", 0.0, 1.0, "1", "above")
    assert said(event) == [f"{kept.id} told of an event of door.in, with mode suppress."]
    assert said(replace(figure, n=15)) == [f"{kept.id} told something beside a withheld count of door.in."]
    assert said(replace(figure, values=(9.0,))) == [
        f"{kept.id} told something beside a withheld count of door.in."
    ]
    assert said(replace(figure, state=State.OK, values=(4.0,))) == [
        f"{kept.id} told 4 passages of door.in, below 5."
    ]


def test_noise_that_is_not_what_the_law_says_is_named() -> None:
    privacy = Privacy(mode="dp", epsilon="1", sensitivity=1)
    noisy = replace(planted.modes(Parts()).products[0], id="flow", privacy=privacy)
    assert list(noise_is_what_it_says._odd(noisy, [])) == []
    assert (
        list(noise_is_what_it_says._odd(noisy, [0.0, 1.0, -1.0] * 100 + [0.0] * 75 + [2.0, -2.0] * 25)) == []
    )
    assert "The noise of flow is not in whole numbers." in noise_is_what_it_says._odd(
        noisy, [0.5, -0.5] * 200
    )
    told = " ".join(noise_is_what_it_says._odd(noisy, [3.0] * 400))
    assert "0% of 400 figures have no noise" in told
    assert "flow: its noise lies 3 from zero on average" in told


def test_each_hole_of_a_process_is_named_and_a_confined_one_has_none() -> None:
    assert list(the_system_confines_it._holes(CONFINED)) == []
    assert list(the_system_confines_it._holes(UNCONFINED)) == [
        "The gateway runs as root.",
        "It has capabilities beyond those of an ordinary user.",
        "It could gain rights by programs that it starts.",
        "Its calls to the kernel are not filtered.",
    ]


@pytest.mark.parametrize(
    ("event", "args", "found"),
    [
        ("open", ("/etc/passwd", "w", os.O_WRONLY), ("write", "open", "/etc/passwd")),
        ("open", (b"/srv/x", None, os.O_RDONLY | os.O_CREAT), ("write", "open", "/srv/x")),
        ("open", ("/etc/passwd", "r", os.O_RDONLY), None),
        ("open", (5, "w", os.O_WRONLY), None),
        ("sqlite3.connect", ("/var/lib/x.db",), ("write", "sqlite3.connect", "/var/lib/x.db")),
        ("os.fork", (), ("start", "os.fork", "")),
        ("subprocess.Popen", ("/bin/sh", [], None, None), ("start", "subprocess.Popen", "/bin/sh")),
        ("socket.getaddrinfo", (b"broker.example", 1883, 0, 1, 0), ("lookup", "name", "broker.example")),
        ("socket.gethostbyname", ("broker.example",), ("lookup", "name", "broker.example")),
        ("import", ("json", None, None, None, None), None),
    ],
)
def test_what_a_gateway_does_is_understood(
    event: str, args: tuple[Any, ...], found: tuple[str, str, str] | None
) -> None:
    told = watched._event(event, args)
    assert (told and (told["what"], told["kind"], told["where"])) == found


@pytest.mark.parametrize(
    ("family", "kind", "name"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, "tcp"),
        (socket.AF_INET6, socket.SOCK_DGRAM, "udp"),
        (socket.AF_UNIX, socket.SOCK_STREAM, "unix"),
        (socket.AF_NETLINK, socket.SOCK_RAW, "other"),
    ],
)
def test_whom_it_calls_and_where_it_listens_is_understood(family: int, kind: int, name: str) -> None:
    with socket.socket(family, kind) as made:
        told = watched._event("socket.bind", (made, ("0.0.0.0", 502, 0, 0)))  # noqa: S104
        assert told == {"what": "bind", "kind": name, "where": "0.0.0.0:502"}
        assert watched._event("socket.sendto", (made, None)) is None, "it was connected, which was told"
        told = watched._event("socket.connect", (made, "/run/x.sock"))
        assert told == {"what": "call", "kind": name, "where": "/run/x.sock"}


def datagram(message: str, control: str = "00", kind: str = "0a") -> bytes:
    body = bytes.fromhex("01" + control + message)
    return bytes.fromhex("81" + kind) + (len(body) + 4).to_bytes(2, "big") + body


@pytest.mark.parametrize(
    ("raw", "application"),
    [
        (datagram("1008"), b"\x10\x08"),
        (datagram("1008", kind="0b"), b"\x10\x08"),
        (datagram("ffff00ff1008", control="20"), b"\x10\x08"),
        (datagram("00", control="80"), None),
        (datagram("1008", kind="00"), None),
        (b"\x81\x0a\x00\x04", None),
        (b"\x82" + datagram("1008")[1:], None),
    ],
    ids=["to one", "to all", "routed", "network layer", "a result", "too short", "another protocol"],
)
def test_the_message_within_a_datagram_is_found(raw: bytes, application: bytes | None) -> None:
    assert bacnet._application(raw) == application


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("1008", None),
        ("000501 0c".replace(" ", ""), None),
        ("0005010f", "confirmed service 15"),
        ("1006", "unconfirmed service 6"),
        ("204d0f", "it acknowledged a write to itself"),
        ("80", None),
    ],
    ids=["Who-Is", "ReadProperty", "WriteProperty", "time", "an acknowledgement", "too short"],
)
async def test_a_spy_in_a_bacnet_network_hears_what_would_change_a_device(
    message: str, written: str | None
) -> None:
    async with bacnet_spy() as (port, heard):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.sendto(datagram(message), ("127.0.0.1", port))
            asker.sendto(datagram("0005020e"), ("127.0.0.1", port))
            await until(lambda: bool(heard.asked) and len(heard.writes) >= (written is not None))
    assert heard.writes == ([written] if written else [])


def _was_asked(heard: Heard) -> bool:
    return heard.asked >= 2


async def test_a_spy_lives_through_a_link_that_is_reset(caplog: pytest.LogCaptureFixture) -> None:
    at_once = struct.pack("ii", 1, 0)
    for spy in (listening_spy(), modbus_spy(rtu=False)):
        async with spy as (port, heard):
            for _ in range(2):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(bytes.fromhex("000100000006 01 03 0000 0001".replace(" ", "")))
                await reader.read(1)
                line: socket.socket = writer.get_extra_info("socket")
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)  # close() resets then
                writer.transport.abort()
            await until(partial(_was_asked, heard))
    assert caplog.records == []


@dataclass
class Site:
    """What a promise looks at, in the place of a scene."""

    plan: Any = None
    life: Any = None
    parts: Any = None
    folder: Any = None
    outbox: Any = None
    socket: Any = None
    now: float = NOW


def life(folder: Path, *left_out: str) -> Life:
    return Life(
        port=1, own=folder, events=(), sockets=frozenset(), libraries=frozenset(), environment={}, modes={},
        left_out=left_out,
    )  # fmt: skip


def test_files_that_everybody_can_change_are_named() -> None:
    with TemporaryDirectory() as name:  # what lies in a closed folder, as pytest's are, is closed too
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "site.toml").touch(0o644)
        (folder / "sharing.toml").touch()
        (folder / "sharing.toml").chmod(0o666)
        site: Any = Site(folder=folder, outbox=folder / "state" / "outbox.db")
        assert list(files_are_closed_to_others._writable(site)) == [folder / "sharing.toml"]


def test_what_is_no_sum_of_homes_has_no_figure_of_them() -> None:
    event = Event("door", "alarm", "high", NOW, 1.0, "1", "open")
    assert list(homes_leave_only_together._values([event])) == []


def test_links_that_no_spy_can_hear_are_named(tmp_path: Path) -> None:
    told = no_port_listens.prove(
        Site(plan=street(), life=life(tmp_path, "dali"), socket=tmp_path / "none")  # type: ignore[arg-type]
    )
    assert "Without these links, which cannot be led elsewhere: dali." in told.told


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Site]:
    """Give a site whose running gateway is this very process."""
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(tmp_path / "control.sock"))
        control.listen()
        yield Site(plan=street(), life=life(tmp_path), socket=tmp_path / "control.sock")


def test_a_port_of_the_running_gateway_is_named(gateway: Any) -> None:  # noqa: ANN401 - stands for a scene
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        told = no_port_listens.prove(gateway)
        where = f"127.0.0.1:{listener.getsockname()[1]}"
    assert told.state is Verdict.BROKEN
    assert [
        one for one in told.told if one.startswith("The running gateway listens on tcp ") and where in one
    ]


def test_a_running_gateway_without_ports_is_told_of(gateway: Any) -> None:  # noqa: ANN401
    told = no_port_listens.prove(gateway)
    assert told.state is Verdict.KEPT
    assert told.told[-1] == f"The running gateway (process {os.getpid()}) does not either."


def test_a_running_gateway_that_may_not_be_looked_at_proves_nothing(
    gateway: Any,  # noqa: ANN401
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: int) -> set[Socket]:
        raise PermissionError

    monkeypatch.setattr(no_port_listens, "sockets_of", refuse)
    told = no_port_listens.prove(gateway)
    assert told.state is Verdict.OPEN
    assert told.told[-1].endswith(f"(process {os.getpid()}) could not be looked at: use sudo.")


def test_another_file_of_figures_is_left_alone_and_named(tmp_path: Path) -> None:
    site: Any = Site(plan=street(metrics="/run/citygate.prom"), life=life(tmp_path))
    told = nothing_is_started_or_written_elsewhere.prove(site)
    assert told.told[1] == "Beside them [metrics] names /run/citygate.prom: that one was left alone here."


def test_bytes_that_are_taken_for_a_command_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"v":1,"k":"rebirth"}'
    monkeypatch.setattr(nobody_gets_more_by_asking, "_NO_COMMANDS", (("rebirth", body),))
    assert list(nobody_gets_more_by_asking._no_commands(street())) == [
        'These bytes were taken for a command: {"v":1,"k":"rebirth"}.'
    ]


def test_a_broker_that_got_a_word_without_tls_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def called(_: object) -> list[str]:
        return ["A broker without TLS got 14 bytes."]

    monkeypatch.setattr(tls_never_falls_back, "_call_all", called)
    told = tls_never_falls_back.prove(Site())  # type: ignore[arg-type]
    assert told.told == ("A broker without TLS got 14 bytes.",)


def test_too_few_events_to_conclude_anything_from_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nothing_leaves_too_often, "cleared_by", lambda *_, **__: [])
    monkeypatch.setattr(planted, "alarms", lambda _: load(resource("config/planted/alarms.toml")))
    faults = nothing_leaves_too_often._fluttering(Site(now=NOW))  # type: ignore[arg-type]
    assert [one.rpartition(" was told ")[2] for one in faults] == [
        "0 events only: nothing can be concluded from that."
    ]


@pytest.mark.parametrize(
    ("writes", "asked", "slips", "said"),
    [
        (("write single register",), 3, (), "bus sent what changes a device: write single register."),
        ((), 3, ("function 6",), "bus: function 6 was not refused."),
        ((), 0, (), "Nothing could be heard of these links: bus, loose."),
    ],
)
def test_what_reached_a_bus_what_slipped_through_and_who_was_not_heard_is_named(
    monkeypatch: pytest.MonkeyPatch, writes: tuple[str, ...], asked: int, slips: tuple[str, ...], said: str
) -> None:
    async def spied(*_: object) -> dict[str, Any]:
        return {"bus": SimpleNamespace(writes=writes, asked=asked)}

    driver = SimpleNamespace(language="modbus", led=lambda *_: None, slips=lambda: slips)
    links = (SimpleNamespace(name="bus", driver=driver), SimpleNamespace(name="loose", driver=None))
    monkeypatch.setattr(nothing_is_written_to_a_bus, "_spied", spied)
    site: Any = Site(plan=SimpleNamespace(links=links), parts=SimpleNamespace(seconds=0))
    assert said in nothing_is_written_to_a_bus.prove(site).told


def test_links_that_were_all_heard_and_wrote_nothing_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def spied(*_: object) -> dict[str, Any]:
        return {"bus": SimpleNamespace(writes=(), asked=3)}

    monkeypatch.setattr(nothing_is_written_to_a_bus, "_spied", spied)
    plan = SimpleNamespace(links=(SimpleNamespace(name="bus", driver=None),))
    site: Any = Site(plan=plan, parts=SimpleNamespace(seconds=0))
    found = nothing_is_written_to_a_bus.prove(site)
    assert found.state is Verdict.KEPT
    assert found.told == ("bus: 3 requests or connections under provocation, 0 writes.",)


def test_a_link_that_cannot_be_led_is_left_out() -> None:
    link: Any = SimpleNamespace(name="loose", driver=None)
    assert sealed.lead([link], 1) == ([], ["loose"])
