"""The chain binds all that a row vouches for, and can be followed without us."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from agent.outbox.chain import START, Head, digest, link

HEAD: Head = (7, "city.energy", 42, 3, "batch", 1795291200.0, 12.5, "3b683cb786f6", "topic", "{}")


def test_a_link_is_what_anybody_can_compute() -> None:
    """SHA-256 of the link before, the head as JSON, and the SHA-256 of the body."""
    head = json.dumps(HEAD, separators=(",", ":")).encode()
    assert link(START, HEAD, digest(b"body")) == sha256(bytes(32) + head + sha256(b"body").digest()).digest()


@pytest.mark.parametrize("place", range(len(HEAD)))
def test_another_head_is_another_link(place: int) -> None:
    changed = list(HEAD)
    changed[place] = HEAD[place] * 2
    assert link(START, tuple(changed), digest(b"body")) != link(START, HEAD, digest(b"body"))  # type: ignore[arg-type]


def test_another_body_or_another_link_before_is_another_link() -> None:
    right = link(START, HEAD, digest(b"body"))
    assert link(START, HEAD, digest(b"bodY")) != right
    assert link(right, HEAD, digest(b"body")) != right
