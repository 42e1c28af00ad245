"""Whatever a plugin of somebody else allows in its table, what it refuses is told at its place, in words."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from agent.config.explain import flaws
from agent.core.settings import Settings


class Sine(Settings, tag="sine", tag_field="shape"):
    """A smooth wave."""

    height: Annotated[float, Meta(description="From rest to crest.", gt=0)]


class Steps(Settings, tag="steps", tag_field="shape"):
    """A wave with corners."""

    levels: Annotated[tuple[int, ...], Meta(description="Its levels.", min_length=2, max_length=3)]


class Wave(Settings):
    """What a plugin may ask for."""

    form: Annotated[Sine | Steps, Meta(description="Its form.")] = Sine(height=1.0)
    loud: Annotated[bool, Meta(description="Whether it is heard.")] = False
    until: Annotated[date | None, Meta(description="Its last day.")] = None
    name: Annotated[str, Meta(description="Its name.", max_length=5)] = ""
    mode: Annotated[Literal["up", "down"] | int, Meta(description="A word or a number.")] = "up"


def told(table: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(".".join(map(str, one.path)), one.message, one.hint) for one in flaws(table, Wave)]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            {"form": {"shape": "sin", "height": 2}},
            [("form.shape", 'unknown value "sin"', 'did you mean "sine"?')],
        ),
        ({"form": {"shape": "sine", "height": 0}}, [("form.height", "must be more than 0", "")]),
        (
            {"form": {"shape": "steps", "levels": [1]}},
            [("form.levels", "needs at least 2 items", "")],
        ),
        (
            {"form": {"shape": "steps", "levels": [1, 2, 3, 4]}},
            [("form.levels", "may have at most 3 items, has 4", "")],
        ),
        ({"form": "sine"}, [("form", "expected a table, got text", "")]),
        ({"name": "breaker"}, [("name", "may have at most 5 characters, has 7", "")]),
        ({"loud": "yes", "name": "tide"}, [("loud", "expected true or false, got text", "")]),
        ({"loud": True, "name": 5}, [("name", "expected text, got a whole number", 'write "5"')]),
        (
            {"until": date(2027, 6, 30), "loud": "true"},
            [("loud", "expected true or false, got text", "write true without quotes")],
        ),
        ({"until": "2027-06-30", "loud": 1}, [("loud", "expected true or false, got a whole number", "")]),
        (
            {"until": "20270630"},
            [("until", "expected a date such as 2027-12-31, got text", "")],
        ),
        ({"mode": [1]}, [("mode", "expected text or a whole number, got a list", "")]),
    ],
    ids=lambda one: "-".join(map(str, one)) if isinstance(one, dict) else "",
)
def test_a_flaw_is_told_where_it_is(table: dict[str, Any], said: list[tuple[str, str, str]]) -> None:
    assert told(table) == said
