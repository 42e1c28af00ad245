"""The words of a public notice, by language: data in ``config/languages``, one file each."""

from __future__ import annotations

import tomllib

from msgspec import Struct, convert

from agent.core.errors import ConfigError
from agent.resources import resource


class Phrases(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One language: its own name, and phrases by what they are about."""

    code: str
    name: str
    page: dict[str, str]
    scope: dict[str, str]
    statistic: dict[str, str]
    width: dict[str, str]
    privacy: dict[str, str]
    basis: dict[str, str]
    purpose: dict[str, str]
    kind: dict[str, str]
    quantity: dict[str, str]


def languages() -> list[str]:
    """List the languages by their codes, English first."""
    found = sorted(path.stem for path in resource("config/languages").glob("*.toml"))
    return sorted(found, key=lambda code: (code != "en", code))


def phrases(code: str) -> Phrases:
    """Read the phrases of a language; raise ConfigError that lists the known ones."""
    if code not in languages():
        raise ConfigError(f'no language is called "{code}"; there are {", ".join(languages())}')
    path = resource(f"config/languages/{code}.toml")
    return convert({"code": code, **tomllib.loads(path.read_text("utf-8"))}, Phrases)
