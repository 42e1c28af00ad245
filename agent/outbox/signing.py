"""Keeps the key that signs the head of the ledger: made once, in the state folder, and for nothing else."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Final

from agent.core.ed25519 import SEED, Key
from agent.core.errors import OutboxError

KEY: Final = "ledger.key"
PUBLIC: Final = "ledger.pub"
_SPKI: Final = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what stands before the key in a PEM file


def own_key(folder: Path) -> Key:
    """Give the key in *folder*, making it at the first time; raise OutboxError if it cannot be had."""
    place = folder / KEY
    try:
        if not place.exists():
            _make(place)
        key = Key(bytes.fromhex(place.read_text("ascii").strip()))
        public = folder / PUBLIC
        if not public.exists() or read_public(public.read_text("ascii")) != key.public:
            public.write_text(pem(key.public), "ascii")
    except (OSError, ValueError) as error:
        raise OutboxError(f"the ledger's key {place} cannot be used: {error}") from error
    return key


def pem(public: bytes) -> str:
    """Write a public key so that any tool takes it: ``openssl pkeyutl -verify -pubin``."""
    return (
        f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(_SPKI + public).decode()}\n-----END PUBLIC KEY-----\n"
    )


def read_public(text: str) -> bytes:
    """Read a public key from PEM, or from the Base64 of its bytes; raise ValueError."""
    lines = [one.strip() for one in text.splitlines() if one.strip() and not one.startswith("-----")]
    found = base64.b64decode("".join(lines), validate=True).removeprefix(_SPKI)
    if len(found) != SEED:
        raise ValueError("this is no public key of Ed25519")
    return found


def _make(place: Path) -> None:
    """Write a new key so that a power cut leaves a whole one or none."""
    beside = place.with_name(f"{KEY}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(SEED) + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(place)
