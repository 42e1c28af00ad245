"""Finds and writes the files of an EDE set: ``X_EDE.csv`` and its companions, ``X_StateTexts.csv`` first.

Only this file opens any; an existing one is never written over.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent.core.errors import ConfigError
from drivers.bacnet.ede import ENDS, Ede, ede_files, ede_of
from drivers.bacnet.facts import DeviceFacts

_STATE_TEXTS: Final = ("statetexts", "statetext", "stattexts")
_LARGEST: Final = 64 << 20


def read(file: Path) -> Ede:
    """Read *file* and the state texts beside it; raise ConfigError if it is no EDE file."""
    texts = _companion(file)
    return ede_of(_bytes(file), str(file), (_bytes(texts), str(texts)) if texts else None)


def places(file: Path) -> list[Path]:
    """Give the files of the set that *file* names (``X``, ``X.csv`` or ``X_EDE.csv``).

    Raise ConfigError if one of them is there already.
    """
    found = [file.with_name(_stem(file) + end) for end in ENDS]
    for place in found:
        if place.exists():
            raise ConfigError(f"{place} is there already, and nothing is overwritten; name another file")
    return found


def write(file: Path, devices: Sequence[DeviceFacts], *, changed: str) -> list[Path]:
    """Write *devices* as the set that *file* names; give its files. *changed* is the day."""
    parts = ede_files(devices, project=_stem(file), changed=changed)
    found = places(file)
    for place, data in zip(found, parts, strict=True):
        try:
            with place.open("xb") as out:
                out.write(data)
        except OSError as error:
            raise ConfigError(f"{place}: {error.strerror}") from error
    return found


def _stem(file: Path) -> str:
    name = file.stem if file.suffix.lower() == ".csv" else file.name
    return re.sub(r"[_-]?ede$", "", name, flags=re.I)


def _companion(file: Path) -> Path | None:
    """Find the state texts: the file beside it whose name differs in that word alone."""
    own = _letters(file).replace("ede", "", 1)
    wanted = {own + word for word in _STATE_TEXTS} | {word + own for word in _STATE_TEXTS}
    try:
        beside = sorted(one for one in file.parent.iterdir() if one != file)
    except OSError:
        return None
    return next((one for one in beside if _letters(one) in wanted), None)


def _letters(file: Path) -> str:
    return re.sub(r"[^a-z0-9]", "", file.stem.casefold())


def _bytes(file: Path) -> bytes:
    try:
        if file.stat().st_size > _LARGEST:
            raise ConfigError(f"{file} is larger than {_LARGEST >> 20} MB: no EDE file is")
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
