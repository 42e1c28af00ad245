"""Where log lines go, and how trouble is told once instead of a thousand times.

Under systemd a line becomes a journal record with its own fields (``DEVICE``, ``LINK``, ``RECIPIENT`` ...,
as in systemd.journal-fields(7)); without the journal's socket it goes to stderr behind the ``<N>`` of
sd-daemon(3); on a terminal it is written for people. Logging never waits: what a busy journal does not
take is counted and the count is told.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.core.catalogue.entry import Entry, priority

_SOCKET: Final = Path("/run/systemd/journal/socket")
_FLAPS: Final = "; it comes and goes: repeats are counted until it has been well for"
_FORM: Final = "%(asctime)s %(levelname)-7s %(message)s"


def set_up(
    *, level: int = logging.INFO, environment: Mapping[str, str] | None = None, unit: str = ""
) -> None:
    """Send all log lines of this process to the best place there is.

    *unit* is for a command of root: where there is a journal its lines go there, and count as *unit*'s.
    """
    given = os.environ if environment is None else environment
    root = logging.getLogger()
    is_ours = bool(unit) and os.geteuid() == 0 and _SOCKET.exists()
    root.handlers[:] = [JournalHandler(unit=unit) if is_ours else _best_handler(given)]
    root.setLevel(level)
    for chatty in ("aiomqtt", "mqtt", "asyncio"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))


class Trouble:
    """One thing that may fail: tells the first failure and the recovery, counts the repeats between.

    Something that fails again within *settle* seconds of its recovery comes and goes: that is told once,
    and the next recovery only after *settle* seconds without a failure.
    """

    def __init__(self, log: logging.Logger, *, settle: float = 60.0, **fields: str) -> None:
        self.since: float | None = None
        self.count = 0
        self._log = log
        self._settle = settle
        self._fields = fields
        self._flapping = False
        self._ended: float | None = None
        self._calm: float | None = None

    def failed(self, at: float, entry: Entry, *values: object) -> None:
        """Note a failure at boot time *at*; log it if it is the first."""
        self.count += 1
        self._calm = None
        if self.since is not None:
            self._log.debug(entry.text, *values, extra={"fields": self._fields})
            return
        self.since = at
        self._flapping = self._ended is not None and at - self._ended < self._settle
        more = f"{_FLAPS} {spoken(self._settle)}" if self._flapping else ""
        entry.tell(self._log, *values, more=more, **self._fields)

    def worked(self, at: float, entry: Entry, *values: object) -> bool:
        """Note that all is well at *at*; log it, and say so, if that ends the trouble."""
        if self.since is None:
            return False
        if self._flapping:
            self._calm = at if self._calm is None else self._calm
            if at - self._calm < self._settle:
                return False
        entry.tell(self._log, *values, COUNT=str(self.count), **self._fields)
        self.since, self.count, self._ended = None, 0, at
        return True


def spoken(seconds: float) -> str:
    """Give a span as people say it: ``40 s``, ``3 min``, ``5 h``, ``2 days``."""
    for least, unit, name in ((172800.0, 86400.0, "days"), (7200.0, 3600.0, "h"), (120.0, 60.0, "min")):
        if seconds >= least:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 10 or seconds == int(seconds) else f"{seconds:.1f} s"


def journal_record(fields: Mapping[str, str]) -> bytes:
    """Give *fields* in the journal's native protocol; a value of several lines is preceded by its length."""
    parts = bytearray()
    for name, text in fields.items():
        value = text.encode("utf-8", "replace")
        if b"\n" in value:
            parts += name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
        else:
            parts += name.encode() + b"=" + value + b"\n"
    return bytes(parts)


class JournalHandler(logging.Handler):
    """Hands records to the journal over one kept socket; falls back to stderr when it is away."""

    def __init__(self, path: Path = _SOCKET, unit: str = "") -> None:
        super().__init__()
        self._path = path
        # what journalctl -u takes from root as well as from the unit itself, see systemd.journal-fields(7)
        self._own = {"OBJECT_SYSTEMD_UNIT": unit} if unit else {}
        self._socket: socket.socket | None = None
        self._instead = PrefixHandler()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Send *record* without waiting."""
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": str(priority(record.levelno)),
            "SYSLOG_IDENTIFIER": "citygate",
            "LOGGER": record.name,
            **self._own,
        }
        if self._dropped:
            fields["DROPPED"] = str(self._dropped)
        given = getattr(record, "fields", None)
        if isinstance(given, Mapping):
            fields.update((str(key), str(value)) for key, value in given.items())
        try:
            self._send(journal_record(fields))
            self._dropped = 0
        except BlockingIOError:
            self._dropped += 1
        except OSError:
            self._instead.handle(record)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        super().close()

    def _send(self, data: bytes) -> None:
        if self._socket is not None:
            try:
                self._socket.send(data, socket.MSG_DONTWAIT)
            except (ConnectionError, FileNotFoundError):  # the journal was restarted
                self._socket.close()
                self._socket = None
            else:
                return
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            fresh.connect(str(self._path))
            fresh.send(data, socket.MSG_DONTWAIT)
        except OSError:
            fresh.close()
            raise
        self._socket = fresh


class PrefixHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for type checkers only
    """Writes to stderr with the ``<N>`` by which systemd knows the priority of every line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the text, each line with its priority."""
        prefix = f"<{priority(record.levelno)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def _best_handler(environment: Mapping[str, str]) -> logging.Handler:
    if _is_journal(environment.get("JOURNAL_STREAM", "")):
        return JournalHandler()
    if "JOURNAL_STREAM" in environment or "INVOCATION_ID" in environment:
        return PrefixHandler()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_FORM, "%H:%M:%S"))
    return handler


def _is_journal(stream: str) -> bool:
    """Say whether *stream* (``device:inode``) is what stderr is connected to, as systemd.exec(5) asks."""
    with suppress(OSError):
        here = os.fstat(2)
        return stream == f"{here.st_dev}:{here.st_ino}" and _SOCKET.exists()
    return False
