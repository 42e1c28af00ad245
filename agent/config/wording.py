"""Compiles what a recipient says of its encoding: a name, or a table with the name and its settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import NODEFAULT, to_builtins
from msgspec.structs import fields

from agent.config import tables
from agent.config.draft import Draft
from agent.config.spans import Path
from agent.core.message import CanObject, Place
from agent.core.plan import Recipient
from agent.core.product import Product, Route
from agent.core.settings import Settings
from agent.registry import encoder


def compile_encoding(
    draft: Draft, written: str | Mapping[str, Any], path: Path
) -> tuple[str, Settings | None]:
    """Give the encoding's name and settings; None, and faults noted, when there are any."""
    if isinstance(written, str):
        kind = draft.plugin("encoding", written, path)
        # one that cannot do without settings says which are missing
        return written, draft.settings({}, kind.settings_type, draft.where(path)) if kind else None
    use = draft.word(written, "use", path)
    kind = draft.plugin("encoding", use, (*path, "use")) if use else None
    if use is None or kind is None:
        return "", None
    return use, draft.settings(written, kind.settings_type, draft.where(path), head=tables.EncodingHead)


def check_encodings(
    draft: Draft,
    place: Place,
    products: Sequence[Product],
    recipients: Sequence[Recipient],
    routes: Sequence[Route],
) -> None:
    """Note what the platform of a recipient would refuse of what it is granted."""
    known = {one.id: one for one in products}
    for recipient in recipients:
        encoding = encoder(recipient, place)
        if not isinstance(encoding, CanObject):
            continue
        for route in routes:
            if route.recipient == recipient.name:
                for sentence in encoding.objections(known[route.product]):
                    message, _, hint = sentence.partition(": write ")
                    path = ("recipient", recipient.name, "encoding")
                    draft.fault(path, message, f"write {hint}" if hint else "")


def chosen(settings: Settings | None) -> dict[str, Any]:
    """Give what differs from the defaults: the sharing policy is named by it."""
    if settings is None:
        return {}
    plain: dict[str, Any] = to_builtins(settings)
    usual = {one.encode_name: _default(one.default, one.default_factory) for one in fields(settings)}
    return {
        key: one for key, one in plain.items() if usual[key] is NODEFAULT or to_builtins(usual[key]) != one
    }


def _default(value: object, factory: Any) -> object:  # noqa: ANN401 - what msgspec gives
    return factory() if factory is not NODEFAULT else value
