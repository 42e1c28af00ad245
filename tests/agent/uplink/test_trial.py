"""The way to a broker, tried step by step: what each failure says, and what to do about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.uplink.port import Call
from agent.uplink.trial import Finding, judged, trial, unsaid
from tests.agent.uplink.kit import subscribed, until
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import DISCONNECT, fake_broker
from tests.peers.mosquitto import free_port

TOPIC = "citygate/1/vaasa/library/gw1/d/energy"


def a_call(port: int, host: str = "127.0.0.1") -> Call:
    return Call(host=host, port=port, client_id="gw1", patience=2.0)


def end(found: list[Finding]) -> tuple[str, str]:
    return found[-1].step, found[-1].verdict


async def test_a_whole_way_passes_and_disturbs_nobody(tmp_path: Path) -> None:
    with peer.mosquitto(tmp_path) as broker:
        async with subscribed(broker.port) as city:
            found = await trial(a_call(broker.port), [TOPIC])
            assert [one.step for one in found] == ["name", "connection", "welcome", TOPIC]
            assert {one.verdict for one in found} == {"passes"}
        assert [bytes(one.payload) for one in city.messages if one.retain or one.payload] == []
        async with subscribed(broker.port) as late:
            alone = await trial(a_call(broker.port), [TOPIC.replace("citygate", "elsewhere")])
        assert late.messages == []
    assert end(alone)[1] == "doubtful"
    assert "nobody listens" in alone[-1].says


async def test_it_takes_another_client_id_and_leaves_no_will() -> None:
    async with fake_broker() as broker:
        await trial(a_call(broker.port), [])
        (packet,) = broker.connects
        assert b"gw1-test" in packet
        assert not packet[7] & 0x04
        assert broker.goodbyes == 1


async def test_a_name_that_nobody_knows_is_the_first_stop() -> None:
    found = await trial(a_call(1883, "broker.invalid"), [TOPIC])
    assert end(found) == ("name", "stops")
    assert "DNS" in found[-1].act


async def test_a_port_where_nobody_listens_is_the_second() -> None:
    found = await trial(a_call(free_port()), [TOPIC])
    assert end(found) == ("connection", "stops")
    assert found[-1].act


async def test_a_broker_that_refuses_us_is_the_third() -> None:
    async with fake_broker(welcome=0x86) as broker:
        found = await trial(a_call(broker.port), [TOPIC])
    assert end(found) == ("welcome", "stops")
    assert "password is wrong" in found[-1].says


async def test_a_refused_topic_names_the_access_list_and_the_next_is_tried() -> None:
    async with fake_broker(lambda one: 0x87 if one.n == 1 else 0) as broker:
        found = await trial(a_call(broker.port), [TOPIC, "other"])
    assert [one.verdict for one in found[-2:]] == ["stops", "passes"]
    assert "access list" in found[-2].act


async def test_a_broker_that_ends_the_connection_ends_the_trial() -> None:
    async with fake_broker(lambda _: DISCONNECT | 0x98) as broker:
        found = await trial(a_call(broker.port), [TOPIC, "other"])
    assert end(found) == (TOPIC, "stops")
    assert "an operator ended the connection" in found[-1].says


async def test_an_answer_that_does_not_come_is_said() -> None:
    async with fake_broker(lambda _: None) as broker:
        call = Call(host="127.0.0.1", port=broker.port, client_id="gw1", patience=0.2)
        found = await trial(call, [TOPIC])
    assert end(found) == (TOPIC, "stops")
    assert "no answer" in found[-1].says


async def test_tls_says_its_version_and_until_when_the_certificate_is_good(tmp_path: Path) -> None:
    authority = peer.Authority(tmp_path)
    with peer.mosquitto(tmp_path, tls=peer.Tls(*authority.leaf("broker"))) as broker:
        call = Call(
            host="localhost", port=broker.port, client_id="gw1", tls=True, ca=str(authority.certificate)
        )
        found = await trial(call, [])
        assert found[1].says.startswith("TLSv1.3, with a certificate made out to localhost, good until ")
        stranger = await trial(Call(host="localhost", port=broker.port, client_id="gw1", tls=True), [])
    assert end(stranger) == ("connection", "stops")
    assert "set `ca` to the broker's" in stranger[-1].says


@pytest.mark.parametrize(("reason", "verdict"), [(0, "doubtful"), (0x87, "stops")])
def test_the_older_version_can_only_say_so_much(reason: int, verdict: str) -> None:
    assert judged(TOPIC, reason, telling=False).verdict == verdict


async def test_a_topic_that_may_not_be_listened_to_is_told_with_its_cure() -> None:
    async with fake_broker() as broker:
        broker.deaf = True
        call = Call(host="127.0.0.1", port=broker.port, client_id="gw1")
        *_, last = await trial(call, (), ["citygate/1/vaasa/library/gw1/c/replay"])
    assert last.verdict == "stops"
    assert "does not let us read" in last.says
    assert "access list" in last.act


async def test_what_a_broker_allows_is_told() -> None:
    async with fake_broker() as broker:
        broker.maximum_packet = 4096
        broker.receive_maximum = 5
        found = await trial(a_call(broker.port), [])
    assert found[-1].says == "MQTT 5, 5 messages at once, 4096 bytes at most"


async def test_a_web_server_that_says_nothing_is_given_up_with_the_step_and_the_time() -> None:
    came, gone = list[str](), list[str]()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append("one")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        gone.append("one")

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        call = replace(a_call(server.sockets[0].getsockname()[1]), patience=0.2, websocket="/mqtt")
        found = await trial(call, [TOPIC])
        await until(lambda: came == gone)
    assert end(found) == ("websocket", "stops")
    assert "did not answer the request within 0.2 s" in found[-1].says


def test_topics_that_could_confuse_a_platform_are_named_and_left_alone() -> None:
    [one] = unsaid(["energy"], "thingsboard")
    assert (one.step, one.verdict) == ("energy", "doubtful")
    assert one.says == "not tried: an empty message may confuse a platform that expects thingsboard"
