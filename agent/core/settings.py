"""The base of everything that a table in a TOML file can describe.

Settings are frozen structs: nothing can be stored on them, so nothing stale survives a restart, and
"has this changed?" is ``==``. Each field carries ``Meta(description=...)``: the JSON Schema for
editors and the tables in the docs are made from it.
"""

from __future__ import annotations

from typing import Annotated, Any, dataclass_transform

from msgspec import Meta, Struct, StructMeta, field

from agent.core.duration import Duration


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class _SettingsMeta(StructMeta):
    """Tells type checkers that settings are frozen without each class saying so."""


class Settings(Struct, metaclass=_SettingsMeta, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table in a configuration file."""


def decode_hook(wanted: type, value: object) -> Any:  # noqa: ANN401 - msgspec's own signature
    """Read the types that msgspec does not know; give it to every ``msgspec.convert`` of TOML."""
    if wanted is Duration:
        return Duration.parse(value)
    raise NotImplementedError(wanted)  # pragma: no cover - a type that no settings field has


Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$",
        description="Lower-case letters, digits and hyphens; it becomes a level of an MQTT topic.",
    ),
]
PointName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_]{0,62}$",
        description="Lower-case letters, digits and underscores.",
    ),
]
StateNumber = Annotated[
    str, Meta(pattern=r"^(0|-?[1-9][0-9]{0,8})$", description="Number of a state, as a key of TOML.")
]
StateText = Annotated[str, Meta(min_length=1, max_length=80)]
