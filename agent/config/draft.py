"""The configuration while it is being compiled: the merged tables, and all that is found wrong with them.

Nothing here stops at the first fault: what cannot be compiled gives None, and the faults say why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from agent import registry
from agent.config.fault import Fault
from agent.config.hints import name_hint, nearest
from agent.config.merge import Merged
from agent.config.renamed import bring_forward
from agent.config.size import Size, decode, parse_limit
from agent.config.sources import Source
from agent.config.spans import Path
from agent.config.words import NAME_PATTERN, kind_of, name_flaw
from agent.core.driver import DeviceSettings, LinkSettings
from agent.core.duration import Duration
from agent.core.plan import Matched

T = TypeVar("T", bound=Struct)
# from a path within a table, and whether it is a key's name, to the file and path where a person must look
Where = Callable[[Path], tuple[Source, Path]]


class Draft:
    """Merged tables on their way to a plan.

    ``is_whole`` is False when a file could not be read: then what seems to be missing may stand in it, and
    references are not held against anybody.
    """

    def __init__(self, sources: list[Source], folder: FilePath) -> None:
        renamed = [(source, told) for source in sources for told in bring_forward(source)]
        merged = Merged(sources)
        self.tables = merged.tables
        self.folder = folder
        self.sources = sources
        self.faults = merged.faults
        self._warnings = [Fault(source, path, text, at_key=True) for source, (path, text) in renamed]
        self.is_whole = all(one.wrong is None for one in sources)
        self.profiles: dict[str, Any] = {}  # by file name, as agent.config.profiles has read them
        self.points: dict[tuple[str, type, str], Any] = {}  # by profile, type and name: devices share them
        self.all_points: dict[tuple[str, type], dict[str, Any]] = {}  # of devices that add none
        self.matched: list[Matched] = []
        self._merged = merged

    def fault(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Note a fault at *path* of the merged tables."""
        self.faults.append(Fault(self._merged.owner(path), path, message, hint, at_key))

    def warn(self, path: Path, text: str) -> None:
        """Note something that a person should know but that stops nothing."""
        self._warnings.append(Fault(self._merged.owner(path), path, text, at_key=True))

    def warnings(self) -> tuple[str, ...]:
        """Give the warnings, by file and place."""
        if not self._warnings:
            return ()
        from agent.config.report import sentences

        return sentences(self._warnings)

    def dangling(self, path: Path, message: str, word: str, known: Iterable[str]) -> None:
        """Note a reference to something that no file defines."""
        if self.is_whole:
            self.fault(path, message, nearest(word, known))

    def where(self, base: Path) -> Where:
        """Give the place of paths that begin at *base*."""
        return lambda path: (self._merged.owner((*base, *path)), (*base, *path))

    def named(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Give the tables of *section* with their names; what is no table is a fault."""
        tables = self.tables.get(section, {})
        if not isinstance(tables, dict):
            message = f"expected a table, got {kind_of(tables)}"
            self.fault((section,), message, f"write [{section}.NAME]", at_key=True)
            return
        for name, table in tables.items():
            if flaw := name_flaw(name):
                self.fault((section, name), flaw, name_hint(name, NAME_PATTERN), at_key=True)
            elif isinstance(table, dict):
                yield name, table
            else:
                hint = f"write [{section}.NAME]"
                self.fault((section, name), f"expected a table, got {kind_of(table)}", hint)

    def names(self, section: str) -> list[str]:
        """List the names in *section*, right or wrong, without noting anything."""
        tables = self.tables.get(section, {})
        return [*tables] if isinstance(tables, dict) else []

    def settings(
        self,
        table: Mapping[str, Any],
        wanted: type[T],
        where: Where,
        *,
        head: type[Struct] | None = None,
    ) -> T | None:
        """Make a *wanted* of *table*; None, and its faults noted, when it does not fit.

        Keys of *head* may stand in the table as well; they are checked, but not part of what is made.
        """
        try:
            made = _made(table, wanted, head)
        except TypeError as error:  # a plugin of somebody else, whose settings msgspec cannot understand
            message = f"the settings of {wanted.__name__} are faulty themselves: {error}"
            self.faults.append(Fault(*where(()), message, at_key=True))
            return None
        if made is None:
            self._explain(table, wanted, where, head)
        return made

    def salvage(
        self, table: Mapping[str, Any], wanted: type[T], path: Path, stand_ins: Mapping[str, Any]
    ) -> tuple[T, frozenset[str]]:
        """Make a *wanted* of what is right in *table*, so that the rest of it can be checked at once.

        *stand_ins* hold a value for each required key. Gives also the keys with faults: what stands there
        in what is made means nothing.
        """
        made = _made(table, wanted, None)
        if made is not None:
            return made, frozenset()
        before = len(self.faults)
        self._explain(table, wanted, self.where(path), None)
        depth = len(path)
        bad = {str(one.path[depth]) for one in self.faults[before:] if len(one.path) > depth}
        sound = {key: value for key, value in table.items() if key not in bad}
        lacking = {key: value for key, value in stand_ins.items() if key not in sound}
        made = _made({**sound, **lacking}, wanted, None)
        if made is None:  # a rule of the whole table
            made, lacking = msgspec.convert(stand_ins, wanted, dec_hook=decode), dict(table)
        return made, frozenset(bad | lacking.keys())

    def plugin(self, family: registry.Family, kind: str, path: Path) -> type[Any] | None:
        """Import the plugin called *kind*; None, and a fault at *path*, when there is none."""
        known = registry.kinds(family)
        if kind not in known:
            self.fault(path, f'no {family} is called "{kind}"', nearest(kind, known))
            return None
        try:
            return registry.plugin(family, kind)
        except ImportError as error:
            self.fault(path, f'{family} "{kind}" cannot be loaded: {error}')
            return None

    def word(self, table: Mapping[str, Any], key: str, path: Path) -> str | None:
        """Give the text at *key*, which must be there; None, and a fault, when it is not."""
        value = table.get(key)
        if isinstance(value, str):
            return value
        near = [one for one in table if f'"{key}"?' in nearest(one, (key,))]
        if key in table:
            self.fault((*path, key), f"expected text, got {kind_of(value)}")
        elif near:
            self.fault((*path, near[0]), f'unknown key "{near[0]}"', f'did you mean "{key}"?', at_key=True)
        else:
            self.fault(path, f'missing key "{key}"', at_key=True)
        return None

    def _explain(
        self, table: Mapping[str, Any], wanted: type[Struct], where: Where, head: type[Struct] | None
    ) -> None:
        from agent.config.explain import flaws

        found = [
            Fault(*where(flaw.path), flaw.message, flaw.hint, flaw.at_key)
            for flaw in flaws(table, wanted, head)
        ]
        found += [Fault(*where(path), "expected a finite number") for path in _infinite(table, ())]
        if not found:  # the promise that a refused value yields a fault must not rest on the walk alone
            found.append(Fault(*where(()), "this table does not fit", at_key=True))
        self.faults += found


def _made(table: Mapping[str, Any], wanted: type[T], head: type[Struct] | None) -> T | None:
    """Make a *wanted* of *table* without the keys of *head*; None when either does not fit."""
    beside = keys_of(head) if head else frozenset()
    own = {key: value for key, value in table.items() if key not in beside}
    try:
        if head:
            msgspec.convert({key: table[key] for key in beside & table.keys()}, head, dec_hook=decode)
        made = msgspec.convert(own, wanted, dec_hook=decode)
    except msgspec.ValidationError:
        return None
    return made if _is_free(own, wanted) and _is_finite(own) and _is_within(made) else None


def _is_free(table: Mapping[str, Any], wanted: type[Struct]) -> bool:
    """Say whether *table* leaves alone what the compiler sets, which it does in links and devices only."""
    is_filled = issubclass(wanted, (LinkSettings, DeviceSettings))
    return not is_filled or table.keys().isdisjoint(_rules(wanted).compiled)


def keys_of(wanted: type[Struct]) -> frozenset[str]:
    """Give the keys of a table as they are written in TOML."""
    return frozenset(wanted.__struct_encode_fields__)


class _Rules(Struct, frozen=True):
    """What msgspec cannot check: keys that only the compiler sets, and bounds of durations and sizes."""

    compiled: frozenset[str]
    bounds: tuple[tuple[str, float, float], ...]


@cache  # reading annotations costs more than everything else that is done with a table
def _rules(wanted: type[Struct]) -> _Rules:
    compiled, bounds = set(), []
    for one in fields(wanted):
        for meta in getattr(one.type, "__metadata__", ()):
            extra = meta.extra or {}
            if extra.get("compiled"):
                compiled.add(one.encode_name)
            if "least" in extra or "most" in extra:
                kinds = (*get_args(one.type), *get_args(get_args(one.type)[0]))
                kind = Size if Size in kinds else Duration
                low = parse_limit(kind, extra["least"]) if "least" in extra else -math.inf
                high = parse_limit(kind, extra["most"]) if "most" in extra else math.inf
                bounds.append((one.name, low, high))
    return _Rules(frozenset(compiled), tuple(bounds))


def _is_within(made: object) -> bool:
    """Say whether every bounded field of *made*, and of the settings inside it, keeps its bounds."""
    if isinstance(made, Struct):
        values = [getattr(made, name) for name in made.__struct_fields__]
        if any(isinstance(one, (Duration, Size)) for one in values):
            for name, low, high in _rules(type(made)).bounds:
                value = getattr(made, name)
                if value is not None and not low <= value <= high:
                    return False
        return all(map(_is_within, values))
    if isinstance(made, dict):
        return all(map(_is_within, made.values()))
    return all(map(_is_within, made)) if isinstance(made, (list, tuple)) else True


def _is_finite(table: object) -> bool:
    return next(_infinite(table, ()), None) is None


def _infinite(value: object, path: Path) -> Iterator[Path]:
    """Give the paths of inf and nan: TOML has them, JSON has not, and no setting means them."""
    match value:
        case float() if not math.isfinite(value):
            yield path
        case dict():
            for key, one in value.items():
                yield from _infinite(one, (*path, key))
        case list():
            for index, one in enumerate(value):
                yield from _infinite(one, (*path, index))
