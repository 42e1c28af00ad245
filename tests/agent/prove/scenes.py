"""Sites that promises are tried on, and how one is tried."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from agent.config.load import load
from agent.core.plan import Plan
from agent.prove.outcome import Outcome
from agent.prove.run import promise
from agent.prove.scene import Scene
from agent.resources import resource

NOW = 1_795_291_200.0
DEMO = resource("config/templates/demo")
STREET = resource("config/planted/modes.toml")


def tried(name: str, scene: Scene) -> Outcome:
    """Put one promise to the test."""
    return promise(name).prove(scene)


def street(**changes: Any) -> Plan:  # noqa: ANN401 - fields of a plan
    """Give the made-up street, changed."""
    return replace(load(STREET), **changes)
