"""Through an HTTP proxy to the broker: what it is asked, and what each refusal says."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.core.errors import UplinkError
from agent.core.plan import Tls
from agent.uplink.clients import connect
from agent.uplink.port import Call, Packet
from tests.agent.uplink.kit import Rig
from tests.peers import mosquitto as peer
from tests.peers.fake_broker import fake_broker

WORDS = "gateway:w"


class Proxy:
    """An HTTP proxy that knows CONNECT; ``answer`` is what it says when it does not let us through."""

    def __init__(self) -> None:
        self.answer = b""
        self.heard: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one CONNECT, and carry what follows."""
        request = await reader.readuntil(b"\r\n\r\n")
        self.heard.append(request)
        if self.answer:
            writer.write(self.answer)
            writer.close()
            return
        host, _, port = request.split(b" ")[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: us\r\n\r\n")
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(reader, far_writer))
            group.create_task(_carry(far_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxying() -> AsyncIterator[Proxy]:
    """Run a proxy for the length of an ``async with`` block."""
    made = Proxy()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as server:
        made.port = server.sockets[0].getsockname()[1]
        yield made


def through(proxy: Proxy, port: int, client: str = "citygate") -> Call:
    return Call(
        host="127.0.0.1", port=port, client_id="gw1", patience=2.0, client=client,
        proxy=f"http://127.0.0.1:{proxy.port}", proxy_login=WORDS,
    )  # fmt: skip


@pytest.mark.parametrize("client", ["citygate", "aiomqtt"])
async def test_the_proxy_is_asked_for_the_broker_and_hears_the_login(client: str) -> None:
    async with fake_broker() as broker, proxying() as proxy:
        link = await connect(through(proxy, broker.port, client))
        assert await link.publish(Packet(topic="a", body=b"x")) == 0
        await link.leave()
        where = f"127.0.0.1:{broker.port}".encode()
        assert proxy.heard == [
            b"CONNECT " + where + b" HTTP/1.1\r\nHost: " + where + b"\r\n"
            b"Proxy-Authorization: Basic Z2F0ZXdheTp3\r\n\r\n"
        ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", r"\(407\).*proxy_password"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "does not allow this host"),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "cannot reach the broker"),
        (b"HTTP/1.1 418 I'm a teapot\r\n\r\n", "ask its operator"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "is it a proxy"),
        (b"HTTP/1.1 200 OK\r\n\r\nmore", "more than it may"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"x" * 20_000, "is it a proxy"),
    ],
)
async def test_a_proxy_that_does_not_let_us_through_is_said_in_words(answer: bytes, words: str) -> None:
    async with proxying() as proxy:
        proxy.answer = answer
        with pytest.raises(UplinkError, match=words):
            await connect(through(proxy, 1))


async def test_tls_begins_behind_the_proxy_with_the_brokers_own_name(tmp_path: Path) -> None:
    authority = peer.Authority(tmp_path)
    with peer.mosquitto(tmp_path, tls=peer.Tls(*authority.leaf("broker"))) as broker:
        async with proxying() as proxy:
            rig = Rig(broker.port, but={
                "host": "localhost", "tls": Tls(ca=str(authority.certificate)), "on_no_subscriber": "deliver",
                "proxy": f"http://127.0.0.1:{proxy.port}",
            })  # fmt: skip
            async with rig.running():
                rig.put(5)
                await rig.until(lambda: len(rig.feed.done) == 5)
            assert rig.errors == []
            assert proxy.heard[0].startswith(b"CONNECT localhost:")


async def test_a_proxy_that_resets_the_connection_is_said_in_words() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        proxy = Proxy()
        proxy.port = server.sockets[0].getsockname()[1]
        with pytest.raises(UplinkError, match=rf"^127\.0\.0\.1:{proxy.port}: Connection reset by peer$"):
            await connect(through(proxy, 1))
