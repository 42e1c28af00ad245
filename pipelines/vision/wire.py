"""The two lines out of this process: numbers to the agent, and a word to the service manager.

Both are open before the process is locked in; afterwards bytes go by write(2) alone.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterable
from typing import Final

from msgspec import json

from agent.core.errors import GatewayError
from agent.core.sight import (
    NEWS_BURST,
    NEWS_EVERY,
    PLAN_LIMIT,
    RECORD,
    UNCONFINED,
    VERSION,
    Sight,
    Watch,
    What,
)

_PATIENCE: Final = 20.0  # seconds, for the plan
_STALLED: Final = 5.0  # seconds without a reader after which there is none


class HungUpError(Exception):
    """The agent is gone: there is nobody to count for."""


class Wire:
    """The socket to the agent."""

    def __init__(self, handle: int) -> None:
        try:
            one = socket.socket(fileno=handle)
            one.settimeout(_PATIENCE)
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listening, (one, _) = one, one.accept()
                listening.close()
                one.settimeout(_PATIENCE)
            packet = one.recv(PLAN_LIMIT + 1)
            self.watch = json.decode(packet, type=Watch)
        except TimeoutError:
            raise GatewayError(f"no plan came within {_PATIENCE:.0f} s") from None
        except OSError as error:
            raise GatewayError(f"no plan can be had: {error.strerror}") from None
        except ValueError as error:
            raise GatewayError(f"the plan is not one of this version: {error}") from None
        one.setblocking(False)
        self._socket = one
        self._seq = 0
        self._flag = 0

    def mark_unconfined(self) -> None:
        """Mark every record from now on."""
        self._flag = UNCONFINED

    def tell(self, what: What, value: int, *, cell: int = 0, bucket: int = 0, stamp: int = 0) -> None:
        """Send one record; raise HungUpError when nobody takes it."""
        self._seq += 1
        kind = what | self._flag
        record = RECORD.pack(VERSION, kind, cell, bucket, self.watch.width, value, self._seq, stamp)
        handle = self._socket.fileno()
        try:
            if not select.select([], [handle], [], _STALLED)[1]:
                raise HungUpError
            os.write(handle, record)
        except OSError as error:
            raise HungUpError from error

    def numbers(self, numbers: Iterable[int | None], bucket: int, stamp: int) -> None:
        """Send the numbers of one bucket."""
        for cell, number in enumerate(numbers):
            what = What.UNKNOWN if number is None else What.NUMBER
            self.tell(what, number or 0, cell=cell, bucket=bucket, stamp=stamp)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def listen(self) -> None:
        """Raise HungUpError when the agent is gone, or says anything: it has nothing more to say."""
        if select.select([self._socket], [], [], 0)[0]:
            raise HungUpError


class Bulletin:
    """How one camera does, told when it changes, but no more often than was agreed."""

    def __init__(self, camera: int) -> None:
        self._camera = camera
        self._told = Sight.SILENT
        self._allowance = float(NEWS_BURST)
        self._at = 0.0

    def post(self, sight: Sight, now: float, wire: Wire) -> None:
        """Tell *sight* if it is news."""
        self._allowance = min(float(NEWS_BURST), self._allowance + (now - self._at) / NEWS_EVERY)
        self._at = now
        if sight is not self._told and self._allowance >= 1.0:
            self._allowance -= 1.0
            self._told = sight
            wire.tell(What.NEWS, sight, cell=self._camera)


class Manager:
    """What the service manager hears; without one every call does nothing."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        address = os.environ.get("NOTIFY_SOCKET", "")
        if address.startswith(("/", "@")):
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                self._socket.connect("\0" + address[1:] if address[0] == "@" else address)
            except OSError:
                self._socket.close()
                self._socket = None

    def tell(self, text: str) -> None:
        """Send *text*."""
        if self._socket is None:
            return
        try:
            os.write(self._socket.fileno(), text.encode())
        except OSError:
            self._socket = None
