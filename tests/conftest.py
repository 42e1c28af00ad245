"""Fixtures and habits for every test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping

import pytest

from tests.virtual import VirtualClock, VirtualLoop


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run a test that asks for ``virtual`` on virtual time, any other one on the usual loop."""
    if "virtual" in getattr(item, "fixturenames", ()):
        return {"virtual": VirtualLoop}
    return {"usual": asyncio.new_event_loop}


@pytest.fixture
def virtual() -> VirtualClock:
    """Give a clock of virtual time; its ``async`` test runs on a loop that never sleeps."""
    return VirtualClock()


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing measure the processes that a test starts: it would import and write what they may not."""
    for name in [one for one in os.environ if one.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)
