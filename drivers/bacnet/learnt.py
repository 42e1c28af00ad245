"""What is learnt of a device while it is read: how much fits an answer, and what it cannot do.

Pure: it is told the time. Everything that costs more because the device once refused is tried again after a
week, because firmware is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from drivers.bacnet.apdu import MAX_APDU
from drivers.bacnet.names import EVENT_STATE, PROPERTIES, RELIABILITY_OF, STATUS_FLAGS
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.value import Answer, Bits, Fault, Null, Ref

USUAL_APDU: Final = 480
"""What a device takes at least that has not said more: nearly all that speak over IP take 1476."""

_HEAD: Final = 12
_USUAL: Final = 5
_OBJECT: Final = 7
_PROPERTY: Final = 20
_WEEK: Final = 7 * 86400.0
_LEFT_OUT: Final = 600.0
_JUDGED: Final = {PROPERTIES[name] for name in ("present-value", "tracking-value", "feedback-value")}
"""What the flags of an object tell about; a limit or a name is right whatever state the object is in."""

_UNKNOWN_PROPERTY: Final = 32
_UNKNOWN: Final = frozenset({31, _UNKNOWN_PROPERTY})
_TOO_LONG: Final = {
    "abort": frozenset({1, 4, 9, 11}),  # buffer, segmentation, resources, apdu-too-long
    "reject": frozenset({1, 7}),  # buffer-overflow, too-many-arguments
    "error": frozenset({51, 54, 59, 123, 125, 134}),  # the same, told as errors
}
_NO_SERVICE: Final = {"reject": frozenset({9}), "error": frozenset({67})}
_BUSY: Final = {"error": frozenset({2, 3, 82, 83}), "abort": frozenset({3, 8})}


class Item:
    """A point as it is asked for: the value, and what the device says of it."""

    def __init__(self, name: str, point: BacnetPoint) -> None:
        self.name, self.point, self.value = name, point, point.ref()
        one = self.value.object
        self.flags, self.reliability = Ref(one, STATUS_FLAGS), Ref(one, RELIABILITY_OF)
        self.event_state = Ref(one, EVENT_STATE)
        self.restore()

    def restore(self) -> None:
        """Ask for everything again, and think of its size what is usual."""
        judged = self.value.property in _JUDGED
        wanted = [self.value, self.flags, self.reliability] if judged else [self.value]
        if self.point.event_state:
            wanted.append(self.event_state)
        self.refs = tuple(dict.fromkeys(wanted))
        self.weight = _OBJECT + _PROPERTY * len(self.refs)

    def drop(self, known: int) -> bool:
        """Ask for property *known* no more, unless it is the value; say whether it was asked for."""
        left = tuple(ref for ref in self.refs if ref == self.value or ref.property != known)
        dropped, self.refs = len(left) < len(self.refs), left
        return dropped

    def learn(self, told: Mapping[Ref, Answer]) -> None:
        """Learn from an answer what it takes, and which properties the object has not."""
        missing = {ref for ref in self.refs if _is_lacking(told.get(ref))} - {self.value}
        if missing:
            self.refs = tuple(ref for ref in self.refs if ref not in missing)
        self.weight = _OBJECT + sum(4 + size(told[ref]) for ref in self.refs if ref in told)


def _ask_for_less(items: Sequence[Item]) -> bool:
    """Leave out reliabilities, then flags: some devices refuse all for one property that an object lacks."""
    for optional in (RELIABILITY_OF, STATUS_FLAGS):
        having = [item for item in items if item.drop(optional)]
        if having:
            return True
    return False


def _is_lacking(told: Answer | None) -> bool:
    return isinstance(told, Fault) and told.kind == "error" and told.code == _UNKNOWN_PROPERTY


def size(told: Answer) -> int:
    """Give about how many bytes an answer takes."""
    match told:
        case bool() | Null():
            return 1
        case int():
            return 1 + max(1, (told.bit_length() + 7) // 8)
        case Bits():
            return 2 + (len(told.bits) + 7) // 8
        case str() | bytes():
            return 5 + len(told)
        case tuple():
            return sum(map(size, told))
    return _USUAL


class Learnt:
    """The memory of one device."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = items
        self.max_apdu = USUAL_APDU
        self.one_by_one = False
        self._room: int | None = None
        self._alone: set[str] = set()
        self._again: float | None = None
        self._left_out: dict[str, tuple[Fault, float]] = {}

    @property
    def room(self) -> int:
        """How many bytes of values an answer may hold."""
        most = max(1, min(self.max_apdu, MAX_APDU) - _HEAD)
        return most if self._room is None else min(most, self._room)

    @property
    def per_request(self) -> int:
        """How many points fit a request on the average."""
        if self.one_by_one or not self._items:
            return 1
        return max(1, int(self.room * len(self._items) / sum(item.weight for item in self._items)))

    @property
    def alone(self) -> int:
        """How many points are read by a request of their own because they spoil those of others."""
        return len(self._alone)

    def is_alone(self, item: Item) -> bool:
        """Say whether *item* is to be read by ReadProperty."""
        return self.one_by_one or item.name in self._alone

    def left_out(self, item: Item, now: float) -> Fault | None:
        """Give why *item* is not asked for now, if it is not."""
        fault, until = self._left_out.get(item.name, (None, 0.0))
        return fault if now < until else None

    def cut(self, items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
        """Give those of *items* that make the next request, and the rest."""
        if self.is_alone(items[0]):
            return items[:1], items[1:]
        room = self.room
        for at, item in enumerate(items):
            room -= item.weight
            if at and (room < 0 or self.is_alone(item)):
                return items[:at], items[at:]
        return items, ()

    def refused(self, items: Sequence[Item], fault: Fault, now: float) -> Sequence[Sequence[Item]]:
        """Learn from the refusal of a request for *items*; give what to ask instead, nothing if not now."""
        if fault.code in _BUSY.get(fault.kind, ()):
            return ()
        if self._again is None:
            self._again = now + _WEEK
        if fault.code in _NO_SERVICE.get(fault.kind, ()):
            self.one_by_one = True
            return (items,)
        if fault.kind == "error" and fault.code == _UNKNOWN_PROPERTY and _ask_for_less(items):
            return (items,)
        if len(items) == 1:
            self._alone.add(items[0].name)
            return (items,)
        if fault.code in _TOO_LONG.get(fault.kind, ()):
            self._room = min(self.room, sum(item.weight for item in items)) // 2
        half = len(items) // 2
        return items[:half], items[half:]

    def unknown(self, item: Item, fault: Fault, now: float) -> None:
        """Leave *item* out for a while if the device does not know it: it costs a request each time."""
        if fault.kind == "error" and fault.code in _UNKNOWN:
            self._left_out[item.name] = fault, now + _LEFT_OUT

    def forget(self, now: float) -> None:
        """Try again, once a week, what the device once refused."""
        if self._again is None or now < self._again:
            return
        self._again, self._room, self.one_by_one = None, None, False
        self._alone.clear()
        for item in self._items:
            item.restore()
