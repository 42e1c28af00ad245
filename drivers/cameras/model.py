"""What the bundle of a model says of itself; the model in it is not looked at here."""

from __future__ import annotations

import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from msgspec import json

from agent.core.vision import Manifest

_MANIFEST: Final = "manifest.json"
_LARGEST: Final = 1 << 16


def sha256_of(path: Path) -> str:
    """Give the SHA-256 that the bundle at *path* states of its model; empty when it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_MANIFEST) as file:
            return json.decode(file.read(_LARGEST), type=Manifest).sha256
    except (
        OSError,
        KeyError,
        ValueError,
        EOFError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
    ):
        return ""  # the process that runs it says what is wrong
