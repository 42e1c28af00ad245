"""The words in which reports speak of values and names."""

from __future__ import annotations

import re
from typing import Final, get_args

from agent.core import settings

NAME_PATTERN: Final = str(get_args(settings.Name)[1].pattern)
POINT_PATTERN: Final = str(get_args(settings.PointName)[1].pattern)
STATE_PATTERN: Final = str(get_args(settings.StateNumber)[1].pattern)
PATTERNS: Final = {
    NAME_PATTERN: "lower-case letters, digits and hyphens, at most 64",
    POINT_PATTERN: "lower-case letters, digits and underscores, at most 63",
    STATE_PATTERN: "the number of a state, such as 0 or 12",
}
# bool comes first: in Python it is a kind of int
_KINDS: Final = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (dict, "a table"),
    (list, "a list"),
)


def kind_of(value: object) -> str:
    """Say in TOML's words what *value* is."""
    for kinds, words in _KINDS:
        if isinstance(value, kinds):
            return words
    return "a date or time"


def name_flaw(name: str, pattern: str = NAME_PATTERN) -> str:
    """Say why *name* cannot be a name of the form *pattern*; empty when it can."""
    return "" if re.search(pattern, name) else f'"{name}" is no name: expected {PATTERNS[pattern]}'
