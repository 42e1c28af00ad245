"""Exports the configuration as JSON Schema (draft 2020-12), for editors that complete and check TOML.

It knows every table, and every driver and step that is installed; one that cannot be loaded here is left out.
The schema is wider than the compiler: references and rules between keys are the compiler's alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import NODEFAULT, Struct, inspect

from agent import registry
from agent.config import tables
from agent.config.explain import is_compiled
from agent.config.size import UNITS as SIZES
from agent.config.size import Size
from agent.config.words import NAME_PATTERN
from agent.core.duration import UNITS as SPANS
from agent.core.errors import ConfigError

Json = dict[str, Any]
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_SECTIONS: Final = {
    "link": "Connections to devices.",
    "device": "Devices on the links.",
    "pipeline": "Steps that several products share.",
    "product": "What the city lets out.",
    "purpose": "What data may be used for, beside the built-in purposes.",
    "recipient": "Who receives.",
    "grant": "Which recipient may have which products, and on which terms.",
}
_BARE: Final[dict[type[inspect.Type], Json]] = {
    inspect.BoolType: {"type": "boolean"},
    inspect.DateType: {"type": "string", "format": "date"},
    inspect.AnyType: {},
}
_BOUNDS: Final = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}


def schema() -> Json:
    """Give the schema of one file; every key has a description."""
    properties: Json = {name: table_schema(one) for name, one in tables.SINGLE.items()}
    steps = _one_of([table_schema(one, tables.StepHead, use=use) for use, one in plugins("step")])
    for name, one in tables.NAMED.items():
        element = table_schema(one)
        if "steps" in element["properties"]:
            element["properties"]["steps"]["items"] = steps
        if "combine" in element["properties"]:
            element["properties"]["combine"] = table_schema(registry.plugin("step", "combine"))
        if "encoding" in element["properties"]:
            element["properties"]["encoding"] |= _encoding()
        properties[name] = element
    drivers = list(plugins("driver"))
    properties["link"] = _one_of([table_schema(one, tables.LinkHead, driver=kind) for kind, one in drivers])
    devices = [_device(one) for _, one in drivers if hasattr(one, "device_type")]
    properties["device"] = {"anyOf": devices} if devices else {"type": "object"}
    for name in tables.NAMED:
        properties[name] = {
            "description": _SECTIONS[name],
            "type": "object",
            "propertyNames": {"pattern": NAME_PATTERN},
            "additionalProperties": properties[name],
        }
    return {
        "$schema": DIALECT,
        "title": "citygate configuration",
        "description": "A file of a citygate gateway: site.toml, sharing.toml, or both in one.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def plugins(family: registry.Family) -> Iterator[tuple[str, type[Struct]]]:
    """Give the installed plugins of *family* that can be loaded here, with their TOML names."""
    for kind in registry.kinds(family):
        if family == "step" and kind in ("window", "combine"):
            continue  # their keys are the product's
        try:
            found = registry.plugin(family, kind)
            inspect.type_info(found)
        except (ImportError, ConfigError, TypeError):
            continue
        yield kind, found


def table_schema(wanted: type[Struct], head: type[Struct] | None = None, **fixed: str) -> Json:
    """Give the schema of one table; keys of *head* come first, *fixed* are the values that some must have."""
    fields = [*(keys(head) if head else ()), *keys(wanted)]
    properties = {one.encode_name: _key(one) for one in fields}
    for key, value in fixed.items():
        properties[key] = {"description": properties[key]["description"], "const": value}
    made: Json = {
        "description": summary(wanted),
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    if required := [one.encode_name for one in fields if one.required]:
        made["required"] = required
    return made


def keys(wanted: type[Struct]) -> list[inspect.Field]:
    """Give the keys of a table that people may write."""
    kind = inspect.type_info(wanted)
    assert isinstance(kind, inspect.StructType)
    return [one for one in kind.fields if not is_compiled(one)]


def summary(wanted: type) -> str:
    """Give the first sentence of a class's docstring."""
    return (wanted.__doc__ or "").strip().split("\n")[0]


