"""Reads what `citygate validate` counts, and what a person counted there.

Two forms. A TOML file has the tables of a camera link: ``[lines.NAME]``, ``[zones.NAME]``, ``[bays.NAME]``,
or is a whole site file with ``[link.CAMERA.lines.NAME]``. A JSON file has lines in pixels, as tools that draw
boxes write them: ``width``, ``height``, and for each line ``p1``, ``p2`` and what was counted; left is there
the smaller x.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.config.explain import flaws
from agent.config.fault import Fault
from agent.config.report import report
from agent.config.sources import Source, read
from agent.core.errors import ConfigError
from agent.core.scene import CLASSES, Class, Scene
from agent.core.settings import decode_hook

DIRECTIONS: Final = ("to_left", "to_right")
_PLACES: Final = ("lines", "zones", "bays")

# line, class (None: all of the line's together), direction
Expected = dict[tuple[str, Class | None, str], int]


def scene(path: Path, link: str | None = None) -> Scene:
    """Give what is drawn in the file at *path*, for the camera *link* if it is a whole site file."""
    if path.suffix == ".json":
        return _made(Source(path.name, 0), _of_pixels(_json(path), path), ())
    source = _toml(path)
    tables, base = _of_link(source, link)
    return _made(source, {key: one for key, one in tables.items() if key in _PLACES}, base)


def drawn_over(path: Path, link: str | None = None) -> tuple[int, int] | None:
    """Give width and height of the still that the lines of *path* were drawn over, if it says so."""
    told = _json(path) if path.suffix == ".json" else _of_link(_toml(path), link)[0]
    given = (told.get("width"), told.get("height")) if path.suffix == ".json" else told.get("picture")
    try:
        found = msgspec.convert(given, tuple[int, int] | None)
    except msgspec.ValidationError:
        raise ConfigError(f"{path.name}: picture is a width and a height, such as [640, 480]") from None
    if found is not None and min(found) < 1:
        raise ConfigError(f"{path.name}: the picture needs a width and a height")
    return found


def expected(path: Path, drawn: Scene) -> Expected:
    """Give what a person counted, from the file at *path*; its lines must be among those *drawn*."""
    is_json = path.suffix == ".json"
    lines = (_json(path) if is_json else _toml(path).tables).get("lines")
    if not isinstance(lines, dict):
        raise ConfigError(f"{path.name} has no [lines.NAME] with to_left and to_right")
    found: Expected = {}
    for given, table in lines.items():
        name = _name(given) if is_json else given
        if name not in drawn.lines:
            known = ", ".join(drawn.lines)
            raise ConfigError(f'{path.name} tells of a line "{given}" that is not drawn; drawn are: {known}')
        for word, value in table.items():
            if word in CLASSES and isinstance(value, dict):
                found |= {(name, word, key): _whole(path, name, key, one) for key, one in value.items()}
            elif word in DIRECTIONS or not is_json:
                found[name, None, word] = _whole(path, name, word, value)
    if not found:
        raise ConfigError(f"{path.name} says of no line how many went to_left or to_right")
    return found


def _whole(path: Path, line: str, word: str, value: object) -> int:
    if word not in DIRECTIONS:
        raise ConfigError(f'{path.name}: line {line}: "{word}" is neither to_left nor to_right, nor a class')
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"{path.name}: line {line}: {word} must be a number of passages, not {value!r}")
    return value


def _toml(path: Path) -> Source:
    source = read(path.name, path, 0)
    if source.wrong is not None:
        message, hint, span = source.wrong
        raise ConfigError(report([Fault(source, (), message, hint, span=span)]))
    return source


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{path.name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f'{path.name} must be an object with "lines"')
    return found


def _of_link(source: Source, link: str | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Give the table that holds the lines, and where it stands."""
    links = source.tables.get("link")
    if not isinstance(links, dict):
        return source.tables, ()
    cameras = [
        name for name, one in links.items() if isinstance(one, dict) and any(key in one for key in _PLACES)
    ]
    chosen = link or (cameras[0] if len(cameras) == 1 else "")
    if chosen not in cameras:
        wanted = f'no link "{link}" with lines, zones or bays' if link else "several cameras, or none"
        raise ConfigError(f"{source.name} has {wanted}; name one of: {', '.join(cameras) or '(none)'}")
    return links[chosen], ("link", chosen)


def _made(source: Source, tables: dict[str, Any], base: tuple[str, ...]) -> Scene:
    try:
        made = msgspec.convert(tables, Scene, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        faults = [
            Fault(source, (*base, *one.path), one.message, one.hint, at_key=one.at_key)
            for one in flaws(tables, Scene)
        ]
        raise ConfigError(report(faults) if source.text else f"{source.name}: {error}") from error
    if not made.counters():
        raise ConfigError(f"{source.name} draws nothing: write [lines.NAME] with from and to")
    return made


def _of_pixels(told: dict[str, Any], path: Path) -> dict[str, Any]:
    """Make our tables of lines in pixels; a walker upwards has the smaller x on the left."""
    try:
        wide, high = float(told["width"]), float(told["height"])
        lines = {}
        for given, one in told["lines"].items():
            ends = [(float(x) / wide, float(y) / high) for x, y in (one["p1"], one["p2"])]
            ends.sort(key=lambda spot: -spot[1])
            lines[_name(given)] = {"from": ends[0], "to": ends[1], "classes": one.get("classes", ["person"])}
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise ConfigError(
            f'{path.name} needs "width", "height", and for each of "lines" p1 and p2 in pixels ({error!r})'
        ) from error
    return {"lines": lines}


def _name(given: str) -> str:
    """Make a name of ours of one of theirs."""
    return re.sub(r"[^a-z0-9-]+", "-", given.lower()).strip("-") or "line"
