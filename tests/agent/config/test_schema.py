"""Editors learn every key, and what it means."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from msgspec import inspect

from agent import registry
from agent.config.page import main as renew
from agent.config.page import refreshed
from agent.config.schema import keys, schema
from agent.config.tables import PURPOSES

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "technician" / "configuration.md"
CASES = ROOT / "tests" / "cases" / "config"
PLUGINS = [(family, kind) for family in ("driver", "step") for kind in registry.kinds(family)]


@pytest.fixture(scope="module")
def validator() -> Any:  # noqa: ANN401 - jsonschema has no types
    return jsonschema.Draft202012Validator(schema())


def described(node: object, path: str = "$") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        properties = node.get("properties", {})
        for key, one in properties.items():
            yield f"{path}.{key}", one
            yield from described(one, f"{path}.{key}")
        for key, one in node.items():
            if key != "properties":
                yield from described(one, f"{path}/{key}")
    if isinstance(node, list):
        for index, one in enumerate(node):
            yield from described(one, f"{path}[{index}]")


def test_every_key_has_a_description() -> None:
    found = list(described(schema()))
    assert len(found) > 100
    assert [path for path, one in found if not one.get("description")] == []


@pytest.mark.usefixtures("small_plugins")
def test_every_key_of_a_foreign_plugin_has_its_description_too() -> None:
    assert [path for path, one in described(schema()) if not one.get("description")] == []


@pytest.mark.parametrize(("family", "kind"), PLUGINS)
def test_settings_of_every_plugin_are_understood(family: registry.Family, kind: str) -> None:
    found = registry.plugin(family, kind)
    assert isinstance(inspect.type_info(found), inspect.StructType)
    assert keys(found)


def test_the_schema_is_one(validator: Any) -> None:  # noqa: ANN401 - jsonschema has no types
    validator.check_schema(validator.schema)


@pytest.mark.parametrize("name", ["site.toml", "sharing.toml", "camera/camera.toml", "camera/people.toml"])
def test_the_demo_fits_the_schema(validator: Any, name: str) -> None:  # noqa: ANN401 - jsonschema has no types
    path = ROOT / "config" / "templates" / "demo" / name
    validator.validate(tomllib.loads(path.read_text("utf-8")))


@pytest.mark.usefixtures("small_plugins")
@pytest.mark.parametrize("path", sorted(CASES.glob("valid-*/**/*.toml")), ids=lambda path: path.parent.name)
def test_sound_files_fit_the_schema(path: Path) -> None:
    if path.parent.parent == CASES:  # neither a profile nor a file of site.d, which holds parts of tables
        tables = tomllib.loads(path.read_text("utf-8-sig"))
        # TOML dates are dates in Python; the schema is about TOML
        jsonschema.Draft202012Validator(schema()).validate(_plain(tables))


@pytest.mark.usefixtures("small_plugins")
@pytest.mark.parametrize(
    "case",
    [
        "unknown-table", "unknown-key", "missing-keys", "list-for-table", "bad-name", "compiled-key",
        "wrong-type", "out-of-range", "duration-without-unit", "unknown-literal", "unknown-driver",
        "unknown-step", "location-needs-two", "k-too-small", "size-unknown-unit", "unknown-basis",
    ],
)  # fmt: skip
def test_an_editor_sees_what_needs_no_other_table_to_be_wrong(case: str) -> None:
    tables = tomllib.loads((CASES / case / "site.toml").read_text("utf-8"))
    assert not jsonschema.Draft202012Validator(schema()).is_valid(_plain(tables))


def test_the_tables_of_the_page_are_those_of_the_settings() -> None:
    text = PAGE.read_text("utf-8")
    assert refreshed(text) == text, "run: python -m agent.config.page docs/technician/configuration.md"


def test_the_page_names_every_purpose() -> None:
    text = PAGE.read_text("utf-8")
    assert [name for name in PURPOSES if f"`{name}`" not in text] == []


def _plain(value: Any) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def test_a_page_is_brought_up_to_date_by_its_command(tmp_path: Path) -> None:
    page = tmp_path / "configuration.md"
    text = PAGE.read_text("utf-8")
    page.write_text(text.replace("| `city` |", "| `town` |"), "utf-8")
    assert page.read_text("utf-8") != text
    assert renew([str(page)]) == 0
    assert page.read_text("utf-8") == text


def test_a_plugin_that_cannot_be_loaded_here_does_not_keep_the_others_from_an_editor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plugin = registry.plugin

    def broken(family: registry.Family, kind: str) -> type[Any]:
        if kind == "modbus-tcp":
            raise ImportError("No module named 'acme_sdk'")
        return plugin(family, kind)

    monkeypatch.setattr(registry, "plugin", broken)
    drivers = [
        one["properties"]["driver"]["const"]
        for one in schema()["properties"]["link"]["additionalProperties"]["oneOf"]
    ]
    assert sorted({*registry.kinds("driver")} - {*drivers}) == ["modbus-tcp"]
