"""Turns what is known of a device into the table of a site: what is safe to say of each point, and no more.

A unit without a UCUM code, and an energy that may be a meter's reading, are for a person to decide: they are
told, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from agent.core import units as ucum
from agent.core.point import Kind
from drivers.bacnet import units
from drivers.bacnet.cells import clean
from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.kinds import ACCUMULATOR, BINARY, EVENT_STATES, POLLED
from drivers.bacnet.naming import point_names

_LONGEST: Final = 80
_OF_FEW: Final = (
    "room", "office", "apartment", "occup", "presence", "motion",
    "raum", "zimmer", "buero", "wohn", "praesenz", "anwesen", "beweg",
    "huone", "toimisto", "asunto", "laesnaeol", "rum", "kontor", "chambre", "bureau", "kamer", "kantoor",
)  # fmt: skip
_GROWING: Final = ("energy", "apparent energy", "reactive energy", "volume")


def device_table(device: DeviceFacts, patterns: Sequence[str], *, events: bool = False) -> dict[str, Any]:
    """Give the table of *device* with the points that *patterns* choose.

    *events*: for objects that watch themselves a point with their event state too, as ``NAME_event``.
    """
    names = point_names(device)
    points: dict[str, Any] = {}
    for one in device.objects:
        if one.type in POLLED and chosen(one, names[one.id], patterns):
            points[names[one.id]] = point_table(one)
            if events and one.alarms is not False:
                points[_free(f"{names[one.id]}_event", names)] = _event_table(one)
    found: dict[str, Any] = {"instance": device.instance}
    if device.address:
        found["address"] = device.address
    return found | {"points": points}


def chosen(one: ObjectFacts, name: str, patterns: Sequence[str]) -> bool:
    """Say whether *patterns* mean an object, by its own name, its description or the name of its point.

    A pattern that begins with ``!`` takes away; ``*`` stands for anything, and capitals do not matter.
    """
    texts = [text.casefold() for text in (one.name, one.description, name, one.id)]

    def fits(pattern: str) -> bool:
        return any(fnmatchcase(text, pattern.casefold().replace("[", "[[]")) for text in texts)

    wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
    return any(map(fits, wanted)) and not any(fits(one[1:]) for one in patterns if one.startswith("!"))


def point_table(one: ObjectFacts) -> dict[str, Any]:
    """Give the keys of the point that reads *one*."""
    found: dict[str, Any] = {"object": one.id}
    if one.unit is not None and (code := units.code(one.unit)) not in ("", "1"):
        found["unit"] = code
    if (kind := POLLED[one.type]) is not Kind.GAUGE:
        found["kind"] = str(kind)
    if one.unit is not None and (quantity := units.quantity(one.unit)):
        found["quantity"] = quantity
    if one.type == ACCUMULATOR and one.scale is not None:
        found |= _counting(one.scale, one.maximum)
    if label := clean(one.description or one.name)[:_LONGEST]:
        found["label"] = label
    if texts := _states(one):
        found["states"] = texts
    return found


def _counting(scale: float, highest: float | None) -> dict[str, float]:
    """Say what a count is worth, and where it begins again: after the highest number that it can show."""
    found = {} if scale == 1.0 else {"scale": scale}
    return found if not highest else found | {"rollover": float(f"{(highest + 1) * scale:.12g}")}


def remarks(device: DeviceFacts, points: Mapping[str, Any]) -> Iterator[str]:
    """Say what a person must still decide about *points*."""
    by_id = {one.id: one for one in device.objects}
    unknown: dict[str, list[str]] = {}
    growing, counting = [], []
    of_few = [name for name in points if any(word.startswith(_OF_FEW) for word in name.split("_"))]
    for name, table in points.items():
        one = by_id[table["object"]]
        if "property" in table:
            continue
        if one.unit is not None and not units.code(one.unit) and one.type not in BINARY:
            unknown.setdefault(units.name(one.unit), []).append(name)
        elif "kind" not in table and ucum.dimension(table.get("unit", "1")) in _GROWING:
            growing.append(name)
        if one.type == ACCUMULATOR and one.scale is None:
            counting.append(name)
    for unit, names in unknown.items():
        yield f'no UCUM code for "{unit}": say the unit of {_few(names)}'
    if growing:
        yield f'if it is a reading that only grows, write kind = "counter": {_few(growing)}'
    if of_few:
        yield f'if few people can be told by it, write scope = "workspace" or "household": {_few(of_few)}'
    if counting:
        yield f"what a count stands for is not told: write the scale of {_few(counting)}"


def _event_table(one: ObjectFacts) -> dict[str, Any]:
    return {
        "object": one.id,
        "property": "event-state",
        "kind": str(Kind.STATE),
        "label": f"{clean(one.description or one.name or one.id)[: _LONGEST - 7]}, event",
        "states": {str(number): text for number, text in enumerate(EVENT_STATES)},
    }


def _states(one: ObjectFacts) -> dict[str, str]:
    """Give the texts by number: binary ones count from 0, multi-state ones from 1."""
    first = 0 if one.type in BINARY else 1
    return {str(at): clean(text)[:_LONGEST] for at, text in enumerate(one.states, first) if clean(text)}


def _free(wish: str, names: Mapping[str, str]) -> str:
    name, taken = wish, set(names.values())
    while name in taken:
        name = re.sub(r"_event(_*)$", r"_event_\1", name)
    return name


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
