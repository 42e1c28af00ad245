"""Where secrets are kept: sealed by systemd for this computer, or in a file that the gateway's user can read.

It refuses to leave a value readable for others, not even for a moment, and to keep one name in two places.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError
from agent.core.folders import config_folder
from agent.core.secrets import sealed_folder

_GROUP: Final = "citygate"
_SYSTEMD: Final = Path("/run/systemd/system")
SEALED: Final = "sealed for this computer"
PLAIN: Final = f"readable by root and the group {_GROUP}"


def keep(name: str, value: bytes, *, plain: bool) -> str:
    """Keep *value* as *name* in place of an older one; say how."""
    clear, closed = _clear() / name, sealed_folder() / name
    if not plain and _seal(value, name, closed):
        clear.unlink(missing_ok=True)
        return SEALED
    _write(value, clear)
    closed.unlink(missing_ok=True)
    return PLAIN


def kept() -> dict[str, str]:
    """Give the names of all secrets, and how each is kept."""
    return dict.fromkeys(_names(_clear()), PLAIN) | dict.fromkeys(_names(sealed_folder()), SEALED)


def forget(name: str) -> bool:
    """Remove *name*; say whether it was there."""
    places = [place for place in (_clear() / name, sealed_folder() / name) if place.is_file()]
    for place in places:
        place.unlink()
    return bool(places)


def opened(name: str) -> bytes:
    """Give a secret back to us, which for a sealed one takes root; raise GatewayError if it cannot be had."""
    if (place := _clear() / name).is_file():
        return place.read_bytes()
    place = sealed_folder() / name
    if not place.is_file():
        raise GatewayError(f"there is no secret called {name}; `citygate secret list` shows those there are")
    done = subprocess.run(  # noqa: S603
        [_program() or "systemd-creds", "decrypt", f"--name={name}", str(place), "-"],
        capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise GatewayError(f"{name} cannot be opened; use sudo: {done.stderr.decode().strip()}")
    return done.stdout


def _clear() -> Path:
    return config_folder() / "credentials"


def _program() -> str | None:
    return shutil.which("systemd-creds")


def _seal(value: bytes, name: str, path: Path) -> bool:
    """Have systemd encrypt *value* into *path*; say whether it could."""
    program = _program()
    if program is None or not _SYSTEMD.is_dir():
        return False
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    part = path.with_name(f".{name}.part")
    part.unlink(missing_ok=True)
    words = [program, "encrypt", f"--name={name}", "-", str(part)]
    done = subprocess.run(words, input=value, capture_output=True, check=False)  # noqa: S603
    if done.returncode:
        print(f"systemd cannot encrypt here: {done.stderr.decode().strip()}", file=sys.stderr)
        return False
    part.chmod(0o600)
    part.replace(path)
    return True


def _write(value: bytes, path: Path) -> None:
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
