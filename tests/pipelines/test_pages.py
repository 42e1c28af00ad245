"""The pages of the steps leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.registry import kinds, plugin

PAGES = Path(__file__).parent.parent.parent / "docs" / "technician"


@pytest.mark.parametrize("kind", kinds("step"))
def test_a_step_stands_in_the_overview(kind: str) -> None:
    assert f"(steps/{kind}.md)" in (PAGES / "steps.md").read_text("utf-8")


@pytest.mark.parametrize("kind", kinds("step"))
def test_every_key_of_a_step_is_explained_on_its_page(kind: str) -> None:
    keys = set(re.findall(r"^\| `(\w+)` \|", (PAGES / "steps" / f"{kind}.md").read_text("utf-8"), re.M))
    assert set(plugin("step", kind).__struct_fields__) <= keys


def test_every_reason_that_steps_give_is_explained() -> None:
    page = (PAGES / "steps.md").read_text("utf-8")
    sources = Path(__file__).parent.parent.parent.glob("pipelines/**/*.py")
    text = "".join(path.read_text("utf-8") for path in sources)
    given = set(re.findall(r'(?:doubt|gap|stale) = (?:\w+\.\w+ or )?"(\w+)"', text))
    given |= set(re.findall(r'(?:BAD|mark), "(\w+)"', text))
    given |= set(re.findall(r'NEW_METER: Final = "(\w+)"', text))
    assert {"reset", "backwards", "clock", "started", "stopped", "restart", "out_of_range", "slope"} <= given
    assert "new_meter" in given
    assert given <= set(re.findall(r"`(\w+)`", page))
