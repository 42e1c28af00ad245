"""The clients under the port, ours and aiomqtt: what they ask for, how they fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.core.command import Heard
from agent.core.errors import UplinkError
from agent.core.message import Message
from agent.uplink import tls
from agent.uplink.aiomqtt_client import HOOKS, INSTANCE_HOOKS, AckedClient
from agent.uplink.client import Client
from agent.uplink.clients import connect
from agent.uplink.port import Call, Packet
from agent.uplink.stream import Stream
from tests.agent.uplink.kit import Rig, subscribed, until
from tests.agent.uplink.test_own_client import WELCOME, serving
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import DISCONNECT, fake_broker
from tests.peers.mosquitto import free_port
from tests.virtual import VirtualClock


@pytest.fixture(params=["citygate", "aiomqtt"])
def client(request: pytest.FixtureRequest) -> str:
    """Name each client in turn."""
    return str(request.param)


def a_call(port: int, client: str = "aiomqtt") -> Call:
    return Call(host="127.0.0.1", port=port, client_id="gw1", patience=1.0, client=client)


async def test_every_private_name_that_we_lean_on_exists() -> None:
    """When this fails, a new aiomqtt or paho has to be read before it is allowed in."""
    for owner, names in HOOKS.items():
        for name in names:
            assert callable(getattr(owner, name)), f"{owner.__module__}.{owner.__name__}.{name} is gone"
    with socket.socket() as unused:
        client = AckedClient(a_call(1), unused)
        assert [name for name in INSTANCE_HOOKS if not hasattr(client, name)] == []


async def test_it_asks_for_a_clean_start_and_leaves_no_session(client: str) -> None:
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port, client))
        await link.leave()
        (packet,) = broker.connects
    assert packet[:6] == b"\x00\x04MQTT"
    assert packet[6] == 5
    assert packet[7] & 0b10, "not a clean start"
    assert packet[11:16] == b"\x11\x00\x00\x00\x00", "a session would outlive the connection"


async def test_the_socket_gives_up_on_bytes_that_nobody_acknowledges(client: str) -> None:
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port, client))
        assert isinstance(link, AckedClient | Client)
        if isinstance(link, AckedClient):
            opened = link._opened
        else:
            assert isinstance(link._stream, Stream)
            opened = link._stream._socket
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 15_000
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        link.abort()


async def test_an_abort_is_immediate_and_fails_what_waits(client: str) -> None:
    async with fake_broker(lambda _: None) as broker:
        link = await connect(a_call(broker.port, client))
        answer = link.publish(Packet(topic="a", body=b"x"))
        await broker.until(lambda: len(broker.published) == 1)
        link.abort()
        assert link.closed.done()
        with pytest.raises(ConnectionError):
            await answer
        with pytest.raises(ConnectionError):
            await link.publish(Packet(topic="a", body=b"x"))
        assert broker.goodbyes == 0


async def test_an_answer_that_had_arrived_before_the_end_still_counts(client: str) -> None:
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port, client))
        answer = link.publish(Packet(topic="a", body=b"x"))
        await broker.until(lambda: len(broker.accepted) == 1)
        link.abort()
        assert answer.result() == 0


async def test_nobody_listening_is_said_in_words(client: str) -> None:
    with pytest.raises(UplinkError, match="nothing listens on"):
        await connect(a_call(free_port(), client))


async def test_an_unknown_name_is_said_in_words(client: str) -> None:
    with pytest.raises(UplinkError, match="no address is known"):
        await connect(Call(host="broker.invalid", port=1883, client_id="gw1", patience=10.0, client=client))


async def test_a_port_that_says_nothing_is_given_up(virtual: VirtualClock, client: str) -> None:
    gone = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    before = virtual.boot()
    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        with pytest.raises(UplinkError, match="is it an MQTT broker"):
            await connect(a_call(server.sockets[0].getsockname()[1], client))
        await gone.wait()
    assert virtual.boot() - before < 3


async def test_a_cancelled_connect_leaves_no_connection_behind(virtual: VirtualClock, client: str) -> None:
    gone = asyncio.Event()
    here = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        here.set()
        await reader.read()
        gone.set()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        call = Call(
            host="127.0.0.1",
            port=server.sockets[0].getsockname()[1],
            client_id="gw1",
            patience=60.0,
            client=client,
        )
        task = asyncio.ensure_future(connect(call))
        await here.wait()
        before = virtual.boot()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()
    assert virtual.boot() - before < 1


async def test_the_first_connection_to_a_far_broker_waits_by_chance(virtual: VirtualClock) -> None:
    rig = Rig(1, clock=virtual, but={"host": "broker.invalid"})
    rig.desk.chance = lambda: 0.5
    before = virtual.boot()
    with pytest.raises(UplinkError):
        await rig.uplink.run()
    assert 5.0 <= virtual.boot() - before < 6.0


async def test_a_missing_credential_is_told_and_tried_again_later() -> None:
    rig = Rig(1, but={"username": "gw1", "password": "credential:nowhere-to-be-found"})
    with pytest.raises(UplinkError, match="nowhere-to-be-found"):
        await rig.uplink.run()


def test_there_is_no_way_to_verify_less() -> None:
    made = tls.context(None)
    assert made.verify_mode is ssl.CERT_REQUIRED
    assert made.check_hostname
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_missing_authority_file_is_said_in_words() -> None:
    with pytest.raises(UplinkError, match=r"ca /nowhere/ca\.pem cannot be used"):
        tls.context("/nowhere/ca.pem")


@pytest.mark.parametrize(
    ("welcome", "words"), [(0x86, "password is wrong"), (0x87, "not authorised"), (0x88, "unavailable")]
)
async def test_a_refused_connection_says_what_the_broker_meant(client: str, welcome: int, words: str) -> None:
    async with fake_broker(welcome=welcome) as broker:
        with pytest.raises(UplinkError, match=f"does not let us in: .*{words}"):
            await connect(a_call(broker.port, client))


async def test_a_broker_that_hangs_up_instead_of_answering_is_said(client: str) -> None:
    gone = asyncio.Event()

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        gone.set()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
        with pytest.raises(UplinkError, match=r"closed the connection instead of answering|was lost"):
            await connect(a_call(server.sockets[0].getsockname()[1], client))
        await gone.wait()


async def test_an_end_that_the_broker_gives_a_reason_for_is_told_with_it(client: str) -> None:
    async with fake_broker(lambda _: DISCONNECT | 0x98) as broker:
        link = await connect(a_call(broker.port, client))
        with pytest.raises(ConnectionError):
            await link.publish(Packet(topic="a", body=b"x"))
        lost = await link.closed
    assert lost.reason == 0x98
    assert "ended the connection: an operator ended the connection" in lost.text


async def test_a_topic_that_may_not_be_read_is_said_and_the_connection_stays(client: str) -> None:
    async with fake_broker() as broker:
        broker.deaf = True
        link = await connect(a_call(broker.port, client))
        with pytest.raises(UplinkError, match="does not let us read c/replay"):
            await link.listen(["c/replay"], lambda _: None)
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        link.abort()


async def test_what_comes_is_handed_over_with_what_was_given_along(client: str) -> None:
    heard: asyncio.Queue[Heard] = asyncio.Queue()
    wish = b"\x08\x00\x01r\x09\x00\x02id"  # a response topic and correlation data
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port, client))
        await link.listen(["c/replay"], heard.put_nowait, retained=False)
        assert broker.subscribed == ["c/replay"]
        broker.tell("c/replay", b"{}", properties=wish, retain=True)
        assert await heard.get() == Heard("c/replay", b"{}", True, "r", b"id")
        link.abort()


async def test_a_reason_that_is_not_for_an_answer_ends_no_connection(client: str) -> None:
    """Mosquitto answers with 0x95 to what is above its limit."""
    async with fake_broker(lambda one: 0x95 if one.n == 1 else 0) as broker:
        link = await connect(a_call(broker.port, client))
        assert await link.publish(Packet(topic="a", body=b"x")) == 0x95
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        link.abort()


async def test_a_goodbye_to_a_broker_that_is_gone_ends_at_once(client: str) -> None:
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port, client))
        broker.drop()
        await link.closed
        await link.leave()
        with pytest.raises(UplinkError):
            await link.listen(["c/replay"], lambda _: None)
        link.abort()


async def test_without_its_library_the_other_client_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "agent.uplink.aiomqtt_client", None)
    with pytest.raises(UplinkError, match=r'pip install "citygate\[aiomqtt\]"'):
        await connect(a_call(1, "aiomqtt"))


async def test_a_wish_to_listen_that_nobody_answers_is_given_up_with_a_sentence(client: str) -> None:
    async with fake_broker() as broker:
        broker.mute = True
        link = await connect(replace(a_call(broker.port, client), patience=0.3))
        with pytest.raises(UplinkError, match=r"did not let us listen: \S"):
            await link.listen(["c/replay"], lambda _: None)
        asked = asyncio.ensure_future(link.listen(["c/rebirth"], lambda _: None))
        await broker.until(lambda: len(broker.subscribed) == 2)
        broker.drop()
        with pytest.raises(UplinkError, match=r"did not let us listen: \S"):
            await asked


async def test_whoever_waits_no_more_for_an_answer_hinders_no_other(client: str) -> None:
    async with fake_broker(lambda one: 0 if one.n < 3 else None) as broker:
        link = await connect(a_call(broker.port, client))
        link.publish(Packet(topic="a", body=b"x")).cancel()
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        link.publish(Packet(topic="a", body=b"x")).cancel()
        last = link.publish(Packet(topic="a", body=b"x"))
        link.abort()
        with pytest.raises(ConnectionError):
            await last


async def test_what_comes_unasked_is_heard_by_nobody() -> None:
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port))
        broker.tell("c/replay", b"{}")
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        link.abort()


def reset(writer: asyncio.StreamWriter) -> None:
    """Let the kernel forget the connection: whoever writes to it is told so at once."""
    opened: socket.socket = writer.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_connection_that_was_reset_is_told_with_the_kernels_words(client: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(WELCOME)
        await reader.read(4096)
        reset(writer)

    async with serving(serve) as call:
        link = await connect(replace(call, client=client))
        with pytest.raises(ConnectionError):
            await link.publish(Packet(topic="a", body=b"x"))
        lost = await link.closed
        assert "was lost: " in lost.text
        assert "reset by peer" in lost.text
        link.abort()


async def test_an_abort_after_the_kernel_has_forgotten_the_connection_is_an_end_too(client: str) -> None:
    there: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(WELCOME)
        there.put_nowait(writer)
        await reader.read(4096)

    async with serving(serve) as call:
        link = await connect(replace(call, client=client))
        answer = link.publish(Packet(topic="a", body=b"x"))
        reset(await there.get())
        await asyncio.sleep(0)  # the server's socket is closed, and we have not looked at ours
        link.abort()
        assert link.closed.done()
        with pytest.raises(ConnectionError):
            await answer


async def test_a_broker_that_reads_no_goodbye_is_left_all_the_same(client: str) -> None:
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(WELCOME)
        await over.wait()

    async with serving(serve) as call:
        link = await connect(replace(call, client=client, patience=0.3))
        answer = link.publish(Packet(topic="a", body=bytes(16 << 20)))
        await asyncio.sleep(0.05)
        async with asyncio.timeout(2.0):
            await link.leave()
        assert link.closed.done()
        with pytest.raises(ConnectionError):
            await answer
        over.set()


async def test_the_last_will_of_an_old_version_is_said_by_the_broker(tmp_path: Path, client: str) -> None:
    will = Message(topic="gw1/s", body=b"lost", kind="status")
    with peer.mosquitto(tmp_path) as broker:
        async with subscribed(broker.port, topic="gw1/#") as city:
            link = await connect(replace(a_call(broker.port, client), version="3.1.1", will=will))
            assert await link.publish(Packet(topic="gw1/d", body=b"x")) == 0
            link.abort()
            await until(lambda: len(city.messages) == 2)
    assert [bytes(one.payload) for one in city.messages] == [b"x", b"lost"]


async def test_an_end_does_not_take_in_all_that_a_talkative_broker_has_said() -> None:
    heard: list[Heard] = []
    async with fake_broker() as broker:
        link = await connect(a_call(broker.port))
        await link.listen(["c/replay"], heard.append)
        for _ in range(300):
            broker.tell("c/replay", b"{}")
        link.abort()
        assert link.closed.done()
        await asyncio.sleep(0)
        assert 0 < len(heard) < 200
