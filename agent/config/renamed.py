"""Keys that have been given another name: the old one is understood for a year, and a person is told.

A gateway is updated by people who do not know its files; a word that they still hold must not stop it. An
entry is taken out at the first release after its day.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from msgspec import Struct

from agent.config.sources import Source
from agent.config.spans import Path

ANY: Final = "*"


class Renamed(Struct, frozen=True):
    """The key at *old* (``*``: any name) is called *new* since the release of that day."""

    old: tuple[str, ...]
    new: str
    since: date

    @property
    def until(self) -> date:
        """The last day of the old word: a year later."""
        is_leap_day = (self.since.month, self.since.day) == (2, 29)
        return self.since.replace(year=self.since.year + 1, day=28 if is_leap_day else self.since.day)


RENAMED: Final[tuple[Renamed, ...]] = ()


def bring_forward(source: Source) -> list[tuple[Path, str]]:
    """Give the keys of *source* their present names; give where, and what a person should know.

    Where both words stand, the old one is left, and is found as the unknown key that it is.
    """
    told: list[tuple[Path, str]] = []
    for one in RENAMED:
        for path in list(_found(source.tables, one.old, ())):
            table = _at(source.tables, path[:-1])
            if one.new in table:
                continue
            renamed = {one.new if key == path[-1] else key: value for key, value in table.items()}
            table.clear()
            table.update(renamed)
            _move_places(source, path, one.new)
            text = f'"{path[-1]}" is called "{one.new}" now; the old word is understood until {one.until}'
            told.append(((*path[:-1], one.new), text))
    return told


def _found(
    table: dict[str, Any], wanted: tuple[str, ...], path: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    first, rest = wanted[0], wanted[1:]
    for key in [*table] if first == ANY else [first] if first in table else []:
        if not rest:
            yield (*path, key)
        elif isinstance(table[key], dict):
            yield from _found(table[key], rest, (*path, key))


def _at(table: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path:
        table = table[key]
    return table


def _move_places(source: Source, path: tuple[str, ...], new: str) -> None:
    """Let a fault in what was renamed be shown where it stands, under its old word."""
    depth = len(path)
    for place in [one for one in source.places if one[:depth] == path]:
        source.places[(*path[:-1], new, *place[depth:])] = source.places[place]
