"""Finds every fault in a table, not only the first.

``msgspec`` stops at the first fault and gives no place. When it refuses a table, this module walks it key by
key. A refused value always yields at least one flaw: if nothing inside it is wrong, the value itself is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

import msgspec
from msgspec import Struct, inspect

from agent.config.hints import measure_hint, name_hint, nearest, quotes_hint
from agent.config.size import decode, parse_limit
from agent.config.spans import Path
from agent.config.words import PATTERNS, kind_of

_WORDS: Final = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.FloatType: "a number",
    inspect.BoolType: "true or false",
    inspect.DateType: "a date such as 2027-12-31",
    inspect.StructType: "a table",
    inspect.DictType: "a table",
    inspect.ListType: "a list",
    inspect.VarTupleType: "a list",
    inspect.TupleType: "a list",
    inspect.EnumType: "text",
    inspect.LiteralType: "text",
    inspect.CustomType: "text",
}


class Flaw(Struct, frozen=True):
    """One thing wrong with a table: where in it, what, and perhaps what would be right."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False


def flaws(table: Mapping[str, Any], wanted: type[Struct], head: type[Struct] | None = None) -> list[Flaw]:
    """List all reasons why *table* is not a *wanted*; keys of *head* may stand beside its own."""
    fields = _fields(wanted)
    keys = {**fields, **_fields(head)} if head else fields
    found = list(_keys(table, keys, ()))
    return found or _own_rule({key: one for key, one in table.items() if key in fields}, wanted, ())


def _fields(wanted: type[Struct]) -> dict[str, inspect.Field]:
    """Give the keys that a person may write: those that the compiler sets are none of them."""
    kind = inspect.type_info(wanted)
    assert isinstance(kind, inspect.StructType)
    return {one.encode_name: one for one in kind.fields if not is_compiled(one)}


def is_compiled(field: inspect.Field) -> bool:
    """Say whether the compiler sets *field*, so that a file must not."""
    return isinstance(field.type, inspect.Metadata) and bool((field.type.extra or {}).get("compiled"))


def _keys(table: Mapping[str, Any], keys: Mapping[str, inspect.Field], path: Path) -> Iterator[Flaw]:
    missing = [name for name, one in keys.items() if one.required and name not in table]
    for name in (one for one in table if one not in keys):
        hint = nearest(name, keys)
        # somebody who wrote "hots" has not forgotten "host"
        missing = [one for one in missing if f'"{one}"?' not in hint]
        yield Flaw((*path, name), f'unknown key "{name}"', hint, at_key=True)
    for name in missing:
        yield Flaw(path, f'missing key "{name}"', _meaning(keys[name]), at_key=True)
    for name in (one for one in table if one in keys):
        yield from _walk(table[name], keys[name].type, (*path, name))


def _meaning(field: inspect.Field) -> str:
    """Give what its author says of a key, for somebody who has not heard of it."""
    extra = field.type.extra_json_schema if isinstance(field.type, inspect.Metadata) else None
    return str((extra or {}).get("description", ""))


def _own_rule(value: object, wanted: type[Struct], path: Path) -> list[Flaw]:
    try:
        msgspec.convert(value, wanted, dec_hook=decode)
    except msgspec.ValidationError as error:
        message = re.sub(r" - at `.*`$", "", str(error)).replace("`", "")
        return [Flaw(path, message, at_key=True)]
    return []


def _walk(  # noqa: C901, PLR0912 - one case for each kind of type
    value: Any,  # noqa: ANN401 - any TOML value
    kind: inspect.Type,
    path: Path,
    limits: Mapping[str, Any] | None = None,
) -> Iterator[Flaw]:
    match kind:
        case inspect.Metadata():
            yield from _walk(value, kind.type, path, kind.extra or limits)
        case inspect.AnyType():
            pass
        case inspect.UnionType():
            yield from _walk_union(value, kind, path, limits)
        case inspect.StructType() if isinstance(value, dict):
            fields = {one.encode_name: one for one in kind.fields if not is_compiled(one)}
            rest = {key: one for key, one in value.items() if key != kind.tag_field}
            found = list(_keys(rest, fields, path))
            yield from found or _own_rule(value, kind.cls, path)
        case inspect.DictType() if isinstance(value, dict):
            for key, element in value.items():
                for flaw in _walk(key, kind.key_type, (*path, key)):
                    yield Flaw(flaw.path, flaw.message, flaw.hint, at_key=True)
                yield from _walk(element, kind.value_type, (*path, key))
        case inspect.ListType() | inspect.VarTupleType() if isinstance(value, list):
            yield from _length(len(value), kind, path, "item")
            for index, element in enumerate(value):
                yield from _walk(element, kind.item_type, (*path, index))
        case inspect.TupleType() if isinstance(value, list):
            if len(value) != len(kind.item_types):
                yield Flaw(path, f"expected {len(kind.item_types)} items, got {len(value)}")
            for index, (element, one) in enumerate(zip(value, kind.item_types, strict=False)):
                yield from _walk(element, one, (*path, index))
        case inspect.CustomType():
            yield from _measure(value, kind.cls, path, limits or {})
        case _:
            yield from _scalar(value, kind, path)


