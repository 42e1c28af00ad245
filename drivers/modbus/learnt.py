"""What a device taught us about its registers: which stretches it refuses, and how long a reply may be.

Pure: it is told outcomes and times, and plans accordingly. It holds for an hour, because firmware changes and
a busy device refuses what it usually gives; it is not kept beyond the life of the link.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct

from drivers.modbus.device import ModbusDevice
from drivers.modbus.plan import Block, Cost, Limits, Span, blocks, is_divisible
from drivers.modbus.point import BIT_TABLES
from drivers.modbus.request import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Answer, Fault

REFUSALS: Final = frozenset((ILLEGAL_ADDRESS, ILLEGAL_VALUE))
_FORGET: Final = 3600.0
_PATIENCE: Final = 60.0


class Outcome(Struct, frozen=True):
    """What became of one block."""

    block: Block
    reply: Answer | Fault


class Learnt:
    """What is known of one device."""

    def __init__(self, device: ModbusDevice) -> None:
        self._device = device
        self._any, self._forget_at = False, 0.0
        self._limits = device.limits
        self._refused: list[Block] = []
        self._whole_until: dict[Block, float] = {}
        self.unsupported: set[Span] = set()

    def plan(self, spans: Iterable[Span], cost: Cost) -> tuple[Block, ...]:
        """Plan the reading of *spans*, as far as the device has them."""
        wanted = [span for span in spans if span not in self.unsupported]
        return blocks(wanted, cost=cost, limits=self._limits, refused=self._refused)

    def may_cut(self, block: Block, reply: Answer | Fault) -> bool:
        """Say whether a part of *block* may be had although *reply* refuses it."""
        return is_refusal(reply) and is_divisible(block) and reply.at >= self._whole_until.get(block, 0.0)

    def refuse(self, block: Block) -> None:
        """Note that the device does not give the whole of *block*."""
        self._refused.append(block)

    def ends(self, block: Block, spans: Collection[Span]) -> tuple[int, ...]:
        """List the addresses behind values up to which *block* might be lengthened."""
        reach = block.start + self._limits.of(block.table)
        return tuple(
            span.end
            for span in spans
            if span.table == block.table
            and block.end < span.end <= reach
            and span not in self.unsupported
            and not any(
                Block(block.table, block.start, span.end - block.start, ()).covers(bad)
                for bad in self._refused
            )
        )

    def most(self, block: Block) -> int:
        """Give the longest request that the device answers in the table of *block*."""
        return self._limits.of(block.table)

    def learn(self, block: Block, parts: Sequence[Outcome], spans: Sequence[Span], *, too_long: bool) -> bool:
        """Remember how *block* had to be cut; say whether plans must change.

        They need not where the device refused everything: then it is not the addresses; nor where it fell
        silent meanwhile. A refused *value* is the number of registers (V1.1b3, §6.3): what it did give
        becomes the limit.
        """
        at = parts[0].reply.at
        if not any(isinstance(part.reply, Answer) for part in parts):
            self._refused = [one for one in self._refused if not block.covers(one)]
            if all(is_refusal(part.reply) for part in parts):
                self._whole_until[block] = at + _PATIENCE
            return False
        if not self._any:
            self._any, self._forget_at = True, at + _FORGET
        self._refused.append(block)
        if too_long and block.table not in BIT_TABLES:
            given = [part.block.size for part in parts if isinstance(part.reply, Answer)]
            longest = max(*given, *(one.size for one in self._atoms(spans)))
            self._limits = Limits(longest, self._limits.bits, self._limits.merged)
        for part in parts:
            if not is_divisible(part.block) and is_refusal(part.reply):
                self.unsupported.update(part.block.spans)
                self._refused.append(part.block)
        return True

    def forget(self, now: float) -> bool:
        """Begin anew when the hour is over; say whether it was."""
        if not self._any or now < self._forget_at:
            return False
        self._any = False
        self._limits = self._device.limits
        self._refused.clear()
        self.unsupported.clear()
        self._whole_until.clear()
        return True

    @staticmethod
    def _atoms(spans: Sequence[Span]) -> Sequence[Block]:
        from drivers.modbus.plan import atoms

        return atoms(spans)


def is_refusal(reply: Answer | Fault) -> bool:
    """Say whether the device refuses addresses or their number."""
    return isinstance(reply, Fault) and reply.code in REFUSALS
