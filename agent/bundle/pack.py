"""One bundle as bytes: a head, the signature, and a tar of files; what it holds, and what it may not hold.

The same files make the same bytes. What decides whom to trust (``allowed_signers``, ``allowed_minisign``,
``bundle_signers``) and secrets never come in a bundle: whoever may change a configuration must not thereby
change who may.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

MAGIC: Final = b"citygate-bundle 1\n"
NAMESPACE: Final = "citygate-bundle"
SIGNERS: Final = "bundle_signers"
LONGEST: Final = 256_000_000
_HEAD: Final = "bundle.json"
_SIGNATURE: Final = 16_384
_MEMBERS: Final = 4096
# what tarfile raises for one that was garbled
_DAMAGED: Final = (tarfile.TarError, ValueError, OverflowError, RecursionError, EOFError, OSError)
_ALLOWED: Final = re.compile(
    r"config/(?:[\w-][\w.-]*\.toml(?:\.(?:mini)?sig)?|site\.d/[\w-][\w.-]*\.toml|profiles/[\w-]+/[\w-][\w.-]*\.toml"
    r"|models/[\w-][\w.-]*\.toml)|models/[\w-][\w.-]*\.citymodel"
)


class Manifest(Struct, frozen=True, kw_only=True):
    """For which gateway a bundle is, and which number it has there: a lower one is an old one."""

    city: str
    site: str
    gateway: str
    number: int

    @property
    def place(self) -> str:
        """Give ``city/site/gateway``."""
        return f"{self.city}/{self.site}/{self.gateway}"


class Bundle(Struct, frozen=True):
    """What was unpacked: files by name, below ``config/`` and ``models/``."""

    manifest: Manifest
    files: Mapping[str, bytes]


def gathered(folder: Path, models: list[Path]) -> dict[str, bytes]:
    """Give the files of a configuration folder that a bundle may hold, and the *models*."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = f"config/{path.relative_to(folder)}"
        if path.is_file() and _ALLOWED.fullmatch(name):
            found[name] = path.read_bytes()
    found.update({f"models/{one.name}": one.read_bytes() for one in models})
    return found


def content(manifest: Manifest, files: Mapping[str, bytes]) -> bytes:
    """Write what is signed; raise ValueError for a file that a bundle may not hold."""
    for name in files:
        _check(name)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in [(_HEAD, msgspec.json.encode(manifest)), *sorted(files.items())]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def sealed(raw: bytes, signature: bytes) -> bytes:
    """Put head, signature and content together."""
    return MAGIC + f"{len(signature)}\n".encode() + signature + raw


def opened(data: bytes) -> tuple[bytes, bytes]:
    """Give content and signature of a bundle; raise ValueError if it is none."""
    if not data.startswith(MAGIC):
        raise ValueError("this is no bundle of citygate")
    size, newline, rest = data[len(MAGIC) :].partition(b"\n")
    if not newline or not size.isdigit() or not 0 < int(size) <= _SIGNATURE or len(rest) <= int(size):
        raise ValueError("this bundle is cut off or damaged")
    return rest[int(size) :], rest[: int(size)]


def read(raw: bytes) -> Bundle:
    """Unpack content whose signature was verified; raise ValueError for what should not be in it."""
    files: dict[str, bytes] = {}
    for name, data in _members(raw):
        if len(files) > _MEMBERS:
            raise ValueError("this bundle holds too many files")
        if data is None or name in files:
            raise ValueError(f"{name} in this bundle is no plain file, or is there twice")
        files[name] = data
    try:
        manifest = msgspec.json.decode(files.pop(_HEAD, b""), type=Manifest)
    except ValueError as error:
        raise ValueError(f"this bundle cannot be unpacked: {error}") from error
    for name in files:
        _check(name)
    return Bundle(manifest, files)


def _members(raw: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Give name and content of each member; None: it is no plain file, or claims to be more than it is."""
    try:
        with tarfile.open(fileobj=io.BytesIO(raw), mode="r:") as tar:
            for info in tar:
                is_plain = info.isreg() and not info.issparse() and 0 <= info.size <= len(raw)
                member = tar.extractfile(info) if is_plain else None
                yield info.name, None if member is None else member.read()
    except _DAMAGED as error:
        raise ValueError(f"this bundle cannot be unpacked: {error}") from error


def _check(name: str) -> None:
    if not _ALLOWED.fullmatch(name):
        raise ValueError(
            f"a bundle may not hold {name}: only *.toml, their signatures, site.d, profiles and models"
        )
