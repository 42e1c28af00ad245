"""Listens on the gateway's Unix socket and answers questions; see ``agent.status`` for their form.

Only root and the socket's group may ask (mode 0660). Nothing can be changed through it, and a question that
is too long, too slow or one too many is refused.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.core.errors import GatewayError

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

_log = logging.getLogger(__name__)
_LONGEST: Final = 40 * 1024  # bytes of a question
_MOST_GUESTS: Final = 16
_MOST_CALLERS: Final = 64  # beyond it nobody is even told why: each costs a descriptor
_PATIENCE: Final = 60.0  # seconds for the next question on an open connection, and to read an answer


class Control:
    """The socket's end in the daemon; ``listening`` is set while questions are taken."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self.listening = asyncio.Event()
        self._guests: set[asyncio.StreamWriter] = set()

    async def run(self) -> None:
        """Answer until cancelled; raise GatewayError if the socket cannot be made."""
        try:
            listener = _listen(self._path)
        except OSError as error:
            raise GatewayError(f"the control socket {self._path} cannot be made: {error}") from error
        server = await asyncio.start_unix_server(self._serve, sock=listener, limit=_LONGEST)
        self.listening.set()
        try:
            await server.serve_forever()
        finally:
            self.listening.clear()
            for guest in self._guests:
                guest.transport.abort()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._guests.add(writer)
        try:
            if len(self._guests) > _MOST_CALLERS:
                return
            await self._converse(reader, writer, crowded=len(self._guests) > _MOST_GUESTS)
        except (ConnectionError, TimeoutError):
            _log.debug("a guest of the control socket went away")
            writer.transport.abort()  # or what it does not read would wait here for ever
        finally:
            self._guests.discard(writer)
            writer.close()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(_PATIENCE):
                    line = await reader.readline()
            except ValueError:
                await _tell(writer, {"error": "the question is too long"})
                return
            if not line.endswith(b"\n"):
                return
            if crowded:
                await _tell(writer, {"error": "too many questions at once; ask again in a moment"})
                return
            await _tell(writer, await self._reply(line))

    async def _reply(self, line: bytes) -> dict[str, Any]:
        try:
            wish = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            wish = None
        if not isinstance(wish, dict):
            return {"error": 'a question is one JSON object on one line, such as {"ask": "status"}'}
        try:
            return await self._answer(wish)
        except GatewayError as error:
            return {"error": str(error)}


async def _tell(writer: asyncio.StreamWriter, answer: dict[str, Any]) -> None:
    writer.write(msgspec.json.encode(answer) + b"\n")
    async with asyncio.timeout(_PATIENCE):
        await writer.drain()


def _listen(path: Path) -> socket.socket:
    """Make the socket; one that a dead process left behind is taken away first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _somebody_listens(path):
            path.unlink()
        listener.bind(str(path))
        path.chmod(0o660)  # what bind leaves lets at most the owner connect, so nobody slips in before this
        listener.listen(_MOST_GUESTS)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe, suppress(ConnectionError):
        probe.connect(str(path))
        return True
    return False
