"""What the service manager hears from us: sd_notify(3) in plain datagrams.

Without ``NOTIFY_SOCKET`` every call does nothing. A manager that does not listen never stops the gateway:
it is told with a second's patience, and a failure is logged once.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from agent.core.catalogue.gateway import MANAGER_AWAY

_log = logging.getLogger(__name__)
_PATIENCE: Final = 1.0


class Notifier:
    """One connection to the service manager; ``watchdog_period`` is in seconds, 0 without a watchdog."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        given = os.environ if environment is None else environment
        self.watchdog_period = _watchdog_period(given)
        self._socket = _connect(given.get("NOTIFY_SOCKET", ""))
        self._status = ""

    def ready(self, status: str) -> None:
        """Say that start or reload is complete."""
        self._status = status
        self._tell(READY="1", STATUS=status)

    def status(self, sentence: str) -> None:
        """Show *sentence* in ``systemctl status``, when it is another one than before."""
        if sentence != self._status:
            self._status = sentence
            self._tell(STATUS=sentence)

    def reloading(self) -> None:
        """Say that a reload has begun; ``ready`` ends it."""
        self._tell(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))

    def stopping(self, status: str) -> None:
        """Say that the end has begun."""
        self._status = status
        self._tell(STOPPING="1", STATUS=status)

    def watchdog(self) -> None:
        """Prove life; only to be called after real progress."""
        self._tell(WATCHDOG="1")

    def extend(self, seconds: float) -> None:
        """Ask for *seconds* more before start or stop counts as failed."""
        self._tell(EXTEND_TIMEOUT_USEC=str(int(seconds * 1e6)))

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _tell(self, **words: str) -> None:
        if self._socket is None:
            return
        lines = (f"{key}={' '.join(word.split())}" for key, word in words.items())
        try:
            self._socket.send("\n".join(lines).encode())
        except OSError as error:
            MANAGER_AWAY.tell(_log, "does not listen to status messages any more", error)
            self.close()


def _connect(address: str) -> socket.socket | None:
    """Connect to *address*: a path, or an abstract name behind ``@``; other families are not for us."""
    if not address.startswith(("/", "@")):
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    connection.settimeout(_PATIENCE)
    try:
        connection.connect("\0" + address[1:] if address[0] == "@" else address)
    except OSError as error:
        connection.close()
        MANAGER_AWAY.tell(_log, f"cannot be reached at {address}", error)
        return None
    return connection


def _watchdog_period(environment: Mapping[str, str]) -> float:
    """Give the seconds within which the manager wants proof of life, if it wants it from this process."""
    period, process = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not period.isdecimal() or (process and process != str(os.getpid())):
        return 0.0
    return int(period) / 1e6
