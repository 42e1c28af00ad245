"""Packs what whoever helps from afar needs to see, and nothing more: no secret, no value, no count.

The files of the configuration are redacted, the outbox stays here, and of the gateway's answers only those
are taken that hold no reading.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import to_builtins

from agent.core.errors import GatewayError
from agent.core.folders import credential_folders
from agent.doctor.examine import examine
from agent.doctor.facts import Facts
from agent.doctor.redact import redacted
from agent.status import ask

_LINES: Final = 2000
_PATIENCE: Final = 20.0


def parts_of(facts: Facts, folder: Path, control: Path) -> dict[str, str]:
    """Give the files of the bundle by name, redacted."""
    found = {
        "doctor.json": json.dumps([to_builtins(one) for one in examine(facts)], indent=2),
        "status.json": _status(control),
        "journal.txt": _journal(),
        **_configuration(folder),
    }
    known = _secrets(folder)
    return {name: redacted(text, known) for name, text in found.items()}


def packed(parts: Mapping[str, str], at: float) -> bytes:
    """Give a compressed tar of *parts*; everything in it is of the second *at*."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name in sorted(parts):
            data = parts[name].encode()
            info = tarfile.TarInfo(f"citygate-support/{name}")
            info.size, info.mtime, info.mode = len(data), int(at), 0o600
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _status(control: Path) -> str:
    try:
        return json.dumps(ask(control, {"ask": "status"}), indent=2)
    except GatewayError as error:
        return json.dumps({"error": str(error)})


def _journal() -> str:
    """Give the last lines of the gateway and its cameras, as the journal has them."""
    program = shutil.which("journalctl")
    if program is None:
        return "there is no journal here\n"
    units = ["-u", "citygate.service", "-u", "citygate-vision.service"]
    try:
        said = subprocess.run(  # noqa: S603 - a fixed program, and words that are no options
            [program, *units, "-n", str(_LINES), "--no-pager", "-o", "short-iso"],
            capture_output=True, timeout=_PATIENCE, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the journal cannot be read: {error}\n"
    return said.stdout.decode("utf-8", errors="replace")


def _configuration(folder: Path) -> dict[str, str]:
    files = sorted(folder.rglob("*.toml")) if folder.is_dir() else [folder]
    top = folder if folder.is_dir() else folder.parent
    found = {}
    for path in files:
        with suppress(OSError):
            name = str(path.relative_to(top))
            found[f"configuration/{name}"] = path.read_text("utf-8", errors="replace")
    return found


def _secrets(folder: Path) -> set[str]:
    """Give every secret that we may read ourselves, so that none of them can stand anywhere."""
    top = folder if folder.is_dir() else folder.parent
    places = {*credential_folders(), top / "credentials"}
    return {text for place in places for text in _texts(place)}


def _texts(place: Path) -> Iterator[str]:
    with suppress(OSError):
        for path in place.iterdir():
            with suppress(OSError, UnicodeDecodeError):
                if path.is_file():
                    yield path.read_bytes().decode("utf-8").strip()
