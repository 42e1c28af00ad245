"""What the lines of a device say: fields of a JSON object, or named groups of a pattern, as numbers.

A field that is no number, no known word, or not finite gives no number but a reason. A pattern is refused if
a group in it repeats without end: such patterns can take years for one line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from agent.core.driver import Reading
from agent.core.sample import Sample
from drivers.serial.hear import Beat, Heard, bad
from drivers.serial.text import Line

_NUMBER: Final = re.compile(r"[-+]?(?:\d{1,20}(?:[.,]\d{0,20})?|[.,]\d{1,20})(?:[eE][-+]?\d{1,3})?")
_ABSENT: Final = frozenset(("", "-", "--", "---", "nan", "null", "none", "n/a", "unavailable"))
_LONGEST_RAW: Final = 60
_NO_FIELD: Final = object()


class FieldWant(Struct, frozen=True, kw_only=True):
    """A point to be looked for: its key, how it becomes a number, and whether each one counts."""

    name: str
    key: str
    words: Mapping[str, float]
    scale: float = 1.0
    offset: float = 0.0
    counts: bool = False


class Speech(Struct, frozen=True, kw_only=True):
    """How a device speaks: how often (0: when it likes), in which lines, and how much of it is wanted."""

    every: float
    pattern: re.Pattern[str] | None = None
    where: Mapping[str, str] = {}
    at_most: float = 0.0


class LineDevice:
    """One device."""

    def __init__(self, name: str, speech: Speech, wants: Sequence[FieldWant]) -> None:
        self.name, self.every = name, speech.every
        self.points = tuple(f"{name}.{want.name}" for want in wants)
        self._wants = tuple(zip(self.points, wants, strict=True))
        self._pattern, self._where = speech.pattern, speech.where
        self._beats = {
            point: Beat(speech.at_most) for point, want in self._wants if speech.at_most and not want.counts
        }

    def hear(self, line: Line, at: float) -> Heard | None:
        """Give the points that *line* holds; None if it is not this device's."""
        fields = self._matched(line) if self._pattern else _object(line.text)
        if fields is None or any(_word(_field(fields, key)) != value for key, value in self._where.items()):
            return None
        readings, fresh = [], []
        for point, want in self._wants:
            given = _field(fields, want.key)
            if given is _NO_FIELD:
                continue
            value, why = number(given, want)
            sample = Sample(point, value, at) if value is not None else bad(point, at, why)
            readings.append(Reading(sample, _word(given)[:_LONGEST_RAW]))
            beat = self._beats.get(point)
            if beat is None or beat.due(at):
                fresh.append(sample)
        return Heard(readings, fresh) if readings else None

    def missed(self) -> Sequence[str]:
        """Give all its points."""
        return self.points

    def _matched(self, line: Line) -> Mapping[str, object] | None:
        """Give the named groups; of a line that may lack its begin, a pattern could find the wrong half."""
        assert self._pattern is not None
        match = self._pattern.search(line.text) if line.whole else None
        return match and {key: text for key, text in match.groupdict().items() if text is not None}


def number(given: object, want: FieldWant) -> tuple[float | None, str]:
    """Turn a field into a number and no reason, or None and the reason."""
    if isinstance(given, bool | int | float):
        try:
            raw = float(given)
        except OverflowError:
            return None, "malformed"
    elif (word := _word(given)) in want.words:
        raw = want.words[word]
    elif given is None or word.casefold() in _ABSENT:
        return None, "not_available"
    elif isinstance(given, str) and _NUMBER.fullmatch(word):
        raw = float(word.replace(",", "."))
    else:
        return None, "malformed"
    value = raw * want.scale + want.offset
    return (value, "") if math.isfinite(value) else (None, "malformed")


def compiled(pattern: str) -> re.Pattern[str] | None:
    """Compile *pattern* (empty: None); raise ValueError if it is none, names no group, or may never end."""
    if not pattern:
        return None
    try:
        made = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"pattern: {error}") from None
    if not made.groupindex:
        raise ValueError("pattern: it has no named group such as (?P<temperature>[0-9.]+)")
    if at := next(_repeated_groups(pattern), 0):
        raise ValueError(
            f"pattern: the group that ends at character {at} repeats, and such a pattern can take years for "
            "one line; repeat a single character or a [class] instead"
        )
    return made


def _repeated_groups(pattern: str) -> Iterator[int]:
    """Give where a group ends that repeats: ``)`` before ``*``, ``+`` or ``{``."""
    for match in re.finditer(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\)\s*[*+{]", pattern, re.DOTALL):
        if match[0][0] == ")":
            yield match.start() + 1


def _object(text: str) -> Mapping[str, object] | None:
    try:
        found: Any = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _field(fields: Mapping[str, object], path: str) -> object:
    """Follow ``a.b.0`` into objects and lists; a key may itself hold dots."""
    if path in fields:
        return fields[path]
    at: object = fields
    for step in path.split("."):
        if isinstance(at, dict) and step in at:
            at = at[step]
        elif isinstance(at, list) and step.isdecimal() and int(step) < len(at):
            at = at[int(step)]
        else:
            return _NO_FIELD
    return at


def _word(given: object) -> str:
    """Write a field as a person would in a configuration."""
    if isinstance(given, bool):
        return "true" if given else "false"
    return "" if given is None else str(given).strip()
