"""What is written today is understood by a platform that was built by an earlier schema of version 1.

Such a platform follows the rule of docs/city/native.md: it ignores fields that it does not know. So the
schema that it was built by is taken as it was, but for the ban on other fields; all else must still fit.
"""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agent.encodings.native import native_schema
from tests.agent.encodings.test_native import corpus

SCHEMAS = Path(__file__).parents[2] / "cases" / "schemas"
FORMER = sorted(SCHEMAS.glob("native-1.*.schema.json"))
ASKED_FOR = {"figure", "replay", "rebirth", "answer"}
"""Kinds that only somebody gets who has asked for them in the recipient's settings."""


def as_read(schema: Path) -> dict[str, Any]:
    """Give a schema as who ignores the unknown reads it."""
    read: dict[str, Any] = _opened(json.loads(schema.read_text("utf-8")))
    return read


def _opened(part: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(part, dict):
        is_ban = part.get("additionalProperties") is False
        return {
            key: _opened(one) for key, one in part.items() if not (is_ban and key == "additionalProperties")
        }
    return [_opened(one) for one in part] if isinstance(part, list) else part


def kinds(schema: dict[str, Any]) -> set[str]:
    messages = [schema["$defs"][one["$ref"].rpartition("/")[2]] for one in schema["oneOf"]]
    return {one["properties"]["k"]["enum"][0] for one in messages}


def bodies() -> list[dict[str, Any]]:
    return [json.loads(one.body) for made in corpus().values() for one in made]


def test_every_earlier_minor_version_is_kept() -> None:
    minor = re.fullmatch(r"urn:citygate:schema:native:1\.(\d+)", native_schema()["$id"])
    assert minor is not None
    wanted = [f"urn:citygate:schema:native:1.{n}" for n in range(int(minor[1]))]
    assert [json.loads(path.read_text("utf-8"))["$id"] for path in FORMER] == wanted


@pytest.mark.parametrize("path", FORMER, ids=lambda path: path.stem)
def test_todays_messages_pass_each_earlier_schema(path: Path) -> None:
    schema = as_read(path)
    check = jsonschema.Draft202012Validator(schema)
    known = kinds(schema)
    for body in bodies():
        if body["k"] in known:
            check.validate(body)
    assert {body["k"] for body in bodies()} - known <= ASKED_FOR


@pytest.mark.parametrize("path", FORMER, ids=lambda path: path.stem)
@pytest.mark.parametrize("change", ["another type", "a field is gone", "another form"])
def test_a_change_that_breaks_a_platform_would_be_noticed(path: Path, change: str) -> None:
    check = jsonschema.Draft202012Validator(as_read(path))
    (body,) = (copy.deepcopy(one) for one in bodies() if one["k"] == "gap")
    check.validate(body)
    match change:
        case "another type":
            body["lost"][0]["n"] = "32"
        case "a field is gone":
            del body["lost"][0]["why"]
        case _:
            body["lost"][0]["t"] = ["2026-11-21", "2026-11-22"]
    assert not check.is_valid(body)
