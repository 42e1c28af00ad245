"""Listens for what a platform may say to a gateway: that its host is there, that births are wanted.

Nothing else is heard: topics are those of the talk, and it judges every word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from agent.core.command import Heard
from agent.core.errors import UplinkError
from agent.core.message import Hearing, Talk
from agent.uplink.port import TwoWay


class Ear:
    """Hears for one connection; ``is_alone``: the host that must be there has gone."""

    def __init__(self, talk: Talk, reborn: Callable[[], None], changed: Callable[[], None]) -> None:
        self.is_alone = False
        self._talk = talk
        self._reborn = reborn
        self._changed = changed
        self._begin = asyncio.Event()
        if not talk.waits:
            self._begin.set()

    async def open(self, link: TwoWay) -> None:
        """Subscribe, and return when something may be said; raise UplinkError."""
        await link.listen(self._talk.topics, self._hear)
        waiting = asyncio.ensure_future(self._begin.wait())
        either: list[asyncio.Future[Any]] = [waiting, link.closed]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if link.closed.done():
            raise UplinkError(link.closed.result().text)

    def _hear(self, heard: Heard) -> None:
        word: Hearing = self._talk.hear(heard.topic, heard.body)
        if word == "rebirth":
            self._reborn()
        elif word == "go":
            self._begin.set()
        elif word == "wait":
            self.is_alone = True
            self._changed()
