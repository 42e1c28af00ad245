"""The release told to brokers and people is that of the installed package."""

from __future__ import annotations

import sys
from importlib.metadata import version

import pytest

from agent.release import release


def test_the_release_is_that_of_the_installed_package() -> None:
    assert release() == version("citygate")


def test_a_checkout_that_is_not_installed_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    release.cache_clear()
    try:
        assert release() == "unknown"
    finally:
        monkeypatch.undo()
        release.cache_clear()
    assert release() == version("citygate")
