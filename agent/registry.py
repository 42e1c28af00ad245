"""Finds plugins by name: ``modbus-tcp`` is the class ``ModbusTcp`` in ``drivers/modbus_tcp.py``.

Modules are imported only when a configuration names them, so a gateway without BACnet never loads it.
Third parties add theirs by the entry points ``citygate.drivers``, ``citygate.steps``,
``citygate.encodings`` and ``citygate.searches``.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from agent.core.errors import ConfigError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from agent.core.message import Encoding, Place
    from agent.core.plan import Recipient

Family = Literal["driver", "step", "encoding", "search"]
_HOMES: Final[dict[str, str]] = {
    "driver": "drivers",
    "step": "pipelines",
    "encoding": "agent.encodings",
    "search": "drivers.searches",
}
_MANY: Final[dict[str, str]] = {
    "driver": "drivers",
    "step": "steps",
    "encoding": "encodings",
    "search": "searches",
}


@cache
def kinds(family: Family) -> tuple[str, ...]:
    """List the plugins of *family* by their TOML names, without importing them."""
    spec = find_spec(_HOMES[family])
    places = map(Path, spec.submodule_search_locations or ()) if spec else ()
    built_in = {file.stem for place in places for file in place.glob("[!_]*.py")}
    names = {name.replace("_", "-") for name in built_in}
    return tuple(sorted(names | _installed(family).keys()))


def plugin(family: Family, kind: str) -> type[Any]:
    """Import the plugin called *kind*; raise ConfigError with the nearest name if there is none."""
    if point := _installed(family).get(kind):
        return _checked_class(point.load())
    if kind not in kinds(family):
        from difflib import get_close_matches  # only somebody who made a mistake waits for it

        near = get_close_matches(kind, kinds(family), n=1)
        hint = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(kinds(family))}"
        raise ConfigError(f'no {family} is called "{kind}"{hint}')
    module = import_module(f"{_HOMES[family]}.{kind.replace('-', '_')}")
    return _checked_class(getattr(module, kind.title().replace("-", "")))


def encoder(recipient: Recipient, place: Place) -> Encoding:
    """Make the encoding of *recipient*, with the settings written for it."""
    kind = plugin("encoding", recipient.encoding)
    made: Encoding = kind(place, recipient.style or kind.settings_type())
    return made


class Stranger(NamedTuple):
    """A plugin that is not part of citygate, and the project and version that brought it."""

    family: Family
    name: str
    project: str

    def sentence(self) -> str:
        """Say what it is and whose."""
        return f"{self.family} {self.name}, of {self.project}"


def strangers() -> list[Stranger]:
    """List what third parties have added, whether or not a configuration names it."""
    found = []
    for family in _MANY:
        for name, point in sorted(_installed(cast("Family", family)).items()):
            whose = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown project"
            found.append(Stranger(cast("Family", family), name, whose))
    return found


@cache
def _installed(family: Family) -> dict[str, EntryPoint]:
    if not _somebody_adds():
        return {}
    from importlib.metadata import entry_points

    return {point.name: point for point in entry_points(group=f"citygate.{_MANY[family]}")}


@cache
def _somebody_adds() -> bool:
    """Look for third parties' entry points; what knows all about them takes 20 ms to import."""
    for place in map(Path, sys.path):
        if place.is_file():
            return True  # an archive, which cannot be looked into so easily
        for names in place.glob("*-info/entry_points.txt"):
            if b"[citygate." in names.read_bytes():
                return True
    return False


def _checked_class(found: object) -> type[Any]:
    if not isinstance(found, type):
        raise ConfigError(f"plugin {found!r} is not a class")
    return found
