"""One route inside the outbox: its numbers, what is settled, what is under way, what is owed.

A lane outlives its grant: numbering goes on if the route comes back, and what was lost stays owed until it
has been declared.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from agent.core.command import ANSWERS
from agent.core.message import Encoding, Loss
from agent.outbox.ranges import Ranges
from agent.outbox.row import Draft, Header, Row, read_props
from agent.outbox.work import Found, Span

MOST_RANGES: Final = 32
DATA: Final = frozenset({"batch", "event"})
OWN: Final = "*"
"""The route of what the gateway writes down for anybody who asks, and sends to nobody."""
OWN_KEEP: Final = 400 * 86400.0
UNCONFINED: Final = "unconfined"
"""Why a message is lost that a process without a cage has made, and whose recipient is not here any more."""
_BORDER: Final = 1e-3  # seconds by which a window's border may miss itself
_SANE: Final = 10 * 366 * 86400.0


class Terms(NamedTuple):
    """Of a grant: how many seconds rows may wait, the UTC second at which it ends, where rows go."""

    keep: float
    ends: float
    address: str = ""


class LaneState(Struct, kw_only=True):
    """What a lane keeps on disk, written with the rows that change it.

    ``tail`` is the id of its last row, ``reach`` the UTC end of the last window committed (``reach_synced``:
    by a trusted clock); ``n`` and ``size`` count what is not settled; ``crashed`` is what the last unclean
    stop cost, until the next window tells where that ends. ``unsynced`` is the boot id under which rows were
    made without a trusted clock, until their time is learnt; ``told``: the recipient knows it. ``home``:
    among what is not settled are rows that must not leave this computer. ``address`` is where rows go, and
    ``since`` the id after which they went there under a grant that never broke off.
    """

    epoch: int = 0
    seq: int = 0
    clean: bool = True
    open: bool = False
    acked: list[tuple[int, int]] = []
    tail: int = 0
    n: int = 0
    size: int = 0
    reach: float | None = None
    reach_synced: bool = True
    crashed: Loss | None = None
    unsynced: str = ""
    told: bool = False
    owed: list[Loss] = []
    home: bool = False
    address: str = ""
    since: int = 0


class Pause(Struct):
    """The time between an orderly stop and the first window of this run: what it would cost, and since when.

    The windows that were open are handed on, so *since* moves on with some *more* that follow at once.
    """

    cost: Loss
    since: float
    more: int = 3


class Change(Struct, kw_only=True):
    """What a transaction under way will have changed on a lane once it is safe."""

    n: int = 0
    size: int = 0
    tail: int = 0
    settled: list[tuple[int, int]] = []
    home: bool = False


class Lane:
    """One route as the event loop knows it; bodies are on disk."""

    def __init__(self, number: int, name: str, state: LaneState, tail: int) -> None:
        self.number = number
        self.name = name
        self.recipient, _, self.product = name.partition(".")
        self.epoch, self.seq, self.clean = state.epoch, state.seq, state.clean
        self.was_open = state.open
        self.acked = Ranges(state.acked)
        self.n, self.size = state.n, state.size
        self.oldest: float | None = None
        self.reach, self.reach_synced = state.reach, state.reach_synced
        self.crashed = state.crashed
        self.pause: Pause | None = None
        self.unsynced, self.told = state.unsynced, state.told
        self.owed = list(state.owed)
        self.home = state.home and state.n > 0
        self.address, self.since = state.address, state.since
        self.tail = tail
        # from the plan: None where no grant stands behind the lane
        self.encoding: Encoding | None = None
        self.in_order = False  # nothing of this route may overtake: its platform shows what came last
        self.granted = False
        self.near = False  # whether the recipient is on this computer
        self.erasing = False
        self.keep = math.inf
        self.ends = math.inf
        # what was taken and is not settled: id -> the neighbour before it
        self.flight: dict[int, int] = {}
        # the last gap message, as long as nobody has taken it
        self.standing: Header | None = None
        # rows that the transaction under way takes off the table
        self.leaving: set[int] = set()
        self._crowded = False
        self.dirty = False
        self.stored = False

    def text(self, change: Change) -> str:
        """Write what goes to the disk, as it will be once *change* has happened."""
        acked = self.acked.copy()
        for first, last in change.settled:
            acked.add(first, last)
        state = LaneState(
            epoch=self.epoch,
            seq=self.seq,
            clean=self.clean,
            open=self.granted,
            acked=list(acked),
            tail=max(change.tail, self.tail),
            n=self.n + change.n,
            size=self.size + change.size,
            reach=self.reach,
            reach_synced=self.reach_synced,
            crashed=self.crashed,
            unsynced=self.unsynced,
            told=self.told,
            owed=self.owed,
            home=self.home or change.home,
            address=self.address,
            since=self.since,
        )
        return msgspec.json.encode(state).decode()

    def land(self, change: Change) -> None:
        """Take over what a transaction has made safe; it stands on disk already."""
        dirty = self.dirty
        for first, last in change.settled:
            self.settle(first, last)
        self.dirty = dirty
        self.leaving.clear()
        self.home = self.home or change.home
        self.keep_home()
        self.n += change.n
        self.size += change.size
        if not self.n:
            self.oldest = None

    def settle(self, first: int, last: int) -> None:
        """Mark every row of this lane from id *first* to *last* as done with."""
        self.acked.add(first, last)
        self.dirty = True
        if len(self.acked) > MOST_RANGES:
            self._crowded = True
        elif self._crowded and len(self.acked) == 1:
            self._crowded = False

    def keep_for_nobody(self, tail: int) -> None:
        """Know that nothing of this lane up to id *tail* is owed to anybody."""
        self.acked.add(1, tail)
        self.n, self.size, self.was_open, self.owed = 0, 0, False, []

    def reached(self, begin: float, until: float, *, synced: bool) -> None:
        """Note which UTC seconds new rows tell of; what a crash cost ends where they begin."""
        if self.crashed is not None:
            since = self.crashed.begin
            if since is not None and since <= begin and synced == self.reach_synced:
                self.crashed = replace(self.crashed, end=begin)
            self.close_crash()
        if self.pause is not None and until > begin:
            self._go_on(self.pause, begin, until, known=synced == self.reach_synced)
        if self.reach is None or until > self.reach or synced != self.reach_synced:
            self.reach, self.reach_synced = until, synced

    def note_end(self, *, clean: bool) -> None:
        """Note how the last run ended."""
        if clean:
            self.note_stop()
        else:
            self.note_crash()

    def note_crash(self) -> None:
        """Own up to what the last process held in memory when it died; its end is the next window's start.

        If that process had not come to its first window either, one loss tells of both. Answers tell of no
        time: that the epoch before broke off is all there is to say.
        """
        if not self.was_open:
            return
        self.clean, self.dirty = False, True
        if self.product != ANSWERS:
            self.crashed = self.crashed or self._unmade("crash")

    def note_stop(self) -> None:
        """Be ready to tell of windows that lie wholly between an orderly stop and this start."""
        if self.was_open and self.reach is not None and self.product != ANSWERS:
            self.pause = Pause(self._unmade("stopped"), self.reach)

    def _go_on(self, pause: Pause, begin: float, until: float, *, known: bool) -> None:
        """Compare a window with where it would follow; what lies between was never made."""
        if known and begin <= pause.since + _BORDER:
            pause.since, pause.more = max(pause.since, until), pause.more - 1
            self.pause = pause if pause.more else None
            return
        since, end = (pause.since, begin) if known else (None, None)
        self.owed.append(replace(pause.cost, begin=since, end=end))
        self.pause, self.dirty = None, True

    def _unmade(self, why: str) -> Loss:
        """Give the loss of what was never numbered, from the last window on."""
        return Loss(why=why, epoch=self.epoch, first=self.seq + 1, last=None, count=None, begin=self.reach)

    def close_crash(self) -> None:
        """Let what a crash cost be declared; where its end is not known, without times."""
        if self.crashed is not None:
            known = self.crashed.end is not None
            self.owed.append(self.crashed if known else replace(self.crashed, begin=None))
            self.crashed, self.dirty = None, True

    def acknowledge(self, row: Row) -> bool:
        """Settle a row under way; what is not under way (any more) is left as it is."""
        before = self.flight.pop(row.id, None)
        if before is None:
            return False
        self.settle(before + 1, row.id)
        self.n -= 1
        self.size -= len(row.body)
        if not self.n:
            self.oldest = None
        return True

    def wants(self, number: int) -> bool:
        """Whether the row *number* still has to be sent and is not under way."""
        return number not in self.acked and number not in self.flight and number not in self.leaving

    def open(self, terms: Terms, tail: int, *, unbroken: bool) -> None:
        """Let rows leave by *terms*; what left before a change of address or grant is not sent again."""
        self.keep, self.ends = terms.keep, terms.ends
        self.erasing = False
        self.keep_home()
        if terms.address != self.address or not unbroken:
            self.address, self.since, self.dirty = terms.address, tail, True

    def keep_home(self) -> None:
        """Have everything erased, if there is among it what must not go where the recipient now is."""
        if self.home and not self.near:
            self.erasing = True

    def erased(self) -> None:
        """Note that nothing is left of what had to be erased."""
        if self.erasing:
            self.dirty = self.dirty or self.home
            self.erasing = self.home = False

    def withheld(self, kind: str) -> bool:
        """Whether a message of *kind* must not leave: nobody grants it (any more)."""
        return kind in DATA and not self.granted

    @property
    def orderly(self) -> bool:
        """Whether rows leave oldest first: as the platform needs it, or until the holes are closed."""
        return self.in_order or self._crowded

    @property
    def must_wait(self) -> bool:
        """Whether the next row may only follow the answer to the one under way."""
        return self.in_order and bool(self.flight)

    @property
    def behind(self) -> bool:
        """Whether there are rows that nobody has taken."""
        return self.n > len(self.flight)

    def spans(self, floor: int, top: int) -> list[Span]:
        """Say where the rows lie that are not settled, events on top unless order matters more."""
        holes = tuple(self.acked.holes(floor, top))
        plain = Span(route=self.number, holes=holes)
        return [plain] if self.orderly else [Span(route=self.number, holes=holes, events=True), plain]

    def end(self, row: Header | Found | Draft) -> float:
        """Give the UTC second at which the grant ends for *row*.

        Declarations may still be made then: they tell nothing but that it ended.
        """
        kind = row.message.kind if isinstance(row, Draft) else row.kind
        return self.ends if kind in DATA else math.inf

    def expiry(self, row: Header | Found | Draft, *, utc: float, boot: float, same_boot: bool) -> float:
        """Give the UTC second at which *row* must no longer leave; what was promised never grows longer.

        A row made without a trusted clock ages by boot time; from another boot, only its label is left.
        """
        ends = self.end(row)
        if row.expires is None:
            made = utc - (boot - row.boot) if same_boot else min(row.made, utc)
            return min(made + self.keep, ends)
        # a keep that was shortened counts at once, unless the label comes from a clock that was not set
        trusted = row.expires - row.made < _SANE
        return min(row.expires, row.made + self.keep if trusted else math.inf, ends)

    def row(self, found: Found, expires: float) -> Row:
        """Make a row for the uplink of what was read."""
        props = read_props(found.props)
        return Row(
            id=found.id,
            route=self.name,
            epoch=found.epoch,
            seq=found.seq,
            kind=found.kind,
            topic=found.topic,
            body=found.body or b"",
            user=props.user,
            content_type=props.content_type,
            utf8=props.utf8,
            qos=props.qos,
            retain=props.retain,
            correlation=bytes.fromhex(props.correlation),
            made=found.made,
            expires=expires,
            policy=found.policy,
            boot=found.boot,
        )
