"""Whoever does not answer is left with a sentence: before the connection, and before TLS."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from agent.core.errors import UplinkError
from agent.uplink.client import connect
from agent.uplink.dial import dial
from agent.uplink.port import Call
from tests.agent.uplink.test_own_client import serving
from tests.peers.mosquitto import free_port
from tests.virtual import VirtualClock


@pytest.fixture
def deaf() -> Iterator[int]:
    """Give a port whose queue is full, so that the kernel leaves whoever knocks without an answer."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = int(server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", port)):
            yield port


async def test_a_host_that_swallows_every_knock_is_given_up(deaf: int) -> None:
    with pytest.raises(UplinkError, match=r"^127\.0\.0\.1:\d+ did not answer within 0\.3 s$"):
        await dial(Call(host="127.0.0.1", port=deaf, client_id="gw1", patience=0.3))


async def test_one_address_that_swallows_every_knock_does_not_hinder_the_next(
    deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.2", deaf)):
        loop = asyncio.get_running_loop()

        async def found(*_: object, **__: object) -> list[object]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, ("127.0.0.1", deaf)), (*kind, ("127.0.0.2", deaf))]

        monkeypatch.setattr(loop, "getaddrinfo", found)
        opened, _ = await dial(Call(host="broker.example", port=deaf, client_id="gw1", patience=0.6))
        with opened:
            assert opened.getpeername() == ("127.0.0.2", deaf)


async def test_a_broker_that_says_nothing_of_tls_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
        with pytest.raises(UplinkError, match=r" did not answer within 0\.3 s$"):
            await dial(Call(host="127.0.0.1", port=port, client_id="gw1", tls=True, patience=0.3))


async def test_a_broker_that_wants_no_signs_of_life_gets_none(virtual: VirtualClock) -> None:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(b"\x20\x06\x00\x00\x03\x13\x00\x00")  # a keep-alive of 0
        while said := await reader.read(4096):
            heard.append(said)

    async with serving(serve) as call:
        link = await connect(call)
        await virtual.sleep(3600.0)
        assert not link.closed.done()
        assert heard == []
        link.abort()


async def known(
    loop: asyncio.AbstractEventLoop, patch: pytest.MonkeyPatch, *addresses: tuple[str, int]
) -> None:
    """Let every name have these addresses, in this order."""

    async def found(*_: object, **__: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", one) for one in addresses]

    patch.setattr(loop, "getaddrinfo", found)


async def test_where_one_address_refuses_and_the_next_swallows_the_knock_the_silence_is_told(
    deaf: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = free_port()
    await known(asyncio.get_running_loop(), monkeypatch, ("127.0.0.1", closed), ("127.0.0.1", deaf))
    with pytest.raises(UplinkError, match=r"^broker\.example:1 did not answer within 0\.4 s$"):
        await dial(Call(host="broker.example", port=1, client_id="gw1", patience=0.4))


async def test_an_address_to_which_no_way_leads_is_told_in_the_kernels_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await known(asyncio.get_running_loop(), monkeypatch, ("255.255.255.255", 1883))
    with pytest.raises(UplinkError, match=r"^broker\.example:1883 cannot be reached: \w") as caught:
        await dial(Call(host="broker.example", port=1883, client_id="gw1"))
    assert "could be tried" not in str(caught.value)
    await known(asyncio.get_running_loop(), monkeypatch)
    with pytest.raises(UplinkError, match="cannot be reached: no address could be tried"):
        await dial(Call(host="broker.example", port=1883, client_id="gw1"))
