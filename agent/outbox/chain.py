"""The hash chain that makes the outbox a ledger: each row is bound to the one before it.

link = SHA-256(previous link || header || SHA-256(body)). The body enters by its digest only, so that
retention may erase it and the chain still holds.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

START: Final = bytes(32)

Head = tuple[int, str, int, int, str, float, float, str, str, str]
"""id, route, epoch, seq, kind, made, boot, policy, topic, props: all that a link vouches for."""


def digest(body: bytes) -> bytes:
    """Give the SHA-256 of a message as it left."""
    return sha256(body).digest()


def link(previous: bytes, head: Head, body_digest: bytes) -> bytes:
    """Bind a row to the one before it."""
    return sha256(previous + msgspec.json.encode(head) + body_digest).digest()
