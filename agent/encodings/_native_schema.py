"""Makes the JSON Schema of the native format from its structs; ``native.schema.json`` is what it made.

    python -m agent.encodings._native_schema > agent/encodings/native.schema.json

A test fails when the file and the structs differ. The running gateway only reads the file.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from msgspec.json import schema_components

from agent.encodings._native_wire import KINDS

_NAMES: Final = {
    "Batch_Any_": "Batch",
    "Happening": "Event",
    "Tip": "Head",
    "Health": "Status",
    "Reply": "Answer",
    "Wish": "Replay",
}
_CELL: Final = {"type": ["number", "null"]}


def build() -> dict[str, Any]:
    """Give the schema (draft 2020-12) that every message body passes."""
    references, parts = schema_components(KINDS, ref_template="#/$defs/{name}")
    names = [_name(reference["$ref"].rsplit("/", 1)[-1]) for reference in references]
    defs = {_name(name): _closed(part) for name, part in parts.items()}
    defs["Batch"]["properties"]["r"] = _rows(defs["Batch"]["properties"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:citygate:schema:native:1.2",
        "title": "citygate native messages, version 1.2",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in names],
        "$defs": defs,
    }


def _name(name: str) -> str:
    return _NAMES.get(name, name)


def _closed(part: dict[str, Any]) -> dict[str, Any]:
    """Drop titles, and require what is always written: what has no default, and what is a constant."""
    part.pop("title", None)
    fields: dict[str, Any] = part["properties"]
    needed = set(part.get("required", ()))
    needed.update(name for name, one in fields.items() if one.pop("default", None) is not None)
    return part | {"required": [name for name in fields if name in needed], "additionalProperties": False}


def _rows(fields: dict[str, Any]) -> dict[str, Any]:
    point = {"type": "string"} | fields["x"]["propertyNames"]
    row = {"type": "array", "prefixItems": [point], "items": _CELL, "minItems": 2, "maxItems": 9}
    return {"type": "array", "minItems": 1, "items": row, "description": "One row for each point."}


if __name__ == "__main__":
    json.dump(build(), sys.stdout, indent=1)
    sys.stdout.write("\n")
