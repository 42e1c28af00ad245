"""The release told to brokers and people is that of the installed package."""

from __future__ import annotations

from importlib.metadata import version

from agent.release import release


def test_the_release_is_that_of_the_installed_package() -> None:
    assert release() == version("citygate")