def _walk_union(
    value: object, kind: inspect.UnionType, path: Path, limits: Mapping[str, Any] | None
) -> Iterator[Flaw]:
    """Follow the branch that *value* was meant for: the first whose TOML kind is the same."""
    branches = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
    tagged = [one for one in branches if isinstance(one, inspect.StructType) and one.tag_field]
    if isinstance(value, dict) and tagged and (key := tagged[0].tag_field) in value:
        branches = [one for one in tagged if one.tag == value[key]]
        if not branches:
            hint = nearest(str(value[key]), [str(one.tag) for one in tagged])
            yield Flaw((*path, str(key)), f'unknown value "{value[key]}"', hint)
            return
    for one in branches:
        if _is_like(value, one):
            yield from _walk(value, one, path, limits)
            return
    words = list(dict.fromkeys(_word(one) for one in branches))
    hint = next(filter(None, (quotes_hint(value, one) for one in branches)), "")
    yield Flaw(path, f"expected {' or '.join(words)}, got {kind_of(value)}", hint)


def _is_like(value: object, kind: inspect.Type) -> bool:
    bare = kind.type if isinstance(kind, inspect.Metadata) else kind
    if isinstance(bare, inspect.FloatType):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if isinstance(bare, inspect.DateType):
        return isinstance(value, (date, str)) and not isinstance(value, datetime)
    return isinstance(bare, inspect.AnyType) or _WORDS.get(type(bare)) == kind_of(value)


def _word(kind: inspect.Type) -> str:
    return _WORDS.get(type(kind.type if isinstance(kind, inspect.Metadata) else kind), "something else")


def _measure(value: object, wanted: type, path: Path, limits: Mapping[str, Any]) -> Iterator[Flaw]:
    """Check a duration or a size, with the bounds that only this compiler knows."""
    try:
        made = decode(wanted, value)
    except ValueError as error:
        yield Flaw(path, str(error), measure_hint(value, wanted))
        return
    least, most = limits.get("least"), limits.get("most")
    if least is not None and made < parse_limit(wanted, least):
        yield Flaw(path, f'must be at least "{least}"')
    if most is not None and made > parse_limit(wanted, most):
        yield Flaw(path, f'must be at most "{most}"')


def _scalar(value: Any, kind: inspect.Type, path: Path) -> Iterator[Flaw]:  # noqa: ANN401 - any TOML value
    match kind:
        case inspect.LiteralType() | inspect.EnumType() if isinstance(value, str):
            known = kind.values if isinstance(kind, inspect.LiteralType) else [one.value for one in kind.cls]
            if value not in known:
                yield Flaw(path, f'unknown value "{value}"', nearest(value, map(str, known)))
        case inspect.IntType() if isinstance(value, int) and not isinstance(value, bool):
            yield from _bounds(value, kind, path)
        case inspect.FloatType() if isinstance(value, (int, float)) and not isinstance(value, bool):
            yield from _bounds(value, kind, path)
        case inspect.StrType() if isinstance(value, str):
            yield from _length(len(value), kind, path, "character")
            if kind.pattern is not None and not re.search(kind.pattern, value):
                words = PATTERNS.get(kind.pattern, f"text of the form {kind.pattern}")
                yield Flaw(path, f"expected {words}", name_hint(value, kind.pattern))
        case inspect.BoolType() if isinstance(value, bool):
            pass
        case inspect.DateType() if isinstance(value, date) and not isinstance(value, datetime):
            pass
        case inspect.DateType() if isinstance(value, str) and _is_date(value):
            pass
        case _:
            yield Flaw(path, f"expected {_word(kind)}, got {kind_of(value)}", quotes_hint(value, kind))


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2027-12-31")


def _bounds(value: float, kind: inspect.IntType | inspect.FloatType, path: Path) -> Iterator[Flaw]:
    if kind.ge is not None and kind.le is not None and not kind.ge <= value <= kind.le:
        yield Flaw(path, f"must be between {kind.ge:g} and {kind.le:g}")
        return
    for words, bound, is_broken in (
        ("at least", kind.ge, kind.ge is not None and value < kind.ge),
        ("at most", kind.le, kind.le is not None and value > kind.le),
        ("more than", kind.gt, kind.gt is not None and value <= kind.gt),
        ("less than", kind.lt, kind.lt is not None and value >= kind.lt),
        ("a multiple of", kind.multiple_of, kind.multiple_of is not None and value % kind.multiple_of != 0),
    ):
        if is_broken:
            yield Flaw(path, f"must be {words} {bound:g}")


def _length(
    length: int, kind: inspect.StrType | inspect.ListType | inspect.VarTupleType, path: Path, what: str
) -> Iterator[Flaw]:
    if kind.min_length is not None and length < kind.min_length:
        yield Flaw(path, f"needs at least {kind.min_length} {what}{'s' * (kind.min_length > 1)}")
    if kind.max_length is not None and length > kind.max_length:
        yield Flaw(path, f"may have at most {kind.max_length} {what}s, has {length}")
