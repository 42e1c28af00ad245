"""Finds the cheapest requests that read all points of a device: dynamic programming over the address space.

Pure. A request costs a fixed part and a part per register, so reading a gap can be cheaper than asking
twice. No request exceeds the device's limit, splits a value, or covers a stretch that the device refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from msgspec import Struct

from drivers.modbus.point import BIT_TABLES, Table

REGISTERS: Final = 125
BITS: Final = 2000
"""The most that one reply can carry (MODBUS Application Protocol V1.1b3, §6.1-6.4)."""


class Span(Struct, frozen=True, order=True, gc=False):
    """Where one point lies: its table, first address from zero, and length in registers or bits.

    Points of the same ``group`` (empty: none) are read in one request or not at all.
    """

    table: Table
    start: int
    size: int
    name: str
    group: str = ""

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + self.size


class Block(Struct, frozen=True, gc=False):
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
    """The longest request that a device answers; ``merged`` is False where it gives one value at a time."""

    registers: int = REGISTERS
    bits: int = BITS
    merged: bool = True

    def of(self, table: Table) -> int:
        """Give the limit for *table*."""
        return self.bits if table in BIT_TABLES else self.registers


def blocks(
    spans: Iterable[Span], *, cost: Cost, limits: Limits, refused: Sequence[Block] = ()
) -> tuple[Block, ...]:
    """Cover *spans* by requests of least total cost; no request covers a *refused* block whole.

    Raise ValueError if a value or a group is longer than the limit.
    """
    by_table: dict[Table, list[Block]] = {}
    for atom in atoms(spans):
        if atom.size > limits.of(atom.table):
            name = atom.spans[0].group or atom.spans[0].name
            raise ValueError(f"{name} needs {atom.size} registers at once, more than the limit")
        by_table.setdefault(atom.table, []).append(atom)
    found: list[Block] = []
    for table, group in by_table.items():
        forbidden = [block for block in refused if block.table == table]
        found += _cheapest(group, cost, limits.of(table), forbidden) if limits.merged else group
    return tuple(found)


def price(plan: Iterable[Block], cost: Cost) -> float:
    """Give the milliseconds that a cycle of *plan* takes."""
    return sum(cost.of(block.table, block.size) for block in plan)


def atoms(spans: Iterable[Span]) -> list[Block]:
    """Give what must not be divided, by table and address: single values, and groups."""
    alone: list[Block] = []
    groups: dict[tuple[Table, str], list[Span]] = {}
    for span in sorted(set(spans)):
        if span.group:
            groups.setdefault((span.table, span.group), []).append(span)
        else:
            alone.append(Block(span.table, span.start, span.size, (span,)))
    if not groups:
        return alone
    return sorted(alone + [_block(group) for group in groups.values()], key=_place)


def _place(block: Block) -> tuple[Table, int, int]:
    return block.table, block.start, block.size


def _cheapest(atoms: Sequence[Block], cost: Cost, limit: int, refused: Sequence[Block]) -> list[Block]:
    """Solve one table from its end: the best cover of atoms[i:] is a first block and the best of the rest."""
    table, fixed = atoms[0].table, cost.request
    each = cost.of(table, 1) - fixed
    ends = [atom.end for atom in atoms]
    least = [0.0] * (len(atoms) + 1)
    cuts = [0] * len(atoms)
    for first in range(len(atoms) - 1, -1, -1):
        start, end = atoms[first].start, ends[first]
        # an atom always fits alone, even where a refusal says otherwise: somebody must report on it
        choice, cut = fixed + each * (end - start) + least[first + 1], first + 1
        for last in range(first + 1, len(atoms)):
            # written out, because 50 devices of 100 points stand still for it: a quarter of the time
            if ends[last] > end:  # noqa: PLR1730
                end = ends[last]
            if end - start > limit or (refused and _is_refused(table, start, end, refused)):
                break
            if (total := fixed + each * (end - start) + least[last + 1]) < choice:
                choice, cut = total, last + 1
        least[first], cuts[first] = choice, cut
    found, at = [], 0
    while at < len(atoms):
        found.append(_merged(atoms[at : cuts[at]]))
        at = cuts[at]
    return found


def _is_refused(table: Table, start: int, end: int, refused: Sequence[Block]) -> bool:
    return any(Block(table, start, end - start, ()).covers(bad) for bad in refused)


def _merged(atoms: Sequence[Block]) -> Block:
    return _block(sorted(span for atom in atoms for span in atom.spans))


def _block(spans: Sequence[Span]) -> Block:
    start, end = spans[0].start, max(span.end for span in spans)
    return Block(spans[0].table, start, end - start, tuple(spans))


def is_divisible(block: Block) -> bool:
    """Say whether *block* holds more than one atom."""
    return len(block.spans) > 1 and len(atoms(block.spans)) > 1


def split(block: Block) -> tuple[Block, Block]:
    """Cut a refused block in two: at its largest gap, and of equal ones at the middlemost.

    It must be divisible; no value and no group is cut through.
    """
    parts = atoms(block.spans)
    gaps: list[tuple[int, int, int]] = []
    end, count = 0, len(parts)
    for index, (before, after) in enumerate(pairwise(parts), 1):
        end = max(end, before.end)
        gaps.append((max(0, after.start - end), -abs(2 * index - count), index))
    cut = max(gaps)[2]
    return _merged(parts[:cut]), _merged(parts[cut:])
