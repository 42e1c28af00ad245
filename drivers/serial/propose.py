"""Writes down what was overheard on a serial line, as the tables of a site. Pure.

Numbers of text lines become points: by their keys where a line is a JSON object, else by a pattern made of
the latest line. Units and kinds are a person's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from agent.core.search import Found
from drivers.serial.fields import compiled
from drivers.serial.overhear import BUS, LINES, Voice

_NAMES: Final = {
    "p1": ("a smart electricity meter (P1)", "meter"),
    "sds011": ("an SDS011 particulate sensor", "air"),
    "pms": ("a Plantower PMS particulate sensor", "air"),
}
_USUAL: Final = {"p1": (115_200, "8N1"), LINES: (9600, "8N1")}  # what the drivers take when nothing is said
_NUMBER: Final = re.compile(r"(?<![\w.])[-+]?\d+(?:[.,]\d+)?(?![\w.]*\d)")
_MOST: Final = 20
_UNITS: Final = "say the unit and kind of each point, and take away what nobody needs"


def proposal(where: Mapping[str, Any], address: str, voice: Voice, link_name: str) -> Found | None:
    """Give the tables for who speaks at *where*; None: nobody known, or a master.

    *where* are the keys of a path, or of host and port; *address* is the same for people.
    """
    if voice.kind in ("", BUS):
        return None
    baud, frame = voice.setting
    link: dict[str, Any] = {"driver": voice.kind, **where}
    if "path" in where and voice.kind in _USUAL and (baud, frame) != _USUAL[voice.kind]:
        link |= {"baud": baud, "frame": frame}
    if voice.kind == LINES:
        device = _of_lines(voice.lines)
        return Found(
            address=address,
            what=f"a device that sends text lines, such as {voice.lines[-1][:60]}",
            link=link,
            link_name=link_name,
            device=device,
            device_name="lines",
            note=_UNITS if device.get("points") else "no number is in its lines; write pattern and points",
        )
    what, name = _NAMES[voice.kind]
    return Found(address=address, what=what, link=link, link_name=link_name, device={}, device_name=name)


def refusal(voice: Voice) -> str:
    """Say why nothing was asked on a line on which *voice* was heard."""
    if voice.kind == BUS:
        baud, frame = voice.setting
        return (
            f"another master speaks on this line (Modbus RTU, {baud} {frame}); a line can have only one, so "
            "nothing was asked: take the other off, or read through it"
        )
    return (
        "somebody speaks on this line, but nothing that is known here, so nothing was asked; is it another "
        "bus, or are A and B swapped?"
    )


def _of_lines(lines: tuple[str, ...]) -> dict[str, Any]:
    """Give the keys of a device that says *lines*."""
    for text in reversed(lines):
        if (fields := _object(text)) is not None:
            points: dict[str, Any] = {}
            for key in list(_numbers(fields))[:_MOST]:
                points[_free(_name(key), points)] = {"key": key}
            return {"speaks": "on-change", "points": points} if points else {}
    return _by_pattern(lines[-1])


def _by_pattern(text: str) -> dict[str, Any]:
    """Make a pattern that takes the numbers out of *text*, and a point of each."""
    parts, at, names = [], 0, []
    for number, match in enumerate(_NUMBER.finditer(text), 1):
        if number > _MOST:
            break
        names.append(f"value_{number}")
        parts += [re.escape(text[at : match.start()]), f"(?P<value_{number}>[-+0-9.,]+)"]
        at = match.end()
    if not names:
        return {}
    pattern = "".join(parts)
    compiled(pattern)
    return {"speaks": "on-change", "pattern": pattern, "points": {name: {} for name in names}}


def _object(text: str) -> Mapping[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _numbers(fields: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Give the paths of all numbers in an object, of which objects may be a part."""
    for key, value in fields.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{before}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{key}"


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """Give *name*, or one like it that is not taken."""
    return next(one for one in (name, *(f"{name}_{n}" for n in range(2, _MOST + 2))) if one not in taken)


def _name(key: str) -> str:
    """Make a point's name of a key."""
    return re.sub(r"[^a-z0-9]+", "_", key.casefold()).strip("_")[:60] or "value"
