"""Pack what whoever helps from afar needs: status, findings, log and configuration, without secrets.

The file holds no password, no value that was read, no count, and nothing of the outbox. Look into it before
you send it: `tar -xzOf FILE`. Without root, parts of the log may be missing.

For example:
  sudo citygate support
  citygate support ./site --out /tmp/help.tar.gz
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate support` takes."""
    options.folder(parser)
    options.state(parser)
    options.socket(parser)
    parser.add_argument(
        "--out", metavar="FILE", type=Path, help="file to write (default: citygate-support-DATE.tar.gz here)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the file."""
    from datetime import UTC, datetime

    from agent.doctor.bundle import packed, parts_of
    from agent.doctor.gather import gather

    facts = gather(args.folder, args.state, args.socket)
    parts = parts_of(facts, args.folder, args.socket)
    day = datetime.fromtimestamp(facts.now, UTC).strftime("%Y-%m-%d-%H%M")
    place = args.out or Path(f"citygate-support-{day}.tar.gz")
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # never over another file
    with os.fdopen(handle, "wb") as file:
        file.write(packed(parts, facts.now))
    for name in sorted(parts):
        print(f"  {name} ({len(parts[name].encode())} bytes)")
    print(f"{place}: look into it before you send it: tar -xzOf {place} | less")
    return 0
