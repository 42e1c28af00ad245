"""The far end of a line that is only listened to: it sends bytes and text, and keeps whatever comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from agent.prove.spies.heard import Heard

_SENT: Final = (
    bytes(range(256))
    + b'\r\n{"value": 1}\r\n/XXX5 planted\r\n\r\n!0000\r\n'
    + b"\xaa\xc0"
    + bytes(7)
    + b"\xab"
)
_PACE: Final = 0.1


@asynccontextmanager
async def listening_spy() -> AsyncIterator[tuple[int, Heard]]:
    """Listen on a free port of loopback; give the port and what is heard."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.asked += 1
        try:
            while True:
                writer.write(_SENT)
                try:
                    async with asyncio.timeout(_PACE):
                        back = await reader.read(4096)
                except TimeoutError:
                    continue
                if not back:
                    break
                heard.writes.append(f"{len(back)} bytes")
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard
