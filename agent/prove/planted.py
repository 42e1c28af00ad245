"""Made-up configurations that ship with the gateway: one of every privacy mode, and those to be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.prove.scene import Parts
from agent.resources import resource

SECRET: Final = "hunter2-planted"  # noqa: S105 - it guards nothing
_WORDS: Final = re.compile(r"# (.*)\n# must say: (.*)\n")


def modes(parts: Parts) -> Plan:
    """Give the made-up street that has one product of each privacy mode, and one without a grant."""
    return parts.load(resource("config/planted/modes.toml"))


def alarms(parts: Parts) -> Plan:
    """Give the made-up cellar whose boiler tells of its limit, to one recipient as often as a rate allows."""
    return parts.load(resource("config/planted/alarms.toml"))


def let_in(parts: Parts, *families: str) -> Iterator[str]:
    """Try the configurations whose names begin with one of *families*; say which were not refused, and how.

    Each says in its head why it must be refused, and with which words.
    """
    for path in sorted(resource("config/planted/refused").glob("*.toml")):
        if not path.stem.startswith(families):
            continue
        found = _WORDS.match(path.read_text("utf-8"))
        assert found is not None
        why, words = found.groups()
        try:
            parts.load(path)
        except ConfigError as refusal:
            if words not in str(refusal):
                yield f"{path.stem} was refused for another reason: {refusal}"
            if SECRET in str(refusal):
                yield f"{path.stem} was refused, but the refusal shows the secret"
        else:
            yield f"This was not refused ({path.stem}): {why}"


def count(*families: str) -> int:
    """Say how many configurations of *families* there are."""
    return sum(path.stem.startswith(families) for path in resource("config/planted/refused").glob("*.toml"))
