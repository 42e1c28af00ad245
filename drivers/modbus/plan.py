"""Finds the cheapest requests that read all points of a device: dynamic programming over the address space.

Pure. A request costs a fixed part and a part per register, so reading a gap can be cheaper than asking
twice. No request exceeds the device's limit, splits a value, or covers a stretch that the device refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from drivers.modbus.point import BIT_TABLES, Table

REGISTERS: Final = 125
BITS: Final = 2000
"""The most that one reply can carry (MODBUS Application Protocol V1.1b3, §6.1-6.4)."""


class Span(Struct, frozen=True, order=True):
    """Where one point lies: its table, first address from zero, and length in registers or bits."""

    table: Table
    start: int
    size: int
    name: str

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + self.size


class Block(Struct, frozen=True):
    """One request and the points that its reply serves."""

    table: Table
    start: int
    size: int
    spans: tuple[Span, ...]

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + self.size

    def covers(self, other: Block) -> bool:
        """Say whether the whole of *other* would be read by this block too."""
        return self.table == other.table and self.start <= other.start and other.end <= self.end


class Cost(Struct, frozen=True):
    """What a request costs in milliseconds: the fixed part, and the part per register (16 bits)."""

    request: float
    register: float

    def of(self, table: Table, size: int) -> float:
        """Price a request for *size* registers or bits."""
        return self.request + self.register * (size / 16 if table in BIT_TABLES else size)


TCP: Final = Cost(5.0, 0.001)
"""A usual local network: the round trip is everything, so gaps are read up to the limit."""


class Limits(Struct, frozen=True):
    """The longest request that a device answers."""

    registers: int = REGISTERS
    bits: int = BITS

    def of(self, table: Table) -> int:
        """Give the limit for *table*."""
        return self.bits if table in BIT_TABLES else self.registers


def blocks(
    spans: Iterable[Span], *, cost: Cost, limits: Limits, refused: Sequence[Block] = ()
) -> tuple[Block, ...]:
    """Cover *spans* by requests of least total cost; no request covers a *refused* block whole.

    Raise ValueError if a value is longer than the limit.
    """
    by_table: dict[Table, list[Span]] = {}
    for span in sorted(set(spans)):
        if span.size > limits.of(span.table):
            raise ValueError(f"{span.name} needs {span.size} registers at once, more than the limit")
        by_table.setdefault(span.table, []).append(span)
    found: list[Block] = []
    for table, group in by_table.items():
        forbidden = [block for block in refused if block.table == table]
        found += _cheapest(group, cost, limits.of(table), forbidden)
    return tuple(found)


def _cheapest(spans: Sequence[Span], cost: Cost, limit: int, refused: Sequence[Block]) -> list[Block]:
    """Solve one table from its end: the best cover of spans[i:] is a first block and the best of the rest."""
    best: list[tuple[float, int]] = [(0.0, 0)] * (len(spans) + 1)
    for first in range(len(spans) - 1, -1, -1):
        # a span always fits alone, even where a refusal says otherwise: somebody must report on it
        choice = (cost.of(spans[first].table, spans[first].size) + best[first + 1][0], first + 1)
        end = spans[first].end
        for last in range(first + 1, len(spans)):
            end = max(end, spans[last].end)
            block = Block(spans[first].table, spans[first].start, end - spans[first].start, ())
            if block.size > limit or any(block.covers(bad) for bad in refused):
                break
            price = cost.of(block.table, block.size) + best[last + 1][0]
            choice = min(choice, (price, last + 1))
        best[first] = choice
    found, at = [], 0
    while at < len(spans):
        found.append(_block(spans[at : best[at][1]]))
        at = best[at][1]
    return found


def _block(spans: Sequence[Span]) -> Block:
    start, end = spans[0].start, max(span.end for span in spans)
    return Block(spans[0].table, start, end - start, tuple(spans))


def split(block: Block) -> tuple[Block, Block]:
    """Cut a refused block in two: at its largest gap, and of equal ones at the middlemost.

    There must be at least two points in it; none is cut through.
    """
    gaps: list[tuple[int, int, int]] = []
    end, count = 0, len(block.spans)
    for index, (before, after) in enumerate(zip(block.spans, block.spans[1:], strict=False), 1):
        end = max(end, before.end)
        gaps.append((max(0, after.start - end), -abs(2 * index - count), index))
    cut = max(gaps)[2]
    return _block(block.spans[:cut]), _block(block.spans[cut:])
