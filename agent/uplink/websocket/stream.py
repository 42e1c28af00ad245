"""A stream within WebSocket: to the connection above it is like any other.

Each packet leaves in a frame of its own; what is sent before the server has agreed waits for that.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from agent.core.errors import UplinkError
from agent.uplink.port import Call
from agent.uplink.stream import Stream, Wants
from agent.uplink.websocket import frames
from agent.uplink.websocket.frames import BadFrameError, Heard, Reader, frame
from agent.uplink.websocket.upgrade import Answer, request


def _nothing() -> None:
    return None


class WebSocketStream:
    """One connection; *ended* is called once at the end of the socket, *broken* with a sentence before it.

    ``agreed`` is called when the server has agreed.
    """

    def __init__(  # noqa: PLR0913 - each is named
        self,
        opened: socket.socket,
        wants: Wants,
        call: Call,
        *,
        hear: Callable[[bytes], None],
        ended: Callable[[OSError | None], None],
        broken: Callable[[str], None],
    ) -> None:
        self.agreed: Callable[[], None] = _nothing
        self._where = f"{call.host}:{call.port}"
        self._hear = hear
        self._broken = broken
        key = os.urandom(16)
        self._answer: Answer | None = Answer(f"{self._where}{call.websocket}", key)
        self._reader = Reader()
        self._waiting: list[bytes] = []
        self._over = False
        self._stream = Stream(opened, wants, hear=self._heard, ended=ended)
        self._stream.send(request(call.host, call.port, call.websocket, key, is_encrypted=call.tls))

    def send(self, data: bytes) -> None:
        """Send as soon as this turn of the loop is over, or the server has agreed."""
        if self._answer is None:
            self._stream.send(_frame(frames.BINARY, data))
        else:
            self._waiting.append(data)

    def drain(self) -> None:
        """Hand over what has arrived already."""
        self._stream.drain()

    def last(self, data: bytes) -> None:
        """Send *data* now, if there is room for it: nothing follows."""
        if self._answer is None:
            self._stream.last(_frame(frames.BINARY, data))

    def close(self) -> None:
        """Close without a word; what was not written is forgotten."""
        self._over = True
        self._stream.close()

    def _heard(self, data: bytes) -> None:
        try:
            rest = data if self._answer is None else self._agreed(self._answer, data)
            asked = None
            for one in self._reader.feed(rest):
                if one.kind == frames.PING:
                    asked = one.data  # one answer is enough for all that come at once (RFC 6455, 5.5.3)
                else:
                    self._take(one)
                if self._over:
                    return
            if asked is not None:
                self._stream.send(_frame(frames.PONG, asked))
        except BadFrameError as error:
            self._stream.last(_frame(frames.CLOSE, error.code.to_bytes(2, "big")))
            self._broken(
                f"{self._where} does not speak WebSocket as it should: {error}; the link is given up"
            )
        except UplinkError as error:
            self._broken(str(error))

    def _agreed(self, answer: Answer, data: bytes) -> bytes:
        """Begin, once the server has agreed; give what came behind its answer."""
        rest = answer.feed(data)
        if rest is None:
            return b""
        self._answer, waiting = None, self._waiting
        self._waiting = []
        for one in waiting:
            self.send(one)
        self.agreed()
        return rest

    def _take(self, one: Heard) -> None:
        if one.kind == frames.BINARY:
            self._hear(one.data)
        elif one.kind == frames.CLOSE:
            why = frames.closing(one.data)
            self._stream.last(_frame(frames.CLOSE, one.data[:2]))
            self._broken(f"{self._where} closed the WebSocket: {why}")


def _frame(kind: int, data: bytes) -> bytes:
    return frame(kind, data, os.urandom(4))
