"""Against a real mosquitto: passwords, access list, TLS, and a sudden death."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from msgspec.structs import replace

from agent.core.message import Message
from agent.core.plan import Recipient, Tls
from agent.encodings.native import native_schema
from agent.uplink.call import call_of
from agent.uplink.client import connect
from agent.uplink.port import Call, Packet
from tests.agent.uplink.kit import QUICK, ROOT, City, Rig, subscribed
from tests.peers import mosquitto as peer
from tests.peers.mosquitto import ACL, CITY, GATEWAY, Authority, Mosquitto

GATEWAY_LOGIN = {"username": GATEWAY[0], "password": GATEWAY[1]}
CITY_LOGIN = {"username": CITY[0], "password": CITY[1]}
ONE_TOPIC_LESS = ACL.replace(
    "topic write citygate/1/vaasa/library/gw1/#",
    "topic write citygate/1/vaasa/library/gw1/s\n"
    "topic write citygate/1/vaasa/library/gw1/b/#\n"
    "topic write citygate/1/vaasa/library/gw1/d/energy",
)


def a_call(port: int) -> Call:
    return Call(host="127.0.0.1", port=port, client_id="gw1", username=GATEWAY[0], password=GATEWAY[1])


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with peer.mosquitto(tmp_path, acl=ACL) as running:
        yield running


async def test_every_message_arrives_once_and_passes_the_schema(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN)
    check = jsonschema.Draft202012Validator(native_schema())
    async with subscribed(broker.port, **CITY_LOGIN) as city, rig.running():
        rig.put(50)
        await rig.until(lambda: len(rig.feed.done) == 50)
        await rig.until(lambda: len(city.ids()) == 50)
        for message in city.messages:
            check.validate(json.loads(bytes(message.payload)))
    assert sorted(city.ids()) == sorted(f"gw1/7/energy/{seq}" for seq in range(1, 51))


async def test_birth_and_status_are_retained_and_data_are_not(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN)
    async with subscribed(broker.port, **CITY_LOGIN), rig.running():
        rig.put(1)
        await rig.until(lambda: len(rig.feed.done) == 1)
        async with subscribed(broker.port, **CITY_LOGIN) as late:
            await rig.until(lambda: len(late.messages) >= 2)
            assert {str(one.topic) for one in late.messages} == {f"{ROOT}/b/energy", f"{ROOT}/s"}


async def test_a_wrong_password_is_said_in_words(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but={"username": "gw1", "password": "wrong"})
    async with rig.running():
        await rig.until(lambda: len(rig.errors) == 1)
    assert "does not let us in" in rig.errors[0]


async def test_without_a_subscriber_data_are_held_until_one_comes(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN)
    async with rig.running():
        rig.put(5)
        await rig.until(lambda: rig.uplink.words()["city.energy"] == "held")
        assert rig.feed.done == []
        async with subscribed(broker.port, **CITY_LOGIN) as city:
            await rig.until(lambda: len(city.ids()) == 5)
        await rig.until(lambda: len(rig.feed.done) == 5)


async def test_the_access_list_parks_one_route_and_its_repair_loses_nothing(tmp_path: Path) -> None:
    with peer.mosquitto(tmp_path, acl=ONE_TOPIC_LESS) as broker:
        rig = Rig(broker.port, "energy", "people", but=GATEWAY_LOGIN)
        async with subscribed(broker.port, **CITY_LOGIN) as city, rig.running():
            rig.put(10, "people")
            rig.put(10)
            await rig.until(lambda: len(rig.feed.done) == 10)
            assert rig.uplink.words() == {"city.energy": "ok", "city.people": "refused:0x87"}
            await rig.until(lambda: b'"people":"refused:0x87"' in last_status(city))
            broker.write_acl(ACL)
            broker.reload()
            await rig.until(lambda: len(rig.feed.done) == 20)
            await rig.until(lambda: len(city.ids()) == 20)
            await rig.until(lambda: b'"people":"ok"' in last_status(city))
    assert len(set(city.ids())) == 20


async def test_a_killed_broker_fails_every_waiting_answer_within_a_tenth_of_a_second(
    broker: Mosquitto,
) -> None:
    link = await connect(a_call(broker.port))
    broker.pause()  # so that nothing is answered before it dies
    answers = [link.publish(Packet(topic=f"{ROOT}/d/energy", body=b"{}")) for _ in range(10)]
    await asyncio.sleep(0)
    dead = time.monotonic()
    broker.kill()
    await asyncio.wait(answers, timeout=10)
    assert time.monotonic() - dead < 0.1 + 0.2  # the process takes its own time to die
    assert all(isinstance(answer.exception(), ConnectionError) for answer in answers)
    assert link.closed.done()
    link.abort()


async def test_the_last_will_speaks_when_the_gateway_vanishes(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN)
    will = rig.native.will("3f9c0a1b", 7)
    async with subscribed(broker.port, **CITY_LOGIN) as city:
        link = await connect(replace(a_call(broker.port), will=will))
        link.abort()
        await rig.until(lambda: b'"offline"' in last_status(city))


async def test_a_broker_that_comes_back_gets_what_it_missed(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN)
    async with rig.running():
        async with subscribed(broker.port, **CITY_LOGIN):
            rig.put(5)
            await rig.until(lambda: len(rig.feed.done) == 5)
        broker.kill()
        rig.put(20)
        await rig.until(lambda: not rig.uplink.connected)
        broker.start()
        async with subscribed(broker.port, **CITY_LOGIN) as city:
            await rig.until(lambda: len(rig.feed.done) == 25)
            await rig.until(lambda: len(set(city.ids())) == 20)
    assert any("nothing listens on" in error or "was lost" in error for error in rig.errors)


async def test_a_dead_recipient_does_not_disturb_the_other(broker: Mosquitto) -> None:
    well = Rig(broker.port, but=GATEWAY_LOGIN)
    dead = Rig(peer.free_port(), but={"name": "university"})
    async with subscribed(broker.port, **CITY_LOGIN) as city, dead.running(), well.running():
        dead.put(100)
        for _ in range(10):
            well.put(1)
            await well.until(lambda: not well.feed.left, patience=2.0)
        await well.until(lambda: len(city.ids()) == 10)
    assert len(dead.feed.left) == 100
    assert well.errors == []


async def test_mqtt_3_1_1_works_where_it_is_asked_for_and_warns(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(broker.port, but={"mqtt": "3.1.1", **GATEWAY_LOGIN})
    async with subscribed(broker.port, **CITY_LOGIN) as city, rig.running():
        rig.put(5)
        await rig.until(lambda: len(rig.feed.done) == 5)
        await rig.until(lambda: len(city.bodies(f"{ROOT}/d/energy")) == 5)
    assert "does not tell refusals" in caplog.text
    assert "invisible" in str(rig.uplink.figures["warning"])


class Towers:
    """Two authorities, and what they sign."""

    def __init__(self, folder: Path) -> None:
        self.ours = Authority(folder, "our-ca")
        self.other = Authority(folder, "other-ca")


def secure(port: int, towers: Towers, own: tuple[Path, Path] | None = None) -> Rig:
    """Make a gateway that trusts our authority, with a certificate of its *own* if given."""
    mine = {"certificate": str(own[0]), "key": str(own[1])} if own else {}
    tls = Tls(ca=str(towers.ours.certificate), **mine)
    return Rig(port, but={"host": "localhost", "tls": tls, "on_no_subscriber": "deliver"})


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Towers:
    return Towers(tmp_path_factory.mktemp("tls"))


async def test_tls_with_a_verified_name_delivers(tmp_path: Path, towers: Towers) -> None:
    certificate, key = towers.ours.leaf("good")
    with peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key)) as broker:
        rig = secure(broker.port, towers)
        async with rig.running():
            rig.put(20)
            await rig.until(lambda: len(rig.feed.done) == 20)
        assert rig.errors == []


async def test_mutual_tls_delivers_and_its_lack_is_said_in_words(tmp_path: Path, towers: Towers) -> None:
    certificate, key = towers.ours.leaf("mutual")
    own, own_key = towers.ours.leaf("gw1")
    with peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key, towers.ours.certificate)) as broker:
        rig = secure(broker.port, towers, (own, own_key))
        async with rig.running():
            rig.put(3)
            await rig.until(lambda: len(rig.feed.done) == 3)
        bare = secure(broker.port, towers)
        started = time.monotonic()
        async with bare.running():
            await bare.until(lambda: len(bare.errors) == 1)
        assert "wants a client certificate" in bare.errors[0]
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    ("host", "days", "sentence"),
    [
        ("other.example", None, 'not made out to "localhost"'),
        ("localhost", ("200101", "200201"), "has expired"),
        ("localhost", ("400101", "400201"), "is not valid yet"),
    ],
)
async def test_a_certificate_that_does_not_hold_is_refused_in_words(
    tmp_path: Path, host: str, days: tuple[str, str] | None, sentence: str
) -> None:
    towers = Towers(tmp_path)
    certificate, key = towers.ours.leaf("doubtful", host=host, days=days)
    with peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key)) as broker:
        rig = secure(broker.port, towers)
        async with rig.running():
            await rig.until(lambda: len(rig.errors) == 1)
        assert sentence in rig.errors[0]


async def test_an_unknown_authority_is_refused_in_words(tmp_path: Path, towers: Towers) -> None:
    certificate, key = towers.other.leaf("stranger")
    with peer.mosquitto(tmp_path, tls=peer.Tls(certificate, key)) as broker:
        rig = secure(broker.port, towers)
        async with rig.running():
            await rig.until(lambda: len(rig.errors) == 1)
        assert "an authority we do not know" in rig.errors[0]


async def test_a_port_without_tls_is_said_in_words(tmp_path: Path, towers: Towers) -> None:
    with peer.mosquitto(tmp_path) as broker:
        rig = secure(broker.port, towers)
        async with rig.running():
            await rig.until(lambda: len(rig.errors) == 1)
        assert "does not speak TLS" in rig.errors[0] or "during the TLS handshake" in rig.errors[0]


async def test_a_listener_that_hangs_up_on_client_hello_never_sees_plain_text(towers: Towers) -> None:
    heard: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4096))
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tls = Tls(ca=str(towers.ours.certificate))
        rig = Rig(port, but={"tls": tls, "username": "gw1", "password": "never-to-be-seen"})
        async with rig.running():
            await rig.until(lambda: len(rig.errors) >= 10)
    assert len(heard) >= 10
    for first in heard:
        assert first[:2] == b"\x16\x03", "not a TLS handshake record"
        assert first[5] == 1, "not a ClientHello"
        assert b"never-to-be-seen" not in first
        assert b"MQTT" not in first
    assert all("TLS handshake" in error for error in rig.errors)


def last_status(city: City) -> bytes:
    return next(reversed(city.bodies(f"{ROOT}/s")), b"")


async def test_a_broker_that_dies_with_a_full_pipe_makes_no_noise(tmp_path: Path) -> None:
    noise: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: noise.append(context))
    broker = Mosquitto(tmp_path)
    for _ in range(3):
        broker.start()
        link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1", window=1000))
        broker.pause()
        answers = [link.publish(Packet(topic="t", body=bytes(100_000))) for _ in range(200)]
        await asyncio.sleep(0)
        broker.kill()
        async with asyncio.timeout(10):
            await link.closed
            found = await asyncio.gather(*answers, return_exceptions=True)
        assert {type(one) for one in found} == {ConnectionError}
        link.abort()
    loop.set_exception_handler(None)
    assert noise == []


async def test_what_is_above_the_size_limit_is_answered_and_the_connection_goes_on(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, more="message_size_limit 2000")
    broker.start()
    try:
        link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1"))
        async with asyncio.timeout(10):
            assert await link.publish(Packet(topic="t", body=bytes(3000))) == 0x95
            assert await link.publish(Packet(topic="t", body=bytes(1000))) == 0x10
        await link.leave()
    finally:
        broker.kill()


def a_head(number: int) -> Message:
    return Message(topic=f"{ROOT}/l", body=b"%d" % number, kind="head", retain=True)


def witness(broker: Mosquitto, every: float) -> Rig:
    rig = Rig(broker.port, but={**GATEWAY_LOGIN, "witness": True}, timing=replace(QUICK, head=every))
    numbers = iter(range(1, 1000))
    rig.desk.head = lambda: a_head(next(numbers))
    return rig


async def test_a_witness_gets_a_head_at_once_at_a_new_policy_and_at_the_end(broker: Mosquitto) -> None:
    rig = witness(broker, 3600.0)

    def heads() -> list[bytes]:
        return city.bodies(f"{ROOT}/l")

    async with subscribed(broker.port, **CITY_LOGIN) as city:
        async with rig.running():
            await rig.until(lambda: heads() == [b"1"])
            rig.configure()
            await rig.until(lambda: heads() == [b"1", b"2"])
            rig.uplink.witness()  # the row about the policy is on disk
            await rig.until(lambda: heads() == [b"1", b"2", b"3"])
        await rig.until(lambda: heads() == [b"1", b"2", b"3", b"4"])
        await rig.until(lambda: b"offline" in bytes(city.messages[-1].payload))  # no head is the last word
    async with subscribed(broker.port, **CITY_LOGIN) as late:
        await rig.until(lambda: late.bodies(f"{ROOT}/l") == [b"4"])


async def test_a_witness_gets_heads_in_time(broker: Mosquitto) -> None:
    rig = witness(broker, 0.05)
    async with subscribed(broker.port, **CITY_LOGIN) as city, rig.running():
        await rig.until(lambda: len(city.bodies(f"{ROOT}/l")) >= 4)


async def test_who_is_no_witness_gets_no_head(broker: Mosquitto) -> None:
    rig = Rig(broker.port, but=GATEWAY_LOGIN, timing=replace(QUICK, head=0.01))
    rig.desk.head = lambda: a_head(1)
    async with subscribed(broker.port, **CITY_LOGIN) as city, rig.running():
        rig.put(3)
        await rig.until(lambda: len(city.ids()) == 3)
        assert city.bodies(f"{ROOT}/l") == []


async def test_two_recipients_at_one_broker_leave_each_other_connected(tmp_path: Path) -> None:
    will = Message(topic=f"{ROOT}/s", body=b"{}", kind="status", retain=True)
    with peer.mosquitto(tmp_path) as open_broker:
        port = open_broker.port
        city, lab = [
            await connect(
                call_of(Recipient(name=name, host="127.0.0.1", port=port), "vaasa-library-gw1", 5.0, will)
            )
            for name in ("city", "lab")
        ]
        # whom the broker throws out gets no answer any more
        assert await lab.publish(Packet(topic="lab", body=b"1")) in (0x00, 0x10)
        assert await city.publish(Packet(topic="city", body=b"1")) in (0x00, 0x10)
        await asyncio.gather(city.leave(), lab.leave())
