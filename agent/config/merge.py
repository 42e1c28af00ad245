"""Lays the tables of several files over each other, and remembers which file each key came from.

A key set in two files of the folder is a fault; only files in ``site.d`` override. The tables of the sharing
policy must each stand in one file, and no file in ``site.d`` may touch them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from agent.config.fault import Fault
from agent.config.sources import DROP_INS, Source
from agent.config.spans import Path

SHARING: Final = frozenset({"policy", "owner", "purpose", "pipeline", "product", "recipient", "grant"})


class Merged:
    """One document made of many: its tables, and for each path the file that has the say there."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.tables: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self._first = sources[0]
        self._owners: dict[Path, Source] = {}
        for source in sources:
            if source.wrong is not None:
                message, hint, span = source.wrong
                self.faults.append(Fault(source, (), message, hint, span=span))
            elif source.is_drop_in:
                self._override(source)
            else:
                self._join(self.tables, source.tables, (), source)

    def owner(self, path: Path) -> Source:
        """Give the file in which *path*, or the nearest table around it, is to be changed."""
        while path and path not in self._owners:
            path = path[:-1]
        return self._owners.get(path, self._first)

    def _override(self, source: Source) -> None:
        allowed = {}
        for name, section in source.tables.items():
            if name in SHARING:
                message = f"a file in {DROP_INS} cannot change the sharing policy"
                self.faults.append(
                    Fault(source, (name,), message, "it stands in the folder above", at_key=True)
                )
            else:
                allowed[name] = section
        self._join(self.tables, allowed, (), source)

    def _join(self, base: dict[str, Any], more: Mapping[str, Any], path: Path, source: Source) -> None:
        for key, value in more.items():
            here = (*path, key)
            if key not in base:
                # a copy: what is joined into it later must not turn up in the file's own tables
                base[key] = _copied(value)
                self._owners[here] = source
            elif isinstance(base[key], dict) and isinstance(value, dict) and not _is_whole(here):
                self._join(base[key], value, here, source)
            elif source.is_drop_in:
                base[key] = _copied(value)
                self._owners[here] = source
            else:
                self._twice(here, source)

    def _twice(self, path: Path, source: Source) -> None:
        other = self.owner(path)
        spot = Fault(other, path, "", at_key=True).spot()
        place = f"{other.name}:{spot.line}:{spot.column}" if spot else other.name
        what = f"[{'.'.join(map(str, path))}]" if _is_whole(path) else f'key "{path[-1]}"'
        message = f"{what} is already set in {place}"
        if _is_whole(path):
            hint = "a table of the sharing policy stands in one file"
        else:
            hint = f"only files in {DROP_INS} override"
        self.faults.append(Fault(source, path, message, hint, at_key=True))


def _is_whole(path: Path) -> bool:
    """Say whether the table at *path* is one of the sharing policy that must not be split over files."""
    return path[0] in SHARING and len(path) == (1 if path[0] in ("policy", "owner") else 2)


def _copied(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    return {key: _copied(one) for key, one in value.items()} if isinstance(value, dict) else value
