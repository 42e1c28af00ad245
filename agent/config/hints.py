"""Guesses what somebody meant, to be shown beside what is wrong. It never decides anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from agent.config.size import UNITS as SIZES
from agent.config.size import Size

if TYPE_CHECKING:
    from msgspec import inspect

_FEW: Final = 16
_SET: Final = 6
_MEANT: Final[dict[str, tuple[str, ...]]] = {
    "address": ("host", "addr"), "average": ("mean",), "avg": ("mean",), "byteorder": ("byte_order",),
    "count": ("sum",), "difference": ("delta",), "endian": ("byte_order",), "increase": ("delta",),
    "interval": ("every",), "ip": ("host",), "latest": ("last",), "newest": ("last",), "period": ("every",),
    "poll": ("every",), "register": ("addr",), "retention": ("keep",), "slave": ("unit",),
    "slave-id": ("unit",), "swap": ("byte_order",), "total": ("sum",), "unit-id": ("unit",),
    "url": ("broker", "source", "host"), "user": ("username",), "word-order": ("byte_order",),
}  # fmt: skip
_MEASURE: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")
_LONG_UNITS: Final = {
    "": "s", "msec": "ms", "millis": "ms", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
    "min": "m", "mins": "m", "minute": "m", "minutes": "m", "hr": "h", "hour": "h", "hours": "h",
    "day": "d", "days": "d", "week": "w", "weeks": "w",
}  # fmt: skip
_DAYS: Final = {"y": 365, "yr": 365, "year": 365, "years": 365, "month": 30, "months": 30}
_DAY_FIRST: Final = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the known word most like *word*, or all of them when they are few."""
    from difflib import get_close_matches  # only somebody who made a mistake waits for it

    words = sorted(known)
    folded = {_folded(one): one for one in words}
    if meant := next((one for one in _MEANT.get(_folded(word), ()) if one in words), ""):
        return f'did you mean "{meant}"?'
    # among a few words one is always nearest: "anonymise" must not be answered with "none"
    cutoff = 0.65 if len(words) < _SET else 0.6
    begun = [one for one in folded if one.startswith(_folded(word))] if word else []
    if near := get_close_matches(_folded(word), folded, n=1, cutoff=cutoff) or begun:
        return f'did you mean "{folded[near[0]]}"?'
    return f"known: {', '.join(words)}" if 0 < len(words) <= _FEW else ""


def name_hint(text: str, pattern: str) -> str:
    """Offer the name most like *text* that *pattern* allows."""
    made = name_guess(text, pattern)
    return f'did you mean "{made}"?' if made else ""


def name_guess(text: str, pattern: str) -> str:
    """Give the name most like *text* that *pattern* allows; empty when there is none."""
    import unicodedata

    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    for joint in ("-", "_"):
        made = re.sub(r"[^a-z0-9]+", joint, plain).strip(joint)
        if re.search(pattern, made):
            return made
    return ""


def measure_hint(value: object, wanted: type) -> str:
    """Give the duration or size that somebody meant who forgot the unit, or spelt it otherwise."""
    found = None if isinstance(value, bool) else _MEASURE.fullmatch(str(value))
    if found is None:
        return ""
    if issubclass(wanted, Size):
        units = {one.lower(): one for one in SIZES} | {"": "MB", "k": "kB", "m": "MB", "g": "GB"}
    else:
        units = _LONG_UNITS | {one: one for one in ("ms", "s", "m", "h", "d", "w")}
        if days := _DAYS.get(found[2].lower()):
            return f'did you mean "{float(found[1]) * days:.0f}d"?'
    unit = units.get(found[2].lower())
    made = f"{found[1]}{unit}"
    return f'did you mean "{made}"?' if unit and made != value else ""


def quotes_hint(value: object, kind: inspect.Type) -> str:
    """Say where quotes are missing, or too many."""
    from msgspec import inspect

    bare = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(bare, inspect.StrType) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'write "{value}"'
    number = r"-?\d+" if isinstance(bare, inspect.IntType) else r"-?\d+(?:\.\d+)?"
    if isinstance(bare, (inspect.IntType, inspect.FloatType)) and isinstance(value, str):
        return f"write {value} without quotes" if re.fullmatch(number, value) else ""
    if isinstance(bare, inspect.BoolType) and isinstance(value, str) and value.lower() in ("true", "false"):
        return f"write {value.lower()} without quotes"
    return _form_hint(value, bare) if isinstance(value, str) else ""


def _form_hint(value: str, kind: inspect.Type) -> str:
    """Write *value* in the form that *kind* has in TOML."""
    from msgspec import inspect

    match kind:
        case inspect.ListType() | inspect.VarTupleType():
            return f'write ["{value}"]'
        case inspect.StructType():
            for field in kind.fields:
                bare = field.type.type if isinstance(field.type, inspect.Metadata) else field.type
                kinds = bare.types if isinstance(bare, inspect.UnionType) else (bare,)
                if any(isinstance(one, inspect.LiteralType) and value in one.values for one in kinds):
                    return f'write {{ {field.encode_name} = "{value}" }}'
        case inspect.DateType() if found := _DAY_FIRST.fullmatch(value):
            return f"write {found[3]}-{int(found[2]):02}-{int(found[1]):02}"
    return ""


def _folded(word: str) -> str:
    return word.lower().replace("_", "-")
