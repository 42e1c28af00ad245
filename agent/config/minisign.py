"""Verifies signatures of minisign, both forms of them: over the file, and over its BLAKE2b digest.

Whom to trust are public keys as minisign writes them, each below a comment that names its holder. What a
signature says of itself (the trusted comment) is verified too. It refuses everything that it does not
understand, and needs no program for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core.ed25519 import verifies
from agent.core.errors import GatewayError

SUFFIX: Final = ".minisig"
_COMMENT: Final = "untrusted comment:"
_TRUSTED: Final = "trusted comment: "
_USUAL: Final = "minisign public key"
_KEY: Final = b"Ed"
_WHOLE, _HASHED = b"Ed", b"ED"


class Signer(Struct, frozen=True):
    """Somebody who may sign: a name, the key's id and the key."""

    name: str
    id: bytes
    key: bytes


class _Signature(Struct, frozen=True):
    """One signature as it stands in a file: ``second`` is over the first and the trusted comment."""

    form: bytes
    id: bytes
    first: bytes
    comment: bytes
    second: bytes


def signer_of(raw: bytes, signature: Path, allowed: Path) -> str:
    """Give who signed *raw*; raise ValueError with a sentence, and after "; " what to do."""
    made = _read(signature)
    known = [one for one in signers(allowed) if one.id == made.id]
    if not known:
        raise ValueError(f"signed by nobody of {allowed.name}; one of those has to sign it")
    signed = hashlib.blake2b(raw).digest() if made.form == _HASHED else raw
    try:
        for one in known:
            is_whole = verifies(one.key, made.first + made.comment, made.second)
            if is_whole and verifies(one.key, signed, made.first):
                return one.name
    except GatewayError as error:
        raise ValueError(str(error)) from error
    raise ValueError(f"not what {known[0].name} signed; restore it, or sign it anew")


def signers(allowed: Path) -> list[Signer]:
    """List who may sign; none where the file cannot be read."""
    try:
        text = allowed.read_text("utf-8", "replace")
    except OSError:
        return []
    return list(_signers(text))


def is_secret_key(path: Path) -> bool:
    """Say whether *path* holds a secret key of minisign."""
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, ValueError):
        return False
    return len(lines) >= 2 and lines[0].startswith(_COMMENT)


def sign(raw: bytes, key: Path) -> bytes:
    """Give the signature over *raw* by the program minisign, which asks for the key's password itself."""
    import shutil

    program = shutil.which("minisign")
    if program is None:
        raise ValueError("this is a key of minisign, whose program is not here; install minisign")
    import tempfile  # with all that it imports, half a megabyte: for who signs, not for the daemon

    with tempfile.TemporaryDirectory() as folder:
        file, made = Path(folder, "policy"), Path(folder, "policy.minisig")
        file.write_bytes(raw)
        words = ("-S", "-s", str(key.resolve()), "-m", str(file), "-x", str(made), "-t", "citygate policy")
        done = subprocess.run(  # noqa: S603 - a fixed program, and words that are no options
            [program, *words], stderr=subprocess.PIPE, stdout=2, check=False
        )
        if done.returncode or not made.exists():
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise ValueError(f"{key} does not sign: {said}")
        return made.read_bytes()


def _signers(text: str) -> Iterator[Signer]:
    name = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith(_COMMENT):
            name = line.removeprefix(_COMMENT).strip()
            continue
        found = _decoded(line)
        if len(found) == 42 and found[:2] == _KEY:
            id_, key = found[2:10], found[10:]
            named = name if name and not name.startswith(_USUAL) else f"key {id_[::-1].hex().upper()}"
            yield Signer(named, id_, key)
        name = ""


def _read(place: Path) -> _Signature:
    """Understand a signature file: two lines with a comment before each."""
    try:
        lines = place.read_bytes().splitlines()
    except OSError as error:
        raise ValueError(f"{place.name} cannot be read: {os.strerror(error.errno or 0)}") from error
    first = _decoded(lines[1].decode("ascii", "replace")) if len(lines) >= 4 else b""
    is_signature = len(first) == 74 and first[:2] in (_WHOLE, _HASHED)
    if not is_signature or not lines[2].startswith(_TRUSTED.encode()):
        raise ValueError(f"{place.name} is no signature of minisign; sign it anew")
    second = _decoded(lines[3].decode("ascii", "replace"))
    comment = lines[2].removeprefix(_TRUSTED.encode())
    return _Signature(first[:2], first[2:10], first[10:], comment, second)


def _decoded(line: str) -> bytes:
    try:
        return base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        return b""
