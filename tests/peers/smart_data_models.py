"""The published schemas of the Smart Data Models (CC-BY-4.0), read from clones below ``build/``.

No package holds them, so that nothing installs them: where a folder is absent its tests are skipped by name.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_HOME: Final = Path(__file__).parents[2] / "build" / "peers" / "smart-data-models"
_PREFIXES: Final = (
    "https://smart-data-models.github.io/",
    "https://raw.githubusercontent.com/smart-data-models/",
)


def faults(domain: str, model: str, entity: object) -> list[str]:
    """Say what is wrong with *entity* (key-values) as its published schema sees it."""
    return [
        f"{'/'.join(map(str, one.path))}: {one.message[:200]}"
        for one in _check(domain, model).iter_errors(entity)
    ]


def example(domain: str, model: str) -> Any:  # noqa: ANN401 - any JSON value
    """Give the example that the model ships."""
    return json.loads(
        (_clone(f"dataModel.{domain}") / model / "examples" / "example.json").read_text("utf-8")
    )


@cache
def _check(domain: str, model: str) -> Draft202012Validator:
    schema = json.loads((_clone(f"dataModel.{domain}") / model / "schema.json").read_text("utf-8"))
    registry: Registry[Any] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]
    return Draft202012Validator(schema, registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER)


def _retrieve(uri: str) -> Resource[Any]:
    """Answer references between the models from the clones."""
    for prefix in _PREFIXES:
        uri = uri.removeprefix(prefix)
    repository, _, path = uri.replace("/master/", "/").partition("/")
    text = (_clone(repository) / path).read_text("utf-8")
    return Resource.from_contents(json.loads(text), default_specification=DRAFT202012)


@cache
def _clone(repository: str) -> Path:
    folder = _HOME / repository
    if not folder.is_dir():
        pytest.skip(f"needs {repository} of the Smart Data Models below {_HOME.parent.name}/{_HOME.name}")
    return folder
