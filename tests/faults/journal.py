"""The journal's end of the daemon's log: every line with its fields, the code of the catalogue among them.

Run as a program, ``python -m tests.faults.journal SOCKET COMMAND ...`` is citygate itself, which finds the
journal's socket at SOCKET instead of below /run.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import IO, Final

_LONGEST: Final = 1 << 20


class Journal:
    """Listens at *path* and keeps what it hears, each line with when it came."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[tuple[float, dict[str, str]]] = []
        self.bytes = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def command(self, *words: str) -> list[str]:
        """Give what runs citygate with these *words* so that it speaks to this journal."""
        return [sys.executable, "-m", "tests.faults.journal", str(self.path), *words]

    def codes(self, since: float = 0.0, **fields: str) -> list[str]:
        """List the codes of the lines since a monotonic time, of those with these *fields*."""
        return [
            line["CODE"]
            for at, line in list(self.lines)
            if at >= since and "CODE" in line and fields.items() <= line.items()
        ]

    def text(self) -> str:
        """Give all messages, for a failure's message."""
        return "\n".join(f"{line.get('CODE', '-')}: {line['MESSAGE']}" for _, line in list(self.lines))

    def close(self) -> None:
        """Stop listening."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.connect(str(self.path))
            last.send(b"")
        self._thread.join(10)
        self._socket.close()

    def _listen(self) -> None:
        while data := self._socket.recv(_LONGEST):
            self.bytes += len(data)
            self.lines.append((time.monotonic(), fields(data)))


def fields(data: bytes) -> dict[str, str]:
    """Read a record of the journal's native protocol."""
    found: dict[str, str] = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack_from("<Q", data)
            value, data = data[8 : 8 + length], data[8 + length + 1 :]
        found[name.decode()] = value.decode(errors="replace")
    return found


def stream_of(file: IO[bytes]) -> str:
    """Give JOURNAL_STREAM, by which a service knows that its standard error is the journal's."""
    found = os.fstat(file.fileno())
    return f"{found.st_dev}:{found.st_ino}"


def main() -> int:
    """Run citygate beside the journal named first."""
    from agent import journal
    from agent.cli.main import main as citygate

    path = Path(sys.argv.pop(1))
    journal._SOCKET = path  # type: ignore[misc]  # the one thing that is another than on a gateway
    first = journal.JournalHandler.__init__
    first.__defaults__ = (path, *(first.__defaults__ or ())[1:])
    sys.argv[0] = "citygate"
    return citygate()


if __name__ == "__main__":
    sys.exit(main())
