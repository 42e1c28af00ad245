"""A connected socket as a stream, plain or TLS: sends what it is given, hands over what comes.

What is sent within one turn of the event loop leaves in one write. It needs nothing of ``ssl`` itself: a TLS
socket differs in the errors that mean "later".
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from msgspec import Struct

_PIECE: Final = 16_384  # bytes read at once: what a TLS record can hold
_TURNS: Final = 16  # reads in a row before others have their turn


class Wants(Struct, frozen=True):
    """The errors with which a socket says "when you can read" and "when you can write"."""

    read: tuple[type[OSError], ...] = (BlockingIOError, InterruptedError)
    write: tuple[type[OSError], ...] = (BlockingIOError, InterruptedError)


class Stream:
    """One connection; *ended* is called once, with the error if there was one."""

    def __init__(
        self,
        opened: socket.socket,
        wants: Wants,
        *,
        hear: Callable[[bytes], None],
        ended: Callable[[OSError | None], None],
    ) -> None:
        self._socket = opened
        self._wants = wants
        self._hear = hear
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._out: list[bytes] = []
        self._due = False  # a write is scheduled, or waits for room
        self._stuck = self._deaf = self._over = False
        self._loop.add_reader(opened, self._readable)

    def send(self, data: bytes) -> None:
        """Send as soon as this turn of the loop is over."""
        self._out.append(data)
        if not self._due:
            self._due = True
            self._loop.call_soon(self._write)

    def drain(self) -> None:
        """Hand over what has arrived already."""
        if not self._over:
            self._readable()

    def last(self, data: bytes) -> None:
        """Send *data* now, if there is room for it: nothing follows."""
        if not self._over:
            self._out.append(data)
            self._write()

    def close(self) -> None:
        """Close without a word; what was not written is forgotten."""
        if not self._over:
            self._over = True
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()

    def _write(self) -> None:
        self._due = False
        if self._over or not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        sent = 0
        try:
            sent = self._socket.send(data)
        except self._wants.write:
            pass
        except self._wants.read:
            self._stuck = True  # TLS wants to hear something first
        except OSError as error:
            self._readable()  # what the other side said before it went tells more
            self._end(error)
            return
        # TLS must be offered the same bytes again, which is why they stay as they are
        self._out = [data[sent:]] if sent < len(data) else []
        self._due = bool(self._out)
        if self._due and not self._stuck:
            self._loop.add_writer(self._socket, self._writable)

    def _writable(self) -> None:
        self._loop.remove_writer(self._socket)
        if self._deaf:
            self._readable()
        self._write()

    def _readable(self) -> None:
        self._deaf = False
        for _ in range(_TURNS):
            try:
                data = self._socket.recv(_PIECE)
            except self._wants.read:
                break
            except self._wants.write:
                self._deaf = True  # TLS wants to say something first
                self._loop.add_writer(self._socket, self._writable)
                break
            except OSError as error:
                self._end(error)
                return
            if not data:
                self._end(None)
                return
            self._hear(data)
            if self._over:
                return
        else:
            self._loop.call_soon(self.drain)  # TLS may hold bytes of which the kernel knows nothing
        if self._stuck and not self._over:
            self._stuck = False
            self._write()

    def _end(self, error: OSError | None) -> None:
        if not self._over:
            self.close()
            self._ended(error)
