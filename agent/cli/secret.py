"""Keep a secret for `credential:NAME`; list the names, or remove one. A value is never shown.

It is asked for without being shown, or read from what is piped in. Where systemd can encrypt (Debian 12 and
newer) only the service on this very computer can open it; elsewhere, and with --plain, the gateway's user
reads a file. `sudo citygate apply` hands it over.

For example:
  sudo citygate secret set city-password
  sudo citygate secret set client-key < client.key
  sudo citygate secret list
  sudo citygate secret remove city-password
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import options
from agent.config.secrets import PREFIX, name_of, sealed_folder
from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    import argparse

_GROUP: Final = "citygate"
_LONGEST: Final = 1 << 20  # as systemd's own limit


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate secret` takes."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="WAY")
    for way, text in (("set", "ask for a secret and keep it"), ("remove", "forget a secret")):
        one = ways.add_parser(way, help=text)
        one.add_argument("name", metavar="NAME", help="what follows credential: in the configuration")
        if way == "set":
            one.add_argument("--plain", action="store_true", help="a file that the gateway's user can read")
        options.config(one)
    options.config(ways.add_parser("list", help="list the names"))


def run(args: argparse.Namespace) -> int:
    """Keep, list or remove."""
    folder: Path = args.folder / "credentials"
    if args.way == "list":
        kept = [(one, "readable by the gateway's user") for one in _names(folder)]
        kept += [(one, "sealed for this computer") for one in _names(sealed_folder())]
        print("\n".join(f"{name}: {how}" for name, how in sorted(kept)) or "There is no secret here.")
        return 0
    name = name_of(f"{PREFIX}{args.name}")
    places = [folder / name, sealed_folder() / name]
    if args.way == "remove":
        if not any(one.is_file() for one in places):
            raise GatewayError(
                f"there is no secret called {name}; `citygate secret list` shows those there are"
            )
        for one in places:
            one.unlink(missing_ok=True)
        print(f"removed {name}; `sudo citygate apply` takes it from the service")
        return 0
    value = _asked(name)
    how = "sealed: only the service on this computer can open it"
    if args.plain or not _sealed(value, name, places[1]):
        how = f"readable by root and the group {_GROUP}"
        _plain(value, places[0])
        places.reverse()
    places[0].unlink(missing_ok=True)  # an older value in the other place would win, or lie about
    print(f"kept {name}, {how}; `sudo citygate apply` hands it over")
    return 0


def _asked(name: str) -> bytes:
    if not sys.stdin.isatty():
        value = sys.stdin.buffer.read(_LONGEST + 1).removesuffix(b"\n")
    else:
        from getpass import getpass

        value = getpass(f"{name}: ").encode()
        if getpass(f"{name} again: ").encode() != value:
            raise ConfigError("the two are not the same; nothing was kept")
    if not value or len(value) > _LONGEST:
        raise ConfigError(f"{name} is {'empty' if not value else 'longer than 1 MB'}; nothing was kept")
    return value


def _sealed(value: bytes, name: str, path: Path) -> bool:
    """Have systemd encrypt *value* into *path*; say whether it could."""
    program = shutil.which("systemd-creds")
    if program is None or not Path("/run/systemd/system").is_dir():
        return False
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = path.with_name(f".{name}.part")
    words = [program, "encrypt", f"--name={name}", "-", str(part)]
    part.unlink(missing_ok=True)
    done = subprocess.run(words, input=value, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        print(f"systemd cannot encrypt here: {done.stderr.decode().strip()}", file=sys.stderr)
        return False
    part.chmod(0o600)
    part.replace(path)
    return True


def _plain(value: bytes, path: Path) -> None:
    """Write a file that is never readable by others, not even for a moment."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    line = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(line, "wb") as file:
        file.write(value)
        os.fsync(file.fileno())
    with suppress(LookupError, PermissionError):  # a folder of one's own has no such group, and needs none
        shutil.chown(part, group=_GROUP)
        part.chmod(0o640)
    part.replace(path)


def _names(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if one.name[0] != "."] if folder.is_dir() else []
