"""Every key of the configuration that may name a secret, found in the schema: no new one is forgotten."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from agent.config.schema import Json, plugins, schema

MAY: Final = "credential:NAME"
"""What the description of such a key says, because a person has to know how to write it."""
LIKE: Final = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|pass|secret|token|key|psk|pin|sas|bearer|cookie|community|auth"
    r"|authorization|header|headers|login|user|username|credential|credentials)$"
)


def secret_keys() -> set[str]:
    """Name them as ``recipient.password`` and ``link.camera.password``."""
    return {name for name, one in _every_key() if MAY in one.get("description", "")}


def suspects() -> set[str]:
    """Name the keys that are called like a secret, whatever is said of them."""
    return {name for name, _ in _every_key() if LIKE.search(name.rpartition(".")[2])}


def platforms() -> set[str]:
    """Name the encodings whose platform has terms of its own, a way to log in among them."""
    return {kind for kind, one in plugins("encoding") if hasattr(one, "demands")}


def _every_key() -> Iterator[tuple[str, Json]]:
    for section, one in schema()["properties"].items():
        yield from _below(section, one)


def _below(path: str, node: Any) -> Iterator[tuple[str, Json]]:  # noqa: ANN401 - any part of a schema
    if not isinstance(node, dict):
        return
    own = node.get("properties", {})
    kind = next((own[key]["const"] for key in ("driver", "use") if "const" in own.get(key, {})), "")
    path = f"{path}.{kind}" if kind else path
    for key, one in own.items():
        yield f"{path}.{key}", one
        yield from _below(f"{path}.{key}", one)
    for key in ("oneOf", "anyOf"):
        for one in node.get(key, ()):
            yield from _below(path, one)
    for key in ("additionalProperties", "items"):
        yield from _below(path, node.get(key))
