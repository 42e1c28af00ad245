"""What the command lends to a search: the facts that ship, the site's own profiles, the running gateway."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from agent.config.profiles import FOLDER as PROFILES
from agent.config.profiles import tables as profiles
from agent.core.secrets import secret
from agent.resources import resource
from agent.status import ask, somebody_listens

_FOLDER: Final = "config"


class RunningLink(Struct, frozen=True):
    """A link of the gateway that listens at ``socket``."""

    socket: Path
    name: str
    settings: Mapping[str, Any]

    async def probe(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have its driver answer *question*; raise GatewayError when it cannot."""
        wish = {"ask": "probe", "link": self.name, "question": dict(question)}
        return await asyncio.to_thread(ask, self.socket, wish)


class Lent(Struct, frozen=True):
    """See ``agent.core.search.Facts``; ``site`` is the folder of the configuration."""

    site: Path
    socket: Path

    def shipped(self, folder: str) -> Mapping[str, Mapping[str, Any]]:
        """Give the TOML files of ``config/FOLDER``; what cannot be read is left to `citygate check`."""
        if folder == PROFILES:
            return profiles(self.site if self.site.is_dir() else self.site.parent)
        return _files(resource(f"{_FOLDER}/{folder}"))

    def secret(self, reference: str) -> str:
        """Give the text behind ``credential:NAME``; raise ConfigError."""
        return secret(reference)

    async def held(self) -> Sequence[RunningLink]:
        """List the links of the gateway that runs here; raise GatewayError when we may not ask it."""
        if not somebody_listens(self.socket):
            return ()
        told = await asyncio.to_thread(ask, self.socket, {"ask": "links"})
        return [RunningLink(self.socket, one["name"], one["settings"]) for one in told["links"]]


def _files(folder: Path) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for file in sorted(folder.rglob("*.toml")) if folder.is_dir() else ():
        try:
            found[str(file.relative_to(folder).with_suffix(""))] = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
    return found
