"""The tree of a day is that of RFC 6962, however its leaves came."""

from __future__ import annotations

from hashlib import sha256

import pytest

from agent.outbox.merkle import Day, root_of


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def tree(leaves: list[bytes]) -> bytes:
    """Compute the root as section 2.1 writes it down."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    split = 1
    while 2 * split < len(leaves):
        split *= 2
    return sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


@pytest.mark.parametrize("many", range(20))
def test_a_root_is_that_of_the_specification(many: int) -> None:
    leaves = [digest(one) for one in range(many)]
    assert root_of(leaves) == tree(leaves)
    day = Day()
    for number, leaf in enumerate(leaves, 1):
        day.add(4, number, 10, leaf)
    assert day.root == tree(leaves)
    assert (day.n, day.size) == (many, 10 * many)
    assert day.members == ([(4, 1, many)] if many else [])
    heights = [height for height, _ in day.peaks]
    assert heights == [bit for bit in reversed(range(6)) if many >> bit & 1], "as it stands on disk"


def test_what_does_not_follow_on_begins_a_new_stretch() -> None:
    day = Day()
    for epoch, seq in ((4, 1), (4, 2), (4, 4), (5, 5), (5, 6), (5, 1)):
        day.add(epoch, seq, 1, digest(seq))
    assert day.members == [(4, 1, 2), (4, 4, 4), (5, 5, 6), (5, 1, 1)]
