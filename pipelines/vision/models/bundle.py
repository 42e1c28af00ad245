"""A model in one file: what it is, the model, and the float model it is measured by.

A ZIP that is stored, not packed: weights do not shrink. Equal contents make equal bytes, so that a city can
compare hashes. A gateway needs nothing but this file: neither npm, nor the onnx package, nor a network.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from msgspec import Struct, json

from agent.core.errors import GatewayError
from agent.core.vision import Manifest

_MANIFEST: Final = "manifest.json"
_MODEL: Final = "model.onnx"
_REFERENCE: Final = "reference.onnx"
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)  # the earliest time that the format knows
_LARGEST: Final = 256 << 20
# what zipfile raises for one that was garbled, or packed in a way that it does not know
_DAMAGED: Final = (
    zipfile.BadZipFile, zlib.error, struct.error, KeyError, ValueError, EOFError, OSError, RuntimeError,
)  # fmt: skip


class Bundle(Struct, frozen=True):
    """A whole model; ``reference`` is ``model`` where nothing was changed."""

    manifest: Manifest
    model: bytes
    reference: bytes


def read(path: Path) -> Bundle:
    """Read the bundle at *path*; raise GatewayError when it is none, or not as it was made."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.decode(_member(archive, _MANIFEST, path), type=Manifest)
            model = _member(archive, _MODEL, path)
            same = manifest.reference_sha256 == manifest.sha256
            reference = model if same else _member(archive, _REFERENCE, path)
    except FileNotFoundError:
        raise GatewayError(f"{path}: there is no such file") from None
    except _DAMAGED as error:
        raise GatewayError(f"{path} is no model bundle, or is damaged: {error}") from error
    for what, data, wanted in (
        ("model", model, manifest.sha256),
        ("reference", reference, manifest.reference_sha256),
    ):
        if digest(data) != wanted:
            raise GatewayError(f"{path}: its {what} is not the one it was made with; copy it here again")
    return Bundle(manifest, model, reference)


def write(bundle: Bundle, path: Path) -> None:
    """Write the bundle to *path*, whole or not at all: what was there before stays until then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(half, "w") as archive:
            _put(archive, _MANIFEST, json.format(json.encode(bundle.manifest)) + b"\n")
            _put(archive, _MODEL, bundle.model)
            if bundle.manifest.reference_sha256 != bundle.manifest.sha256:
                _put(archive, _REFERENCE, bundle.reference)
        with half.open("rb") as file:
            os.fsync(file.fileno())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def digest(data: bytes) -> str:
    """Give the SHA-256 of *data* in hex."""
    return hashlib.sha256(data).hexdigest()


def _member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > _LARGEST:
        raise GatewayError(
            f"{path}: {name} in it is larger than {_LARGEST >> 20} MB, which no gateway could run"
        )
    return archive.read(info)


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _LONG_AGO), data)
