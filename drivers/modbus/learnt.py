"""What a device taught us about its registers: which stretches it refuses, and how long a reply may be.

Pure: it is told outcomes and times, and plans accordingly. What devices of one type have in common is shared;
a point that one of them lacks is lacking there alone, until it gives it. A device that answers is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from msgspec import Struct

from drivers.modbus.device import ModbusDevice
from drivers.modbus.lore import DAY, FICKLE, SOON, Lore, Place, place, type_of
from drivers.modbus.plan import Block, Cost, Limits, Span, atoms, blocks, is_divisible
from drivers.modbus.point import BIT_TABLES
from drivers.modbus.request import ILLEGAL_ADDRESS, ILLEGAL_VALUE, Answer, Fault

REFUSALS: Final = frozenset((ILLEGAL_ADDRESS, ILLEGAL_VALUE))
_PATIENCE: Final = 60.0
_SPACING: Final = 60.0  # seconds between two questions about refusals
_LOOK: Final = 10.0  # seconds between two looks whether one is due


class Outcome(Struct, frozen=True, gc=False):
    """What became of one block."""

    block: Block
    reply: Answer | Fault


class Cut(Struct):
    """What became of the parts of a block that was not given as a whole, and which parts had to be cut too.

    ``length``: the trouble may be the number of registers; ``ended``: every part was asked for; ``speaks``:
    the device answered to the end.
    """

    block: Block
    length: bool
    parts: list[Outcome]
    bad: list[Block]
    ended: bool = True
    speaks: bool = True


class Learnt:
    """What is known of one device."""

    def __init__(self, device: ModbusDevice, spans: Sequence[Span], lore: Lore) -> None:
        self._device, self._lore = device, lore
        self._spans = spans
        self._type = type_of(device, parts := self._atoms)
        self._widest = max((one.size for one in parts), default=0)
        self.shape, self._holes = lore.shape(self._type), lore.holes(device.name, self._type)
        self._had: list[Block] = []
        self._whole_until: dict[Block, float] = {}
        self.next_question = 0.0
        self._refresh()
        self._news = False

    @property
    def _atoms(self) -> list[Block]:
        """What can be asked for alone; made when it is asked for, which is seldom."""
        return atoms(self._spans)

    @property
    def who(self) -> str | None:
        """Whose holes these are: a fingerprint, "" if it does not say, None if it was never asked."""
        return self._holes.who

    @property
    def has_holes(self) -> bool:
        """Whether anything is taken for lacking."""
        return bool(self._holes.places)

    def changed(self) -> bool:
        """Say once whether plans must change, because of this device or of another one of its type."""
        self.catch_up()
        news, self._news = self._news, False
        return news

    def catch_up(self) -> bool:
        """Take over what another device of its type has taught; say whether there was anything."""
        behind = self._seen != self.shape.version
        if behind:
            self._refresh()
        return behind

    def plan(self, spans: Iterable[Span], cost: Cost) -> tuple[Block, ...]:
        """Plan the reading of *spans*, as far as the device has them."""
        wanted = [span for span in spans if span not in self.unsupported]
        return blocks(wanted, cost=cost, limits=self._limits, refused=self._refused)

    def may_cut(self, block: Block, reply: Answer | Fault) -> bool:
        """Say whether a part of *block* may be had although *reply* refuses it."""
        return is_refusal(reply) and is_divisible(block) and reply.at >= self._whole_until.get(block, 0.0)

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

    def gave(self, block: Block) -> None:
        """Note that the device gave *block*."""
        if not self._has_given(block):
            self._had.append(block)

    def learn(self, cut: Cut) -> None:
        """Remember how a block had to be cut.

        Nothing where the device gave no part of it: then it is not the addresses. A trouble that may be the
        number of registers (an exception 3 says so: V1.1b3, §6.3) is that if every part that was given is
        shorter than all that were not: what it did give becomes the limit.
        """
        at = cut.parts[0].reply.at
        given = [part.block for part in cut.parts if isinstance(part.reply, Answer)]
        if not given or not cut.bad:
            if all(is_refusal(part.reply) for part in cut.parts):
                self._whole_until[cut.block] = at + _PATIENCE
            return
        for one in given:
            self.gave(one)
        longest = max(one.size for one in given)
        if cut.length and cut.block.table not in BIT_TABLES and longest < min(one.size for one in cut.bad):
            self.shape.longest = max(longest, self._widest)
            self.shape.beyond.known.clear()
            self.shape.beyond.add(place(cut.block), at, wait=SOON, most=DAY)
        else:
            # what of a part that was silent is at fault is known only where all of it was asked for
            bad = [one for one in cut.bad if cut.ended or not is_divisible(one)]
            for one in sorted(bad, key=lambda one: one.size):
                self._refuse(one, at)
        self._note_shape()

    def refused_alone(self, points: Iterable[Block], at: float) -> None:
        """Note single points that the device refused while it gave others."""
        for one in points:
            self._refuse(one, at)
        self._note_shape()

    def question(self, now: float) -> Block | None:
        """Give one refused place that is to be asked about again; at most one a minute."""
        if now < self.next_question:
            return None
        mine = self._holes.places
        found = mine.due(now) or self.shape.beyond.due(now) or self.shape.stretches.due(now, mine)
        self.next_question = now + (_LOOK if found is None else _SPACING)
        if found is None:
            return None
        for known in (self.shape.beyond.known, self.shape.stretches.known):
            if found in known:
                known[found].due = now + SOON  # others of its type leave it to this one
        spans = next((atom.spans for atom in self._atoms if place(atom) == found), ())
        table, start, size = found
        return Block(table, start, size, spans)

    def answered(self, block: Block, reply: Answer | Fault) -> None:
        """Note what became of a question, put to a device that had just answered others."""
        found, now = place(block), reply.at
        if isinstance(reply, Answer):
            self.gave(block)
            self._believe(block)
            return
        worth = False
        for refusals in (self._holes.places, self.shape.beyond, self.shape.stretches):
            if found not in refusals.known:
                continue
            if is_refusal(reply) or reply.silent:
                worth = refusals.again(found, now) or worth
            else:
                refusals.known[found].due = now + SOON
        if worth:
            self._keep()

    def recognise(self, who: str) -> None:
        """Take *who* the device is by its own word; what another one lacked is no news of it."""
        if self._holes.who not in (None, "", who):
            self.forget()
        self._holes.who = who
        self._lore.keep_holes(self._device.name, self._type, self._holes)

    def suspect(self, now: float) -> None:
        """Ask about holes soon: the device was away, and may have come back as another."""
        self._holes.places.hasten(now + FICKLE)

    def forget(self) -> None:
        """Begin anew with this device."""
        self._holes.places.known.clear()
        self._whole_until.clear()
        self._had.clear()
        self._holes.who = None
        self._refresh()
        self._keep()

    def _refuse(self, block: Block, at: float) -> None:
        where = place(block)
        if not is_divisible(block):
            most = FICKLE if self._has_given(block) else DAY
            self._holes.places.add(where, at, wait=SOON, most=most)
        if not any(block.covers(_block(one)) for one in self.shape.stretches):
            self.shape.stretches.add(where, at, wait=DAY, most=DAY)

    def _has_given(self, block: Block) -> bool:
        """Say whether the device gave each point of *block* at some time."""
        return all(any(span in one.spans for one in self._had) for span in block.spans)

    def _believe(self, block: Block) -> None:
        """Forget every refusal that this answer disproves."""
        for refusals in (self._holes.places, self.shape.stretches):
            for one in [_block(one) for one in refusals]:
                if block.covers(one) or one.covers(block):  # a wider one may have been refused because of it
                    del refusals.known[place(one)]
        if place(block) in self.shape.beyond.known:
            self.shape.beyond.known.clear()
            self.shape.longest = 0
        self._note_shape()

    def _note_shape(self) -> None:
        self.shape.version += 1
        self._refresh()
        self._keep()

    def _keep(self) -> None:
        self._lore.keep_shape(self._type, self.shape)
        self._lore.keep_holes(self._device.name, self._type, self._holes)

    def _refresh(self) -> None:
        self._seen, self._news = self.shape.version, True
        limits = self._device.limits
        holes: Collection[Place] = self._holes.places.known
        longest = max(self.shape.longest, self._widest) if self.shape.longest else limits.registers
        self._limits = Limits(min(limits.registers, longest), limits.bits, limits.merged)
        self._refused = [_block(one) for one in {*holes, *self.shape.stretches}]
        self.unsupported = frozenset(
            span for atom in self._atoms if place(atom) in holes for span in atom.spans
        )


def _block(found: Place) -> Block:
    table, start, size = found
    return Block(table, start, size, ())


def is_refusal(reply: Answer | Fault) -> bool:
    """Say whether the device refuses addresses or their number."""
    return isinstance(reply, Fault) and reply.code in REFUSALS
