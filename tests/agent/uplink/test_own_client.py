"""Our own client and brokers that say odd things at odd times: each ends in a sentence, none in a hang."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.errors import UplinkError
from agent.uplink.client import Client, connect
from agent.uplink.port import Call, Link, Packet
from tests.peers.fake_broker import fake_broker
from tests.virtual import VirtualClock, simulate

WELCOME = b"\x20\x03\x00\x00\x00"
SMALL = Packet(topic="a", body=b"x")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[Call]:
    """Run a server of one function; give the call that reaches it."""

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    async with await asyncio.start_server(whole, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield Call(host="127.0.0.1", port=port, client_id="gw1", patience=2.0)


def saying(*said: bytes) -> Serve:
    """Say each of *said* after a packet has come, then listen until the end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for one in said:
            await reader.read(4096)
            writer.write(one)
        while await reader.read(4096):
            pass

    return serve


@asynccontextmanager
async def linked(*said: bytes) -> AsyncIterator[Link]:
    """Connect to a broker that says these things in turn."""
    async with serving(saying(*said)) as call:
        link = await connect(call)
        try:
            yield link
        finally:
            link.abort()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"\x20\x03\x00\x86\x00", r"user name or password is wrong \(0x86\)"),
        (b"\x20\x0b\x00\x87\x08\x1f\x00\x05go\x1b..", r'not authorised.*\("go\?\.\."\)'),
        (b"\x20\x02\x00\x01", "does not speak MQTT 5"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak MQTT as it should"),
        (b"\x20\x03\x01\x00\x00", "a session is said to go on"),
        (b"\x20\x05\x00\x00\x02\x24\x00", "acknowledges nothing"),
        (b"\xd0\x00", "PINGRESP out of turn"),
        (b"\xf0\x00", "AUTH is not for a broker to send here"),
        (b"\xe0\x01\x9c", r"use another server \(0x9c\)"),
    ],
)
async def test_a_bad_welcome_is_said_in_words(said: bytes, words: str) -> None:
    async with serving(saying(said)) as call:
        with pytest.raises(UplinkError, match=words):
            await connect(call)


@pytest.mark.parametrize(
    ("said", "words", "reason"),
    [
        (b"\xe0\x01\x8e", "another client took over", 0x8E),
        (b"\xe0\x08\x98\x06\x1f\x00\x03bye", r'an operator ended the connection \(0x98\) \("bye"\)', 0x98),
        (b"\xe0\x00", "0x00", 0),
        (b"\x40\x02\x00\x09", "an answer to message 9, which does not wait", None),
        (WELCOME, "CONNACK out of turn", None),
        (b"\x30\x05\x00\x01a\x00b", "PUBLISH out of turn", None),
        (b"\x00\xff\xff", "the link is given up", None),
    ],
)
async def test_what_breaks_the_rules_ends_the_link_with_a_sentence(
    said: bytes, words: str, reason: int | None
) -> None:
    async with linked(WELCOME, said) as link:
        answer = link.publish(SMALL)
        lost = await link.closed
        assert words.replace("\\", "") in lost.text
        assert lost.reason == reason
        with pytest.raises(ConnectionError):
            await answer


async def test_a_broker_that_breaks_the_rules_is_told_which() -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(WELCOME)
        await reader.read(4096)
        writer.write(b"\x30\x07\x00\x01a\x03\x23\x00\x01")
        heard.set_result(await reader.read())

    async with serving(serve) as call:
        link = await connect(call)
        link.publish(SMALL)
        await link.closed
        assert await heard == b"\xe0\x01\x94", "DISCONNECT, topic alias invalid"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_at_any_time_end_in_an_answer_or_a_sentence(said: bytes, welcomed: bool) -> None:
    async def scenario() -> None:
        async with serving(saying(WELCOME, said) if welcomed else saying(said)) as call:
            try:
                link = await connect(call)
            except UplinkError:
                return
            answer = link.publish(SMALL)
            async with asyncio.timeout(60):
                while not answer.done() and not link.closed.done():  # noqa: ASYNC110 - two ends of one story
                    await asyncio.sleep(1)
            link.abort()
            assert answer.done()
            assert answer.exception() is None or isinstance(answer.exception(), ConnectionError)

    simulate(scenario())


