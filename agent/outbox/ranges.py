"""Which ids of a route are settled, as a few ranges, so that a long outage costs no memory.

Live-first sending leaves holes: the ranges around them are all that is kept. It refuses to know single
rows: whoever settles one says up to which id before it there is none of the same route.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class Ranges:
    """A set of whole numbers kept as sorted, disjoint ranges that never touch."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def add(self, first: int, last: int) -> None:
        """Add every number from *first* to *last*; nothing if there is none."""
        if last < first:
            return
        # every range that overlaps or touches the new one is swallowed by it
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_left(self._lasts, number)
        return at < len(self._lasts) and self._firsts[at] <= number

    def __len__(self) -> int:
        """Count the ranges, not the numbers."""
        return len(self._firsts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._lasts, strict=True)

    def holes(self, floor: int, top: int) -> list[tuple[int, int]]:
        """List what is missing between *floor* and *top* as pairs (after, up to)."""
        found: list[tuple[int, int]] = []
        after = floor
        for first, last in self:
            if last <= after:
                continue
            if first > top:
                break
            if first > after + 1:
                found.append((after, first - 1))
            after = last
        if after < top:
            found.append((after, top))
        return found

    def copy(self) -> Ranges:
        """Give an independent copy."""
        other = Ranges()
        other._firsts, other._lasts = self._firsts.copy(), self._lasts.copy()
        return other
