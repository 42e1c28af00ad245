"""The reasons why lines are not reached, and the stretches of a measurement that they are for."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

ROOT: Final = Path(__file__).parents[2]
FILE: Final = Path(__file__).with_name("reasons.toml")


class Reason(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why the line of *file* with *text* in it is not reached; ``after``: the first such line below that one.

    ``chance``: some runs reach it and others do not, because of what happens at the same time.
    """

    file: str
    text: str
    why: str
    after: str = ""
    chance: bool = False

    def line(self) -> int:
        """Give the number of the line; raise ValueError if there is not exactly one."""
        lines = (ROOT / self.file).read_text("utf-8").split("\n")
        if not self.after:
            return self._only(lines, self.text)
        first = self._only(lines, self.after)
        for at, line in enumerate(lines[first:], first + 1):
            if self.text in line:
                return at
        raise ValueError(f"{self.file}: 0 lines hold {self.text!r} below {self.after!r}")

    def _only(self, lines: Sequence[str], text: str) -> int:
        found = [at for at, line in enumerate(lines, 1) if text in line]
        if len(found) != 1:
            raise ValueError(f"{self.file}: {len(found)} lines hold {text!r}")
        return found[0]


class Stretch(Struct, frozen=True):
    """Lines of *file* that no test reaches, or a way out of one that none takes; why, if known."""

    file: str
    first: int
    last: int
    text: str
    way: bool
    reason: Reason | None = None


def reasons() -> list[Reason]:
    """Read them all."""
    return msgspec.convert(tomllib.loads(FILE.read_text("utf-8"))["reason"], list[Reason])


def is_needed(reason: Reason, found: Mapping[str, Any]) -> bool:
    """Say whether the line is not reached, or a way out of it not taken, in what was *found* of its file."""
    at = reason.line()
    return at in found["missing_lines"] or any(begin == at for begin, _ in found["missing_branches"])


def stretches(files: Mapping[str, Any], known: Sequence[Reason]) -> Iterator[Stretch]:
    """Give what the report *files* of a measurement does not reach."""
    why = {(one.file, one.line()): one for one in known}
    for file, found in sorted(files.items()):
        text = (ROOT / file).read_text("utf-8").split("\n")
        missing = set(found["missing_lines"])
        for first, last in _runs(missing, found["executed_lines"]):
            given = (why[file, at] for at in range(first, last + 1) if (file, at) in why)
            yield Stretch(file, first, last, text[first - 1].strip(), False, next(given, None))
        for begin, end in found["missing_branches"]:
            if begin not in missing and end not in missing:
                yield Stretch(file, begin, begin, text[begin - 1].strip(), True, why.get((file, begin)))


def _runs(missing: set[int], executed: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Join lines between which no line is reached."""
    reached, first, last = set(executed), 0, 0
    for at in sorted(missing):
        if first and not any(between in reached for between in range(last, at)):
            last = at
            continue
        if first:
            yield first, last
        first = last = at
    if first:
        yield first, last
