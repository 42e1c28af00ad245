"""A Merkle tree that grows leaf by leaf and keeps only its peaks (the tree of RFC 6962, section 2.1).

With it a day of one route stays provable long after its rows are gone: root, number and bytes suffice to
tell whether what somebody kept is what left.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from msgspec import Struct

Peak = tuple[int, bytes]


class Day(Struct, kw_only=True):
    """What left on one route on one UTC day and is no longer in the table.

    ``members`` are the message numbers as (epoch, first, last), in the order of the leaves.
    """

    n: int = 0
    size: int = 0
    members: list[tuple[int, int, int]] = []
    peaks: list[Peak] = []

    def add(self, epoch: int, seq: int, size: int, digest: bytes) -> None:
        """Add one delivered message."""
        self.n += 1
        self.size += size
        if self.members and self.members[-1][0] == epoch and self.members[-1][2] == seq - 1:
            self.members[-1] = (epoch, self.members[-1][1], seq)
        else:
            self.members.append((epoch, seq, seq))
        self.peaks = grown(self.peaks, digest)

    @property
    def root(self) -> bytes:
        """The root over the digests of all members."""
        return root(self.peaks)


def grown(peaks: list[Peak], digest: bytes) -> list[Peak]:
    """Add a leaf: peaks of the same height join."""
    result = list(peaks)
    peak: Peak = (0, sha256(b"\0" + digest).digest())
    while result and result[-1][0] == peak[0]:
        height, left = result.pop()
        peak = (height + 1, sha256(b"\1" + left + peak[1]).digest())
    result.append(peak)
    return result


def root(peaks: list[Peak]) -> bytes:
    """Join the peaks from the right; of nothing it is the digest of nothing."""
    if not peaks:
        return sha256(b"").digest()
    found = peaks[-1][1]
    for _, left in reversed(peaks[:-1]):
        found = sha256(b"\1" + left + found).digest()
    return found


def root_of(digests: Iterable[bytes]) -> bytes:
    """Give the root over *digests*."""
    peaks: list[Peak] = []
    for digest in digests:
        peaks = grown(peaks, digest)
    return root(peaks)
