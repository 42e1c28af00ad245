"""MQTT within WebSocket from end to end: brokers, TLS, the proxy, servers that misbehave, and the trial."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from agent.core.errors import UplinkError
from agent.core.plan import Tls
from agent.uplink.clients import connect
from agent.uplink.port import Call, Packet
from agent.uplink.stream import Wants
from agent.uplink.trial import trial
from agent.uplink.websocket.knock import knock
from agent.uplink.websocket.stream import WebSocketStream
from tests.agent.uplink.kit import QUICK, Rig, subscribed
from tests.agent.uplink.test_own_client import Serve, saying
from tests.agent.uplink.test_proxy import proxying
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import fake_broker
from tests.peers.mosquitto import free_port
from tests.peers.websocket import web_door

TOPIC = "citygate/1/vaasa/library/gw1/d/energy"
WORDS = "secret-words"
AGREED = b"\x20\x03\x00\x00\x00"  # CONNACK


def a_call(port: int, path: str = "/mqtt") -> Call:
    return Call(host="127.0.0.1", port=port, client_id="gw1", patience=2.0, websocket=path)


@asynccontextmanager
async def agreeing(serve: Serve) -> AsyncIterator[Call]:
    """Run a server that agrees to WebSocket and goes on as *serve* does; give the call that reaches it."""

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaker = WSConnection(ConnectionType.SERVER)
        speaker.receive_data(await reader.readuntil(b"\r\n\r\n"))
        assert any(isinstance(one, Request) for one in speaker.events())
        writer.write(speaker.send(AcceptConnection(subprotocol="mqtt")))
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(whole, "127.0.0.1", 0) as server:
        yield a_call(server.sockets[0].getsockname()[1])


def wrapped(data: bytes) -> bytes:
    """Write a short frame as a server does."""
    return bytes((0x82, len(data))) + data


@pytest.mark.parametrize("piece", [0, 1])
async def test_what_is_published_arrives_at_mosquitto_and_its_reasons_come_back(
    tmp_path: Path, piece: int
) -> None:
    with peer.mosquitto(tmp_path) as broker:
        async with web_door(broker.port, piece=piece) as door, subscribed(broker.port) as city:
            rig = Rig(door.port, but={"websocket": "/mqtt"}, timing=replace(QUICK, answer=15.0))
            async with rig.running():
                rig.put(200)
                await rig.until(lambda: len(rig.feed.done) == 200)
                await rig.until(lambda: len(set(city.ids())) == 200)
            assert rig.errors == []
            assert len(city.ids()) == 200
            (asked,) = door.asked
            assert asked.subprotocols == ["mqtt"]
        async with web_door(broker.port) as door:
            link = await connect(a_call(door.port))
            assert await link.publish(Packet(topic="elsewhere", body=b"x" * 100_000)) == 0x10
            await link.leave()
            assert 100_000 < max(door.messages) < 100_100, "a packet is not one message"


async def test_pings_of_the_server_are_answered_with_what_they_said() -> None:
    async with fake_broker() as broker, web_door(broker.port, piece=2) as door:
        link = await connect(a_call(door.port))
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        await link.leave()
        assert door.pongs
        assert all(one.startswith(b"at ") for one in door.pongs)


async def test_a_kill_of_the_broker_is_told_in_its_words_and_all_follows_later(tmp_path: Path) -> None:
    broker = peer.Mosquitto(tmp_path)
    broker.start()
    try:
        async with web_door(broker.port) as door:
            rig = Rig(door.port, but={"websocket": "/mqtt", "on_no_subscriber": "deliver"})
            async with rig.running():
                rig.put(20)
                await rig.until(lambda: len(rig.feed.done) == 20)
                broker.kill()
                await rig.until(lambda: len(rig.errors) >= 1)
                rig.put(30)
                broker.start()
                await rig.until(lambda: len(rig.feed.done) == 50)
            assert 'closed the WebSocket: it goes away (1001, "the broker has gone")' in rig.errors[0]
            assert door.farewells[0] == 1001, "a farewell is answered with the same code"
    finally:
        broker.kill()


def _secure(folder: Path) -> tuple[peer.Authority, ssl.SSLContext]:
    authority = peer.Authority(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.leaf("broker"))
    return authority, context


async def test_through_a_proxy_tls_begins_before_websocket_and_names_are_verified(tmp_path: Path) -> None:
    authority, context = _secure(tmp_path)
    async with (
        fake_broker() as broker,
        web_door(broker.port, context=context) as door,
        proxying() as proxy,
    ):
        but = {
            "host": "localhost", "tls": Tls(ca=str(authority.certificate)), "websocket": "/mqtt",
            "proxy": f"http://127.0.0.1:{proxy.port}",
        }  # fmt: skip
        rig = Rig(door.port, but=but)
        async with rig.running():
            rig.put(5)
            await rig.until(lambda: len(rig.feed.done) == 5)
        assert rig.errors == []
        assert proxy.heard[0].startswith(b"CONNECT localhost:")
        assert door.asked[0].host == f"localhost:{door.port}"
        wrong = Call(
            host="127.0.0.1", port=door.port, client_id="gw1", tls=True, websocket="/mqtt", patience=2.0,
        )  # fmt: skip
        with pytest.raises(UplinkError, match="authority we do not know"):
            await connect(wrong)
        assert len(door.asked) == 1, "something was said before the name was verified"


async def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    authority = peer.Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.leaf("other", host="other.example"))
    async with fake_broker() as broker, web_door(broker.port, context=context) as door:
        call = replace(a_call(door.port), host="localhost", tls=True, ca=str(authority.certificate))
        with pytest.raises(UplinkError, match='not made out to "localhost"'):
            await connect(call)


async def test_nothing_is_sent_to_a_server_that_does_not_agree() -> None:
    heard = b""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        heard += await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        call = replace(a_call(server.sockets[0].getsockname()[1]), username="gw1", password=WORDS)
        with pytest.raises(UplinkError, match=r"/mqtt does not go on with WebSocket \(404\)"):
            await connect(call)
        await gone.wait()
    assert heard.startswith(b"GET /mqtt HTTP/1.1\r\n")
    assert b"MQTT" not in heard
    assert WORDS.encode() not in heard


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\x81\x02hi", "does not speak WebSocket as it should: it sends text"),
        (b"\xc2\x00", "extension that nobody has asked for"),
        (b"\x82\x81\x00\x00\x00\x00x", "masks its frames"),
        (wrapped(b"\x30\x00"), "does not speak MQTT as it should"),
        (b"\x88\x02\x03\xf0", r"closed the WebSocket: its policy forbids it \(1008\)"),
        (b"\x88\x01\x03", "a code that does not exist"),
        (b"\x88\x00", "closed the WebSocket: without a reason"),
        (wrapped(b"\xd0\x00"), "PINGRESP out of turn"),
        (b"", "did not answer CONNECT"),
    ],
)
async def test_a_server_that_misbehaves_ends_in_a_sentence(said: bytes, words: str) -> None:
    async with agreeing(saying(said)) as call:
        with pytest.raises(UplinkError, match=words):
            await connect(replace(call, patience=0.5))


async def test_what_follows_a_farewell_is_not_heard_and_what_waits_fails() -> None:
    late = b"\x88\x02\x03\xe9" + wrapped(b"\x40\x02\x00\x01")
    async with agreeing(saying(wrapped(AGREED), late)) as call:
        link = await connect(call)
        answer = link.publish(Packet(topic="a", body=b"x"))
        lost = await link.closed
        assert "it goes away (1001)" in lost.text
        with pytest.raises(ConnectionError):
            await answer
        link.abort()


async def test_our_complaint_reaches_the_server_as_a_code() -> None:
    codes: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"\x81\x00")
        codes.put_nowait(await reader.read(4096))

    async with agreeing(serve) as call:
        with pytest.raises(UplinkError):
            await connect(call)
        said = await codes.get()
    assert said[0] == 0x88
    assert bytes(a ^ b for a, b in zip(said[6:8], said[2:6], strict=False)) == (1003).to_bytes(2, "big")


async def test_a_cut_in_the_middle_of_the_answer_is_said() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(UplinkError, match="closed the connection instead of answering"):
            await connect(a_call(port))
        found = await trial(a_call(port), [TOPIC])
    assert (found[-1].step, found[-1].verdict) == ("websocket", "stops")


async def test_the_library_is_not_asked_for_what_it_does_not_know() -> None:
    with pytest.raises(UplinkError, match="knows no WebSocket"):
        await connect(replace(a_call(1), client="aiomqtt"))


async def test_the_trial_shows_the_step_and_what_stops_it() -> None:
    async with fake_broker() as broker, web_door(broker.port) as door:
        found = await trial(a_call(door.port), [TOPIC])
        assert [one.step for one in found] == ["name", "connection", "websocket", "welcome", TOPIC]
        assert {one.verdict for one in found} == {"passes"}
        assert found[2].says == "/mqtt takes MQTT within WebSocket"
        lost = await trial(a_call(door.port, "/elsewhere"), [TOPIC])
    assert (lost[-1].step, lost[-1].verdict) == ("websocket", "stops")
    assert "(404)" in lost[-1].says
    assert "which path" in lost[-1].act
    plain = await trial(a_call(free_port()), [TOPIC])
    assert plain[-1].step == "connection"


async def test_whoever_leaves_before_the_server_has_agreed_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        opened = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with theirs:
            opened.setblocking(False)
            ends: list[object] = []
            call = a_call(int(server.getsockname()[1]))
            stream = WebSocketStream(
                opened, Wants(), call, hear=ends.append, ended=ends.append, broken=ends.append
            )
            stream.last(b"\xe0\x00")
            await asyncio.sleep(0.01)
            stream.close()
            said = theirs.recv(4096)
        assert said.startswith(b"GET ")
        assert said.endswith(b"\r\n\r\n")
        assert ends == []


async def test_a_pong_that_nobody_asked_for_is_no_matter() -> None:
    async with agreeing(saying(b"\x8a\x02hi" + wrapped(AGREED), wrapped(b"\x40\x02\x00\x01"))) as call:
        link = await connect(call)
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        link.abort()


async def test_a_server_that_agrees_and_says_nonsense_has_agreed() -> None:
    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        speaker = WSConnection(ConnectionType.SERVER)
        speaker.receive_data(await reader.readuntil(b"\r\n\r\n"))
        assert any(isinstance(one, Request) for one in speaker.events())
        writer.write(speaker.send(AcceptConnection(subprotocol="mqtt")) + b"\xff\xff")
        try:
            await reader.read()
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(whole, "127.0.0.1", 0) as server:
        await knock(a_call(server.sockets[0].getsockname()[1]))
