"""A week's lines go into a journal of their own, and its files are weighed.

A service with the drop-in log-namespace.conf sends them, over the socket that the gateway uses.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.systemd.computer import STORY, play, sh

# as journald@citygate.conf, but on the disk, and without a limit that a week within seconds would meet
CONFIGURATION = "[Journal]\nStorage=persistent\nSystemMaxUse=200M\nRateLimitIntervalSec=0\n"
UNIT = """
[Service]
Type=oneshot
WorkingDirectory=/story
ExecStart=/usr/bin/python3 -m tests.systemd.story_journal send
"""


def weigh() -> dict[str, Any]:
    """Send the lines, and give how many there are then, and the bytes of the files that hold them.

    ``closed`` are those of files that are full; the open one, which is empty, is 8 MB from its beginning.
    """
    Path("/etc/systemd/journald@citygate.conf").write_text(CONFIGURATION, "utf-8")
    drop_in = Path("/etc/systemd/system/citygate.service.d/log-namespace.conf")
    drop_in.parent.mkdir()
    drop_in.write_bytes((STORY / "log-namespace.conf").read_bytes())
    Path("/etc/systemd/system/citygate.service").write_text(UNIT, "utf-8")
    sh("systemctl daemon-reload; systemctl start citygate.service", check=True)
    sh("journalctl --namespace=citygate --sync; journalctl --namespace=citygate --rotate", check=True)
    entries = sh("journalctl --namespace=citygate -u citygate.service -o json | grep -c CODE", check=True)
    files = sorted(Path("/var/log/journal").glob("*.citygate/*.journal"))
    return {
        "entries": int(entries["out"]),
        "bytes": sum(map(_size, files)),
        "closed": sum(_size(one) for one in files if "@" in one.name),
        "one": sh("journalctl --namespace=citygate -n 1 CODE=device-silent -o json")["out"],
    }


def _size(file: Path) -> int:
    return file.stat().st_blocks * 512


def lines() -> Iterator[bytes]:
    """Give each line as the gateway would send it."""
    data = (STORY / "lines").read_bytes()
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def send() -> None:
    """Send all lines."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.connect("/run/systemd/journal/socket")
        for one in lines():
            line.send(one)


if __name__ == "__main__":
    if sys.argv[1:] == ["send"]:
        send()
    else:
        play((weigh,))
