"""BACnet values as plain JSON, and back: for what goes through the gateway's own socket."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from agent.core.errors import GatewayError
from drivers.bacnet.value import Answer, Bits, Fault, Null, ObjectId, Opaque


class _Form(NamedTuple):
    """How values of one type are written and read."""

    type: type[Any]
    write: Callable[[Any], Any]
    read: Callable[[Any], Answer]


_FORMS: Final = {
    "object": _Form(ObjectId, lambda one: [one.type, one.instance], lambda told: ObjectId(*told)),
    "bits": _Form(Bits, lambda one: list(one.bits), lambda told: Bits(tuple(told))),
    "null": _Form(Null, lambda _: True, lambda _: Null()),
    "bytes": _Form(bytes, bytes.hex, bytes.fromhex),
    "opaque": _Form(Opaque, lambda one: one.raw.hex(), lambda told: Opaque(bytes.fromhex(told))),
    "fault": _Form(Fault, lambda one: [one.kind, one.code, one.error_class], lambda told: Fault(*told)),
    "real": _Form(float, repr, float),
}


def encoded(value: Answer) -> Any:  # noqa: ANN401 - plain JSON values
    """Write a value; a number that JSON does not have too."""
    if isinstance(value, tuple):
        return [encoded(one) for one in value]
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    word, form = next((word, form) for word, form in _FORMS.items() if isinstance(value, form.type))
    return {word: form.write(value)}


def decoded(told: Any) -> Answer:  # noqa: ANN401 - plain JSON values
    """Read what `encoded` wrote; raise GatewayError for anything else."""
    if isinstance(told, bool | int | float | str):
        return told
    try:
        if isinstance(told, list):
            return tuple(decoded(one) for one in told)  # type: ignore[misc]  # no fault lies within a value
        [(word, content)] = told.items()
        return _FORMS[word].read(content)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise GatewayError("the running gateway tells values that this command does not know") from None
