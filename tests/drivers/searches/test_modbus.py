"""The search for Modbus units: who is found, how gently, and what is never asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.cli.proposal import proposals, text_of
from agent.config.load import load
from agent.core.clock import Clock, SystemClock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, GatewayError
from drivers.modbus.hosts import addresses
from drivers.modbus.targets import Endpoint
from drivers.searches.modbus import Modbus
from tests.drivers.modbus.rtu_wire import Asked as RtuAsked
from tests.drivers.modbus.rtu_wire import rtu_serving
from tests.drivers.modbus.sunspec_device import END, common, inverter
from tests.drivers.modbus.sunspec_device import serving as sunspec
from tests.drivers.modbus.wire import CLOSE, Answer, Asked, Wire, serving
from tests.drivers.searches.kit import Facts, Heard, HeldLink
from tests.drivers.serial.telegrams import DSMR_42, told
from tests.drivers.test_modbus_tls import Certificates, secured
from tests.peers import libmodbus
from tests.virtual import VirtualClock


async def searched(clock: Clock, *targets: str, facts: Facts | None = None, **options: Any) -> Heard:  # noqa: ANN401 - any option
    heard = Heard()
    await Modbus(targets=targets, **options).search(facts or Facts(), clock, heard)
    return heard


def name(asked: Asked, *texts: str) -> bytes:
    """Answer Read Device Identification."""
    objects = b"".join(bytes((i, len(text))) + text.encode() for i, text in enumerate(texts))
    return asked.frame_of(b"\x2b\x0e\x01\x01\x00\x00" + bytes((len(texts),)) + objects)


def building(asked: Asked) -> Sequence[bytes]:
    """Answer as a gateway with three devices: a meter, one that names itself, one that only refuses."""
    if asked.unit == 3 and asked.function == 4 and (asked.addr, asked.count) == (0x0B, 1):
        return [asked.reply([1648])]
    if asked.unit == 7 and asked.function == 0x2B:
        return [name(asked, "Schneider Electric", "PM5110", "2.0\x07")]
    return [asked.refusal(2)] if asked.unit in (3, 7, 40) else []


async def test_units_are_found_and_named_by_profile_and_by_what_they_call_themselves(
    virtual: VirtualClock,
) -> None:
    async with serving(building) as wire:
        heard = await searched(virtual, f"127.0.0.1:{wire.port}")
    one, two, three = heard.found
    assert (one.what, one.device) == (
        "Carlo Gavazzi EM24 Ethernet (EM24_E1)",
        {"unit": 3, "profile": "carlo-gavazzi/em24-ethernet"},
    )
    assert one.link == {"driver": "modbus-tcp", "host": "127.0.0.1", "port": wire.port}
    assert (one.link_name, one.device_name) == ("modbus-127-0-0-1", "em24-ethernet-3")
    assert (two.what, two.device) == ("Schneider Electric PM5110 2.0?", {"unit": 7})
    assert "by its name, profile schneider/pm5110 may fit" in two.note
    assert (three.what, three.device_name) == ("an unknown device", "unit-40")
    assert not heard.missed


async def test_the_time_is_told_before_anything_is_sent_and_kept(virtual: VirtualClock) -> None:
    async with serving(lambda _: []) as wire:
        begun = virtual.boot()
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", units="1-20")
        spent = virtual.boot() - begun
    first, last = heard.progress[0], heard.progress[-1]
    assert first.done == 0
    assert first.seconds_left is not None
    assert 0.8 * spent <= first.seconds_left <= 1.3 * spent
    assert (last.done, last.of, last.seconds_left) == (22, 22, 0)
    assert [one.done for one in heard.progress] == sorted(one.done for one in heard.progress)
    [missed] = heard.missed
    assert "no unit answers" in missed.why


async def test_a_check_is_one_request_of_exactly_its_width_and_asked_once(virtual: VirtualClock) -> None:
    async with serving(building) as wire:
        await searched(virtual, f"127.0.0.1:{wire.port}", units="40")
    asked = [(one.function, one.addr, one.count) for one in wire.asked if one.unit == 40]
    assert asked.count((4, 0x0B, 1)) == 1
    assert asked.count((3, 0x0031, 20)) == 1  # two profiles want it


async def test_a_device_that_answers_to_every_unit_is_found_once() -> None:
    with libmodbus.serve() as meter:
        heard = await searched(SystemClock(), f"127.0.0.1:{meter.port}")
        asked = meter.requests()
    [found] = heard.found
    assert found.device is not None
    assert found.device["unit"] == 1
    assert "answers to every unit number" in found.note
    assert len(asked) < 20


async def test_a_sunspec_device_tells_its_own_points(tmp_path: Path) -> None:
    words = [0x5375, 0x6E53, *common("Fronius", "Symo 8"), *inverter(), *END]
    async with sunspec(words) as port:
        heard = await searched(SystemClock(), f"127.0.0.1:{port}", units="1")
    [found] = heard.found
    assert found.what == "Fronius Symo 8 1.4 (SunSpec)"
    assert found.device is not None
    assert found.device["points"]["active_power"]["addr"] == 40000 + 2 + 68 + 14
    assert found.device_name == "symo-8-1"
    place = '[site]\ncity = "vaasa"\nid = "library"\ngateway = "gw1"\n'
    (tmp_path / "site.toml").write_text(place + text_of(proposals(heard.found, None)), encoding="utf-8")
    [link] = load(tmp_path).links
    assert {one.name.partition(".")[0] for one in link.driver.points()} == {"symo-8-1"}


async def test_nothing_but_reads_reaches_the_wire(virtual: VirtualClock) -> None:
    async with serving(building) as wire:
        await searched(virtual, f"127.0.0.1:{wire.port}")
    assert {one.function for one in wire.asked} <= {1, 2, 3, 4, 0x2B}
    assert wire.most == 1


@asynccontextmanager
async def homes(*hosts: str, answer: Answer) -> AsyncIterator[tuple[int, list[Wire]]]:
    """Serve on one port of several addresses."""
    wires, servers, port = [], [], 0
    for host in hosts:
        wire = Wire(answer)
        server = await asyncio.start_server(wire.serve, host, port)
        port = server.sockets[0].getsockname()[1]
        wires.append(wire)
        servers.append(server)
    try:
        yield port, wires
    finally:
        for server in servers:
            server.close()
            await server.wait_closed()
        while any(wire.open for wire in wires):  # noqa: ASYNC110 - each ends by itself when its guest is gone
            await asyncio.sleep(0.01)


async def test_a_subnet_is_searched_with_as_many_hosts_at_once_as_are_allowed(virtual: VirtualClock) -> None:
    def answer(asked: Asked) -> Sequence[bytes | float]:
        return [0.1, asked.refusal(2)] if asked.unit == 1 else [0.1, asked.refusal(0x0B)]

    spent = {}
    for at_once in (1, 3):
        async with homes("127.0.0.2", "127.0.0.3", "127.0.0.5", answer=answer) as (port, wires):
            begun = virtual.boot()
            heard = await searched(virtual, "127.0.0.0/29", port=port, units="1-3", at_once=at_once)
            spent[at_once] = virtual.boot() - begun
        assert sorted(one.address for one in heard.found) == [
            f"127.0.0.{host}:{port} unit 1" for host in (2, 3, 5)
        ]
        assert not heard.missed  # that nobody is at an address of a subnet is no news
        assert [wire.ever for wire in wires] == [1, 1, 1]
    assert spent[1] == pytest.approx(3 * spent[3], rel=0.1)


async def test_a_named_host_that_is_away_is_told_and_does_not_end_the_search(virtual: VirtualClock) -> None:
    async with serving(building) as wire:
        heard = await searched(virtual, "127.0.0.9:9", f"127.0.0.1:{wire.port}", units="3")
    [missed] = heard.missed
    assert missed.address == "127.0.0.9:9"
    assert "no connection" in missed.why
    assert len(heard.found) == 1


async def test_a_device_that_hangs_up_on_other_units_is_found_all_the_same(virtual: VirtualClock) -> None:
    def answer(asked: Asked) -> Sequence[bytes]:
        if asked.unit in (251, 2):
            return [asked.refusal(0x0B)]
        return [asked.refusal(2)] if asked.unit == 3 else [CLOSE]

    async with serving(answer) as wire:
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", units="1-3")
    assert [one.address for one in heard.found] == [f"127.0.0.1:{wire.port} unit 3"]


async def test_a_gateway_that_refuses_for_absent_units_is_no_device(
    virtual: VirtualClock,
) -> None:
    def answer(asked: Asked) -> Sequence[bytes]:
        return [asked.refusal(2 if asked.unit in (3, 9) else 4)]  # 4: it could not reach the unit

    async with serving(answer) as wire:
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", units="1-10")
    assert [one.device for one in heard.found] == [{"unit": 3}, {"unit": 9}]


@pytest.mark.parametrize("says_so", [False, True])
async def test_a_gateway_slower_than_the_wait_hides_nobody(virtual: VirtualClock, *, says_so: bool) -> None:
    def answer(asked: Asked) -> Sequence[bytes | float]:
        if asked.unit in (5, 9):
            return [asked.refusal(2)]
        return [1.0, asked.refusal(0x0B)] if says_so else [1.0]  # requests queue up behind this

    async with serving(answer) as wire:
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", units="1-10")
    assert sorted(one.device["unit"] for one in heard.found if one.device) == [5, 9]
    assert heard.progress[-1].done == heard.progress[-1].of


async def test_a_device_behind_tls_is_found_by_who_may_ask(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    certificate, key = map(str, certificates.ours)
    files = {"ca": str(certificates.ca), "certificate": certificate, "key": key}
    async with secured(certificates) as wire:
        target = f"127.0.0.1:{wire.port}"
        heard, named = Heard(), {"server_name": "localhost"}
        options: dict[str, Any] = {**files, **named, "over": "tls", "units": "1"}
        search = Modbus(targets=(target,), **options)
        await search.search(Facts(), SystemClock(), heard)
        stranger = await searched(SystemClock(), target, units="1", knock=Duration(1))
    [found] = heard.found
    assert found.link == {"driver": "modbus-tls", "host": "127.0.0.1", "port": wire.port, **files, **named}
    assert not stranger.found
    assert len(stranger.missed) == 1


async def test_a_converter_is_listened_to_before_the_first_byte(virtual: VirtualClock) -> None:
    def answer(asked: RtuAsked) -> Sequence[bytes]:
        return [asked.refusal(2)] if asked.unit == 2 else []

    async with rtu_serving(answer) as wire:
        begun = virtual.boot()
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", over="rtu", units="1-3")
        assert wire.at[0] - begun >= 10
    [found] = heard.found
    assert found.link["driver"] == "modbus-rtu-tcp"


@pytest.mark.parametrize(
    ("speaks", "driver", "why"),
    [
        (told(DSMR_42), "p1", ""),
        (
            b"".join(RtuAsked(bytes((unit, 3, 0, 0, 0, 1))).frame_of(b"\3\0\0\0\1") for unit in (1, 2)),
            "",
            "master",
        ),
        (bytes(range(200, 240)), "", "nothing that is known here"),
    ],
    ids=["meter", "master", "stranger"],
)
async def test_behind_a_converter_too_nothing_is_sent_where_somebody_speaks(
    speaks: bytes, driver: str, why: str, virtual: VirtualClock
) -> None:
    received = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        writer.write(speaks)
        received += await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        heard = await searched(virtual, f"127.0.0.1:{port}", over="rtu")
        await asyncio.sleep(0.1)
    assert [one.link for one in heard.found] == [{"driver": "p1", "host": "127.0.0.1", "port": port}] * bool(
        driver
    )
    assert why in " ".join(one.why for one in heard.missed)
    assert received == b""


async def test_what_the_gateway_holds_is_asked_through_it(virtual: VirtualClock) -> None:
    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        if question["unit"] == 3 and question.get("start") == 0x0B:
            return {"data": "0670"}
        return {"why": "exception", "code": 2} if question["unit"] == 3 else {"why": "no_reply", "code": 0}

    async with serving(building) as wire:
        settings = {"driver": "modbus-tcp", "host": "localhost", "port": wire.port}
        held = HeldLink("plant-room", settings, answer)
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", facts=Facts(held), units="1-4")
        assert not wire.ever
    [found] = heard.found
    assert (found.on, found.device) == ("plant-room", {"unit": 3, "profile": "carlo-gavazzi/em24-ethernet"})
    assert held.probes[0] == {"unit": 251, "table": "holding", "start": 0, "count": 1, "wait": Duration(0.3)}


async def test_a_gateway_that_cannot_ask_is_told_and_not_passed_by(virtual: VirtualClock) -> None:
    async def answer(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise GatewayError("link plant-room is not connected now")

    async with serving(building) as wire:
        held = HeldLink(
            "plant-room", {"driver": "modbus-tcp", "host": "127.0.0.1", "port": wire.port}, answer
        )
        other = HeldLink("gas", {"driver": "p1", "host": "127.0.0.1", "port": 9}, answer)
        heard = await searched(
            virtual, f"127.0.0.1:{wire.port}", "127.0.0.1:9", facts=Facts(held, other), units="1"
        )
        assert not wire.ever
    assert [one.why for one in heard.missed] == [
        "link plant-room is not connected now",
        "the running gateway has it for link gas, which speaks no Modbus (p1)",
    ]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"targets": ("10.0.0.0/8",)}, "16,777,216 addresses, and a search takes 1,024"),
        ({"targets": ("10.0.0.1",), "units": "1-300"}, "--units"),
        ({"targets": ("10.0.0.1",), "over": "rtu"}, "which port does the converter use"),
        ({"targets": ("10.0.0.1",), "over": "tls"}, "--over tls needs"),
        ({"targets": ("/dev/ttyUSB0",), "units": "0"}, "from 1 to 247"),
    ],
)
async def test_words_that_cannot_be_meant_are_refused(
    options: dict[str, Any], sentence: str, virtual: VirtualClock
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        await Modbus(**options).search(Facts(), virtual, Heard())


async def test_a_name_that_nobody_knows_has_no_address_but_itself() -> None:
    assert await addresses("nonesuch.invalid") == frozenset({"nonesuch.invalid"})
    assert await addresses("10.0.0.7") == frozenset({"10.0.0.7"})
    assert "127.0.0.1" in await addresses("localhost")


async def test_a_device_that_hangs_up_while_it_is_asked_who_it_is_is_found_all_the_same(
    virtual: VirtualClock,
) -> None:
    def behaviour(asked: Asked) -> Sequence[bytes]:
        return [asked.reply()] if (asked.addr, asked.count) == (0, 1) else [CLOSE]

    async with serving(behaviour) as wire:
        heard = await searched(virtual, f"127.0.0.1:{wire.port}", units="1")
    [found] = heard.found
    assert found.what == "a device that did not say what it is"
    assert "closed the connection" in found.note


async def test_a_named_host_that_takes_no_connection_is_told_and_costs_its_time_alone(
    virtual: VirtualClock,
) -> None:
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):  # nobody takes them: the next one waits for ever
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        heard = await searched(virtual, f"127.0.0.1:{listening.getsockname()[1]}", units="1")
    assert not heard.found
    assert "did not take a connection within" in heard.missed[0].why


def test_the_usual_port_is_not_written() -> None:
    search, usual = Modbus(targets=()), {"driver": "modbus-tcp", "host": "10.0.0.7"}
    assert search._table(Endpoint("10.0.0.7", 502)) == usual
    assert search._table(Endpoint("10.0.0.7", 5020)) == usual | {"port": 5020}


async def test_of_a_subnet_nobody_is_waited_for_longer_than_a_knock(virtual: VirtualClock) -> None:
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        begun, port = virtual.boot(), listening.getsockname()[1]
        heard = await searched(virtual, "127.0.0.1/32", port=port, units="1", knock=Duration(0.5))
    assert (heard.found, heard.missed) == ([], [])
    assert 0.5 <= virtual.boot() - begun < 2
