"""What a P1 meter says: the values of its telegrams, each checked against the unit of its point.

Meters behind it (gas, water, heat, on M-Bus) report rarely, and each telegram repeats their last reading with
the time at which it was taken. A reading counts as new when that time changes; its sample is stamped with
the arrival of the telegram, as all are. One that is more than 2.5 of its intervals old, by the meter's own
clock or by ours, is ``stale``: the meter behind has gone. Two living meters of one kind are ``ambiguous``:
adding or choosing is for a person, who names one by its code. Where a meter tells its number, another one
starts its counters anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from agent.core import units
from agent.core.driver import Reading
from agent.core.sample import Meter, Quality, Sample
from agent.core.whose import Whose
from drivers.serial.hear import Beat, Heard, bad
from drivers.serial.obis import UNITS
from drivers.serial.telegram import Telegram

_LIFE: Final = 2.5
_NUMBER: Final = re.compile(r"(-?\d{1,15}(?:\.\d{1,12})?)(?:\*([A-Za-z0-9%]{1,8}))?")
_PREFIXES: Final = ("1-0", "0-0", "1-1")
_CHANNELS: Final = range(1, 5)
_READINGS: Final = ("24.2.1", "24.2.3", "24.3.0")
_NUMBERS: Final = ("0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0")  # of the electricity meter, by country
_CHANNEL: Final = re.compile(r"0-([1-9]):")
_STAMP: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)([SW]?)")
_NEVER: Final = "not_available"


class Want(Struct, frozen=True, kw_only=True):
    """A point to be looked for: by its whole code, by its code without ``A-B:``, or by M-Bus device types.

    ``behind``: it is the reading of a meter behind; ``listed``: a person named it, so that its absence is
    worth a sample; ``counts``: it is a counter.
    """

    name: str
    unit: str
    every: float
    code: str = ""
    media: frozenset[int] = frozenset()
    behind: bool = False
    listed: bool = False
    counts: bool = False


class _Found(Struct, frozen=True):
    """What a telegram says of a point: number or reason; the text; for a meter behind, when it was read."""

    value: float | None
    why: str = ""
    raw: str = ""
    stamp: str = ""
    age: float | None = None


_ABSENT: Final = _Found(None, _NEVER)


class _Memory(Struct):
    """What was last said of a point of a meter behind; ``since`` is when its stamp last changed."""

    stamp: str = ""
    since: float = 0.0
    why: str = ""


class P1Meter:
    """One meter."""

    def __init__(self, name: str, every: float, wants: Sequence[Want]) -> None:
        self.name, self.every = name, every
        self.points = tuple(f"{name}.{want.name}" for want in wants)
        self._wants = tuple(zip(self.points, wants, map(_codes, wants), strict=True))
        self._beat = Beat(every)
        self._spoke = False
        self._seen: set[str] = {point for point, want, _ in self._wants if want.listed}
        self._memory = {point: _Memory() for point, want, _ in self._wants if want.behind}
        counters = [(point, want.behind) for point, want, _ in self._wants if want.counts]
        self._own = frozenset(point for point, behind in counters if not behind)
        self._whose = Whose(name, sorted(self._own))
        self._whose_behind = {point: Whose(point, (point,)) for point, behind in counters if behind}

    def hear(self, telegram: Telegram, at: float) -> Heard:
        """Give its values; new are those of each beat, and those of meters behind that were read anew."""
        self._spoke = True
        due = self._beat.due(at)
        readings: list[Reading] = []
        marks = _marks(self._whose, telegram, _NUMBERS, at) if self._own else ()
        fresh: list[Sample] = [*(marks or ())]
        for point, want, codes in self._wants:
            if want.behind:
                found = self._looked_up(point, want, telegram, at)
            else:
                found = _direct(codes, want, telegram)
            sample = self._sample(point, found, at)
            readings.append(Reading(sample, found.raw))
            if found.why != _NEVER:
                self._seen.add(point)
            elif point not in self._seen:
                continue
            if point in self._whose_behind and found.value is not None:
                theirs = _marks(self._whose_behind[point], telegram, _numbers_behind(found.raw), at)
                if theirs is None:
                    continue
                fresh += theirs
            elif marks is None and point in self._own:
                continue  # until the next telegram says whose it is
            if self._is_news(point, found, at, due=due) if want.behind else due:
                fresh.append(Sample(point, found.value, at, sample.quality, found.why))
        return Heard(readings, fresh)

    def missed(self) -> Sequence[str]:
        """Note silence; give the points that it has shown to have, or all while it has shown nothing."""
        for memory in self._memory.values():
            memory.why = "silence"  # so that a reading is told again when the meter is back
        return [point for point in self.points if point in self._seen or not self._spoke]

    def _looked_up(self, point: str, want: Want, telegram: Telegram, at: float) -> _Found:
        memory = self._memory[point]
        life = _LIFE * want.every
        read = list(_behind(want, telegram))
        if not read:
            return _ABSENT
        living = [one for one in read if one.why or (one.age or 0.0) <= life]
        good = [one for one in living if not one.why]
        if len(good) > 1:
            return _Found(None, "ambiguous", " ".join(one.raw for one in good))
        if not good:
            return living[0] if living else _Found(None, "stale", read[0].raw)
        if good[0].stamp == memory.stamp and at - memory.since > life:
            return _Found(None, "stale", good[0].raw, good[0].stamp)
        return good[0]

    def _is_news(self, point: str, found: _Found, at: float, *, due: bool) -> bool:
        """Say whether a meter behind was read anew, or has another reason to have no value."""
        memory = self._memory[point]
        news = found.why != memory.why or (not found.why and found.stamp != memory.stamp)
        if not found.why and found.stamp != memory.stamp:
            memory.stamp, memory.since = found.stamp, at
        memory.why = found.why
        return news or (due and not found.why and not found.stamp)

    @staticmethod
    def _sample(point: str, found: _Found, at: float) -> Sample:
        """Give the sample for somebody who asks: its age is that of the reading."""
        if found.why:
            return bad(point, at, found.why)
        return Sample(point, found.value, at - (found.age or 0.0), Quality.GOOD)


def _marks(whose: Whose, telegram: Telegram, codes: Sequence[str], at: float) -> Sequence[Meter] | None:
    """Give word of the meter when it is due; None while it may be another one."""
    number = next((values[-1] for code in codes if (values := telegram.objects.get(code))), "")
    return whose.hear(number.encode(), at) if number else ()


def _numbers_behind(raw: str) -> Sequence[str]:
    """Give the codes under which the meter behind, whose reading is *raw*, tells its number."""
    channel = _CHANNEL.match(raw)
    return tuple(f"0-{channel[1]}:96.1.{n}" for n in (0, 1)) if channel else ()


def _direct(codes: Sequence[str], want: Want, telegram: Telegram) -> _Found:
    for code in codes:
        if values := telegram.objects.get(code):
            return _number(values[-1], want.unit, f"{code}({values[-1]})")
    return _ABSENT


def _codes(want: Want) -> tuple[str, ...]:
    return (want.code,) if ":" in want.code else tuple(f"{prefix}:{want.code}" for prefix in _PREFIXES)


def _behind(want: Want, telegram: Telegram) -> Iterator[_Found]:
    """Give what each meter behind that fits has read."""
    if want.code:
        choices = [[want.code]]
    else:
        fitting = [n for n in _CHANNELS if _medium(telegram.objects, n) in want.media]
        choices = [[f"0-{n}:{reading}" for reading in _READINGS] for n in fitting]
    for codes in choices:
        code = next((one for one in codes if one in telegram.objects), None)
        if code is not None:
            yield _read(code, telegram.objects[code], want.unit, telegram)


def _read(code: str, values: Sequence[str], unit: str, telegram: Telegram) -> _Found:
    """Read ``(time)(value*unit)``, or ``(time)(..)(..)(..)(code)(unit)(value)`` as before DSMR 4."""
    value = values[-1]
    if len(values) >= 7 and "*" not in value:
        value = f"{values[6]}*{values[5]}"
    raw = f"{code}({values[0]})({value})"
    if len(values) == 1:
        return _number(value, unit, raw)
    taken = _seconds(values[0])
    if taken is None:
        return _Found(None, _NEVER, raw)
    now = _seconds(*telegram.objects.get("0-0:1.0.0", ("",))[:1])
    found = _number(value, unit, raw)
    age = None if now is None else max(0.0, now - taken)
    return _Found(found.value, found.why, raw, values[0], age)


def _number(text: str, unit: str, raw: str) -> _Found:
    match = _NUMBER.fullmatch(text)
    if match is None:
        return _Found(None, _NEVER if not text else "malformed", raw)
    said = UNITS.get((match[2] or "1").casefold(), match[2] or "1")
    if said == unit:
        return _Found(float(match[1]), "", raw)
    if not units.commensurable(said, unit):
        return _Found(None, "other_unit", raw)
    return _Found(units.convert(float(match[1]), said, unit), "", raw)


def _medium(objects: Mapping[str, Sequence[str]], channel: int) -> int:
    text = next(iter(objects.get(f"0-{channel}:24.1.0", ())), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1


def _seconds(stamp: str) -> float | None:
    """Turn YYMMDDhhmmss and S (summer) or W into seconds that can be subtracted; None for no real time.

    Meters that never were read say 1970 or a month 25.
    """
    if (match := _STAMP.fullmatch(stamp)) is None:
        return None
    year, month, day, hour, minute, second = (int(one) for one in match.groups()[:6])
    if year >= 70:
        return None
    try:
        taken = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return taken.timestamp() - (3600.0 if match[7] == "S" else 0.0)
