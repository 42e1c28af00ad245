"""A WebSocket server before any broker: what it takes from frames goes on as plain MQTT, and back.

The protocol is wsproto's, so that ours is read by somebody else. It can cut its answers into small pieces,
with pings in between, and it keeps what it was asked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
)

PATH = "/mqtt"


class WebDoor:
    """Serves any number of connections; ``piece`` is the most bytes of one frame, 0: as they come."""

    def __init__(self, upstream: int, *, piece: int = 0) -> None:
        self.port = 0
        self.asked: list[Request] = []
        self.messages: list[int] = []
        self.pongs: list[bytes] = []
        self.farewells: list[int] = []
        self._upstream = upstream
        self._piece = piece
        self._size = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        speaker = WSConnection(ConnectionType.SERVER)
        far: asyncio.StreamWriter | None = None
        task: asyncio.Task[None] | None = None
        with suppress(OSError):
            while data := await reader.read(65536):
                speaker.receive_data(data)
                for event in speaker.events():
                    if isinstance(event, Request) and self._welcome(event, speaker, writer):
                        far_reader, far = await asyncio.open_connection("127.0.0.1", self._upstream)
                        task = asyncio.ensure_future(self._back(far_reader, speaker, writer))
                    elif far is not None:
                        self._forth(event, speaker, writer, far)
                await writer.drain()
        for one in (writer, far):
            if one is not None:
                one.transport.abort()
        if task is not None:
            await task

    def _welcome(self, asked: Request, speaker: WSConnection, writer: asyncio.StreamWriter) -> bool:
        self.asked.append(asked)
        if asked.target != PATH:
            writer.write(speaker.send(RejectConnection(status_code=404)))
            return False
        protocol = asked.subprotocols[0] if asked.subprotocols else None
        writer.write(speaker.send(AcceptConnection(subprotocol=protocol)))
        return True

    def _forth(
        self, event: Event, speaker: WSConnection, writer: asyncio.StreamWriter, far: asyncio.StreamWriter
    ) -> None:
        match event:
            case BytesMessage():
                self._size += len(event.data)
                if event.message_finished:
                    self.messages.append(self._size)
                    self._size = 0
                far.write(event.data)
            case Ping():
                writer.write(speaker.send(event.response()))
            case Pong():
                self.pongs.append(bytes(event.payload))
            case CloseConnection():
                self.farewells.append(event.code)
                far.close()

    async def _back(
        self, reader: asyncio.StreamReader, speaker: WSConnection, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                size = self._piece or len(data)
                for at in range(0, 0 if writer.is_closing() else len(data), size):
                    is_last = at + size >= len(data)
                    writer.write(speaker.send(BytesMessage(data[at : at + size], message_finished=is_last)))
                    if self._piece:
                        writer.write(speaker.send(Ping(f"at {at}".encode())))
                await writer.drain()
            if not writer.is_closing():
                writer.write(speaker.send(CloseConnection(code=1001, reason="the broker has gone")))


@asynccontextmanager
async def web_door(
    upstream: int, *, piece: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[WebDoor]:
    """Run one for the length of an ``async with`` block; *context*: it speaks TLS."""
    made = WebDoor(upstream, piece=piece)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