async def test_what_no_broker_could_take_is_answered_without_one() -> None:
    async with fake_broker() as broker:
        broker.maximum_packet = 100
        link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1"))
        assert await link.publish(Packet(topic="a/#", body=b"")) == 0x90
        assert await link.publish(Packet(topic="a", body=bytes(100))) == 0x95
        assert await link.publish(Packet(topic="a", body=bytes(80))) == 0
        await link.leave()
        assert [len(one.body) for one in broker.published] == [80]
        assert broker.goodbyes == 1


async def test_answers_out_of_order_reach_their_own_messages() -> None:
    acks = b"".join(b"\x40\x03\x00" + bytes((mid, 0x80 + mid)) for mid in (3, 1, 2))
    async with linked(WELCOME, acks) as link:
        answers = [link.publish(SMALL) for _ in range(3)]
        assert [await one for one in answers] == [0x81, 0x82, 0x83]


async def test_an_identifier_that_waits_is_not_given_twice() -> None:
    async with fake_broker(lambda one: None if one.n == 1 else 0) as broker:
        link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1"))
        assert isinstance(link, Client)
        first = link.publish(SMALL)
        link._last_id = 0xFFFF
        assert await link.publish(SMALL) == 0
        assert not first.done()
        link.abort()


async def test_a_message_larger_than_the_pipe_arrives_whole() -> None:
    body = bytes(range(256)) * 20_000
    async with fake_broker() as broker:
        link = await connect(Call(host="127.0.0.1", port=broker.port, client_id="gw1"))
        assert await link.publish(Packet(topic="a", body=body)) == 0
        assert broker.accepted[0].body == body
        await link.leave()


async def test_silence_is_broken_by_a_ping_and_a_silent_broker_is_left(virtual: VirtualClock) -> None:
    answering = True
    pings = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal pings
        await reader.read(4096)
        writer.write(WELCOME)
        while heard := await reader.read(4096):
            pings += heard == b"\xc0\x00"
            if answering:
                writer.write(b"\xd0\x00")

    async with serving(serve) as call:
        link = await connect(call)
        await virtual.sleep(3600.0)
        assert not link.closed.done()
        assert 3600 / 20 <= pings <= 3600 / 10
        answering = False
        before = virtual.boot()
        lost = await link.closed
        assert "has not answered a ping" in lost.text
        assert virtual.boot() - before <= 25.0 + 1e-6


async def test_a_broker_may_ask_for_more_frequent_signs_of_life(virtual: VirtualClock) -> None:
    beats: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"\x20\x06\x00\x00\x03\x13\x00\x04")  # a keep-alive of 4 s
        while await reader.read(4096):
            beats.append(virtual.boot())
            writer.write(b"\xd0\x00")

    async with serving(serve) as call:
        link = await connect(call)
        await virtual.sleep(12.0)
        link.abort()
    assert len(beats) in (3, 4)


async def test_the_older_version_hands_out_its_acknowledgements() -> None:
    async with serving(saying(b"\x20\x02\x00\x00", b"\x40\x02\x00\x01")) as call:
        old = Call(host=call.host, port=call.port, client_id="gw1", version="3.1.1")
        link = await connect(old)
        assert await link.publish(SMALL) == 0
        link.abort()


async def test_a_reset_is_told_as_such() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(WELCOME)
        await reader.read(4096)
        linger = writer.get_extra_info("socket")
        linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")

    async with serving(serve) as call:
        link = await connect(call)
        link.publish(SMALL)
        assert "was lost: Connection reset by peer" in (await link.closed).text


async def _failure(call: Call) -> UplinkError:
    with pytest.raises(UplinkError) as caught:
        await connect(call)
    return caught.value


async def test_what_costs_a_broker_nothing_may_soon_be_tried_again() -> None:
    async def hang_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(4096)

    async with serving(hang_up) as call:
        assert (await _failure(call)).cheap, "it closed without having worked for us"
    assert (await _failure(call)).cheap, "nothing listens there any more"
    assert (await _failure(replace(call, host="broker.invalid"))).cheap


@pytest.mark.parametrize("said", [b"\x20\x03\x00\x86\x00", b"\x20\x03\x00\x88\x00", b"HTTP/1.1 400"])
async def test_what_a_broker_has_answered_has_cost_it_something(said: bytes) -> None:
    async with serving(saying(said)) as call:
        assert not (await _failure(call)).cheap


async def test_what_a_broker_leaves_unanswered_has_cost_it_something(virtual: VirtualClock) -> None:
    async with serving(saying()) as call:
        begun = virtual.boot()
        assert not (await _failure(call)).cheap
        assert virtual.boot() - begun == pytest.approx(2.0)
