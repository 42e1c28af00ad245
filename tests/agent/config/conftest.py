"""What the tests of the compiler share."""

from __future__ import annotations

import pytest

from agent import registry
from agent.core.errors import ConfigError
from tests.agent.config.plugins import PLUGINS


@pytest.fixture
def small_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the plugins of these tests exist."""

    def plugin(family: registry.Family, kind: str) -> type:
        if kind not in PLUGINS[family]:
            raise ConfigError(kind)
        return PLUGINS[family][kind]

    monkeypatch.setattr(registry, "kinds", lambda family: tuple(sorted(PLUGINS[family])))
    monkeypatch.setattr(registry, "plugin", plugin)


@pytest.fixture
def usual_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let credentials be looked for where they are by default."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", "/etc/citygate")
