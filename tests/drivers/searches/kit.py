"""What tests of searches share: the gateway's facts, links that it seems to hold, and what a search told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.cli.lent import Lent
from agent.core.search import Found, Held, Missed, Progress, Told

Answering = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class HeldLink:
    """A link that a running gateway holds; *answer* stands for its socket."""

    def __init__(self, name: str, settings: Mapping[str, Any], answer: Answering) -> None:
        self.name, self.settings, self._answer = name, settings, answer
        self.probes: list[Mapping[str, Any]] = []

    async def probe(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        self.probes.append(question)
        return await self._answer(question)


class Facts:
    """What ships, and the links that are held."""

    def __init__(self, *held: Held) -> None:
        self._held = held
        self._lent = Lent(Path("/nonexistent"), Path("/nonexistent/control.sock"))

    def shipped(self, folder: str) -> Mapping[str, Mapping[str, Any]]:
        return self._lent.shipped(folder)

    def secret(self, reference: str) -> str:
        return self._lent.secret(reference)

    async def held(self) -> Sequence[Held]:
        return self._held


class Heard:
    """Everything that a search told."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.missed: list[Missed] = []
        self.progress: list[Progress] = []

    def __call__(self, told: Told) -> None:
        match told:
            case Found():
                self.found.append(told)
            case Missed():
                self.missed.append(told)
            case Progress():
                self.progress.append(told)
