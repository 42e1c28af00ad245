"""The life of one connection: bytes go out, the reply to the question in flight comes back, or a late one.

It fails the question at once when the connection ends, and never repeats one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from agent.core.errors import DriverError
from drivers.modbus.frames import Frames

_SHOWN: Final = 8

Later = tuple[int, "asyncio.Future[bytes | None]"]
"""A question whose reply may still come: its number, and what will be set then."""

Reply = asyncio.Future["bytes | Later | None"]


class LinkLostError(DriverError):
    """The connection ended, or could not be opened."""


class Session(asyncio.Protocol):
    """One open connection; *on_end* is told the sentence and the error when it is over."""

    def __init__(self, frames: Frames, where: str, on_end: Callable[[Session, OSError | None], None]) -> None:
        self._frames, self._where, self._on_end = frames, where, on_end
        self._loop = asyncio.get_running_loop()
        self._reply: Reply | None = None
        self._aside: dict[int, asyncio.Future[bytes | None]] = {}
        self._sockets: asyncio.Transport | None = None
        self.ended = ""
        self.heard = self._loop.time()
        frames.reset()

    @property
    def transport(self) -> asyncio.Transport:
        """The open transport."""
        assert self._sockets is not None
        return self._sockets

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over."""
        assert isinstance(transport, asyncio.Transport)
        self._sockets = transport

    def data_received(self, data: bytes) -> None:
        """Look for the reply in what has come."""
        self.heard = self._loop.time()
        body = self._frames.feed(data)
        if body is not None and self._reply is not None and not self._reply.done():
            self._reply.set_result(body)
        if self._aside:
            self._hand_over()
        if body is None and self._frames.garbage:
            self._end(
                f"{self._where} sent bytes that are no Modbus TCP "
                f"({self._frames.garbage[:_SHOWN].hex(' ')}); is it a serial converter in transparent mode?"
            )
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail the question in flight at once, instead of letting it wait for its timeout."""
        error = exc if isinstance(exc, OSError) else None
        if not self.ended:
            self._end(f"{self._where} closed the connection" + (f": {reason(error)}" if error else ""), error)

    def gone(self, sentence: str) -> None:
        """Note that the medium has ended, for the reason that *sentence* tells."""
        if not self.ended:
            self._end(sentence)

    async def exchange(self, frame: bytes, limit: float, more: float = 0.0) -> bytes | Later | None:
        """Send *frame* and give its reply; None after *limit* seconds. Raise LinkLostError.

        With *more* it is put aside then, and others may be asked. A reply that has begun to come is waited
        for so much longer first: nothing can be told apart in the middle of a frame.
        """
        if self.ended:
            raise LinkLostError(self.ended)
        reply: Reply = self._loop.create_future()
        self._reply = reply
        alarm = self._loop.call_later(limit, self._expire, reply, more)
        self.transport.write(frame)
        try:
            return await reply
        except asyncio.CancelledError:
            if not (reply.cancelled() or reply.exception()) and isinstance(late := reply.result(), tuple):
                self._forget(late[0])  # it was put aside in the moment in which its asker left
            raise
        finally:
            alarm.cancel()
            self._reply = None

    async def later(self, late: Later, limit: float) -> bytes | None:
        """Wait for a reply that was put aside; None after *limit* seconds. Raise LinkLostError."""
        number, reply = late
        alarm = self._loop.call_later(limit, _give_up, reply)
        try:
            return await reply
        finally:
            alarm.cancel()
            self._forget(number)

    def _forget(self, number: int) -> None:
        self._aside.pop(number, None)
        self._frames.forget(number)

    def _expire(self, reply: Reply, more: float) -> None:
        if reply.done() or self.ended:
            return
        if more and self._frames.half:
            self._loop.call_later(more, self._expire, reply, 0.0)
        elif more and (number := self._frames.put_aside()):
            later: asyncio.Future[bytes | None] = self._loop.create_future()
            self._aside[number] = later
            reply.set_result((number, later))
        else:
            reply.set_result(None)

    def _hand_over(self) -> None:
        for number, body in self._frames.late():
            if (reply := self._aside.get(number)) is not None and not reply.done():
                reply.set_result(body)

    def close(self) -> None:
        """Close the connection."""
        self.ended = self.ended or "closed"
        for reply in (self._reply, *self._aside.values()):
            if reply is not None and not reply.done():
                reply.set_result(None)
        if self._sockets is not None:
            self._sockets.abort()

    def _end(self, sentence: str, error: OSError | None = None) -> None:
        self.ended = sentence
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(LinkLostError(sentence))
        for reply in self._aside.values():
            if not reply.done():
                reply.set_exception(LinkLostError(sentence))
        self._on_end(self, error)


def _give_up(reply: asyncio.Future[bytes | None]) -> None:
    if not reply.done():
        reply.set_result(None)


def reason(error: OSError) -> str:
    """Say what the system says; asyncio's own text repeats the address."""
    if type(error).__module__ == "ssl":  # its numbers are not the system's
        return str(getattr(error, "verify_message", "") or getattr(error, "reason", "") or error)
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