def description(field: inspect.Field) -> str:
    """Give what its author says of a key; empty when that was forgotten."""
    if not isinstance(field.type, inspect.Metadata):
        return ""
    return str((field.type.extra_json_schema or {}).get("description", ""))


def default(field: inspect.Field) -> Any:  # noqa: ANN401 - any JSON value
    """Give a key's default as people would write it; None when there is none worth telling."""
    value = field.default
    if value in (NODEFAULT, None, "", ()) or isinstance(value, Struct):
        return None
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(bare(field.type), inspect.CustomType) else value


def bare(kind: inspect.Type) -> inspect.Type:
    """Take off what only describes a type: descriptions, and "or nothing"."""
    while True:
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        elif isinstance(kind, inspect.UnionType):
            rest = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            if len(rest) > 1:
                return kind
            kind = rest[0]
        else:
            return kind


def _encoding() -> Json:
    """Give the schema of an encoding: its name, or a table with its settings."""
    known = [(kind, one.settings_type) for kind, one in plugins("encoding") if hasattr(one, "settings_type")]
    tables_of = [table_schema(one, tables.EncodingHead, use=kind) for kind, one in known]
    return {"anyOf": [{"enum": [kind for kind, _ in known]}, *tables_of]}


def _device(driver: type[Any]) -> Json:
    """Give the schema of a device; its points may lie over a profile's, so none of their keys is required."""
    made = table_schema(driver.device_type, tables.DeviceHead)
    point = table_schema(driver.device_type.point_type)
    point.pop("required", None)
    made["properties"]["points"] |= {"type": "object", "additionalProperties": point}
    made["required"] = ["link"]  # a profile may give what else the device needs
    return made


def _one_of(choices: list[Json]) -> Json:
    return {"oneOf": choices} if choices else {"type": "object"}


def _key(field: inspect.Field) -> Json:
    made = {"description": description(field), **_type(field.type)}
    value = default(field)
    return made if value is None else {**made, "default": value}


def _type(kind: inspect.Type) -> Json:  # noqa: C901, PLR0911 - one case for each kind of type
    kind = bare(kind)
    match kind:
        case inspect.StrType():
            return {"type": "string", **_lengths(kind, "Length"), **_given({"pattern": kind.pattern})}
        case inspect.IntType() | inspect.FloatType():
            name = "integer" if isinstance(kind, inspect.IntType) else "number"
            return {"type": name, **_given({_BOUNDS[key]: getattr(kind, key) for key in _BOUNDS})}
        case inspect.LiteralType():
            return {"enum": [one for one in kind.values if one != ""]}
        case inspect.EnumType():
            return {"enum": [one.value for one in kind.cls]}
        case inspect.CustomType():
            units = SIZES if kind.cls is Size else SPANS
            return {"type": "string", "pattern": rf"^\s*\d+(\.\d+)?\s*({'|'.join(units)})\s*$"}
        case inspect.ListType() | inspect.VarTupleType():
            return {"type": "array", "items": _type(kind.item_type), **_lengths(kind, "Items")}
        case inspect.TupleType():
            size = len(kind.item_types)
            items = [_type(one) for one in kind.item_types]
            return {"type": "array", "prefixItems": items, "minItems": size, "maxItems": size}
        case inspect.DictType():
            names = _given({"pattern": getattr(bare(kind.key_type), "pattern", None)})
            made = {"type": "object", "additionalProperties": _type(kind.value_type) or True}
            return {**made, "propertyNames": names} if names else made
        case inspect.UnionType():
            return {"anyOf": [_type(one) for one in kind.types if not isinstance(one, inspect.NoneType)]}
        case inspect.StructType():
            return table_schema(kind.cls)
    return dict(_BARE[type(kind)])


def _lengths(kind: inspect.StrType | inspect.ListType | inspect.VarTupleType, what: str) -> Json:
    return _given({f"min{what}": kind.min_length, f"max{what}": kind.max_length})


def _given(values: Mapping[str, Any]) -> Json:
    return {key: value for key, value in values.items() if value is not None}
