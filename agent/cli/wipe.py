"""Take this gateway out of service: keep a copy of the ledger, remove state, keys, secrets and configuration.

What was promised must stay provable, so a copy of the ledger is asked for; `citygate ledger verify --state
FILE` judges it. Sealed secrets cannot be opened without this computer's key. Bytes on an SD card or an SSD
may outlast a removal: whoever must be sure destroys it, or has encrypted it from the beginning.

For example:
  sudo citygate wipe library/gw1 --ledger /media/usb/library-gw1.db
  sudo citygate wipe library/gw1 --without-ledger
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import fence, options
from agent.cli.apply import UNITS
from agent.core.errors import ConfigError, GatewayError
from agent.outbox.schema import UNREADABLE

if TYPE_CHECKING:
    import argparse

_SERVICES: Final = (
    "citygate.service",
    "citygate-bundle.service",
    "citygate-renew.timer",
    "citygate-vision.socket",
    "citygate-vision.service",
)


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate wipe` takes."""
    parser.add_argument(
        "place", metavar="SITE/GATEWAY", help="which gateway you mean, so that it is no other"
    )
    ledger = parser.add_mutually_exclusive_group(required=True)
    ledger.add_argument("--ledger", metavar="FILE", type=Path, help="where a copy of the ledger goes first")
    ledger.add_argument("--without-ledger", action="store_true", help="nothing of it has to stay provable")
    options.config(parser)
    options.state(parser)


def run(args: argparse.Namespace) -> int:
    """Stop, keep a copy, remove."""
    from agent.config.load import load, outbox_folder
    from agent.outbox.outbox import FILE

    place = load(args.folder).place
    own = f"{place.site}/{place.gateway}"
    if args.place != own:
        raise ConfigError(f"this gateway is {own}, not {args.place}; nothing was removed")
    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder} is a file; name the folder of the configuration")
    state = Path(outbox_folder(args.folder) or args.state)
    _stop()
    if args.ledger:
        copy(state / FILE, args.ledger)
        print(f"the ledger is kept in {args.ledger}")
    removed = sum(_empty(folder) for folder in {state, args.state, args.folder})
    for name in (fence.SITE, fence.CLOCK, fence.CAMERAS):
        (UNITS / name).unlink(missing_ok=True)
    os.sync()
    print(
        f"{removed} files of {own} were removed. The journal keeps what was logged: no figure and no secret "
        "stands in it. `sudo apt purge citygate citygate-vision` removes the programs."
    )
    return 0


def copy(ledger: Path, place: Path) -> None:
    """Copy the ledger whole, what is still in its log too; raise GatewayError if that cannot be."""
    if not ledger.is_file():
        raise GatewayError(f"there is no ledger at {ledger}; nothing was removed. --without-ledger goes on")
    if place.exists():
        raise GatewayError(f"{place} is there already; nothing was removed. Name a new file")
    try:
        with closing(sqlite3.connect(ledger)) as source, closing(sqlite3.connect(place)) as out:
            source.backup(out)
            sound = out.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    except UNREADABLE as error:
        raise GatewayError(f"the ledger cannot be copied to {place}: {error}; nothing was removed") from error
    if not sound:
        raise GatewayError(f"the copy in {place} is not sound; nothing was removed")
    with place.open("rb") as file:
        os.fsync(file.fileno())


def _stop() -> None:
    if Path("/run/systemd/system").is_dir():
        # disabled too: after a power cut in the middle of this nothing must begin anew
        words = ["systemctl", "disable", "--quiet", "--now", *_SERVICES]
        subprocess.run(words, check=False, capture_output=True)  # noqa: S603


def _empty(folder: Path) -> int:
    """Remove all that is in *folder*; say how many files that were."""
    if not folder.is_dir():
        return 0
    count = sum(1 for path in folder.rglob("*") if not path.is_dir())
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return count
