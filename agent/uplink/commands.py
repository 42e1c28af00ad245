"""Hears what one recipient asks of the gateway, where the city has allowed it; see ``agent.core.command``.

Foreign bytes end here: what is not one of two commands, of bounded size, within a bounded rate and about what
that recipient is granted anyway, is refused in words and counted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Final

from agent.core.catalogue.uplinks import COMMAND_OBEYED, COMMAND_REFUSED, COMMANDS_DEAF
from agent.core.clock import Instant
from agent.core.command import LONGEST, MOST, Answer, CanObey, Command, Heard, Verb, Wanted, Why
from agent.core.errors import UplinkError
from agent.core.plan import Recipient
from agent.uplink import replays
from agent.uplink.port import TwoWay
from agent.uplink.replays import Book, Replays, Request

BURST: Final = 5
"""Commands that may come at once; then one each minute."""
_PAUSE: Final = 60.0
_ABOUT: Final = frozenset({"numbering", "range", "busy"})  # refusals that may repeat what was asked for

_log = logging.getLogger(__name__)


class Allowance:
    """So many at once, and one more each *pause* seconds. Pure."""

    def __init__(self, burst: int, pause: float, now: float) -> None:
        self._burst = burst
        self._pause = pause
        self._full_at = now  # when nothing will be owed any more

    def take(self, now: float) -> bool:
        """Say whether one more may come at *now*."""
        full_at = max(self._full_at, now) + self._pause
        if full_at > now + self._burst * self._pause:
            return False
        self._full_at = full_at
        return True


class Commands:
    """The ear for one recipient's commands; *rebirth* tells births anew, *stir* wakes whoever sends."""

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        recipient: Recipient,
        encoding: CanObey,
        book: Book,
        now: Callable[[], Instant],
        *,
        rebirth: Callable[[], None],
        stir: Callable[[], None],
    ) -> None:
        self.obeyed = self.refused = 0
        self.is_deaf = False
        self.replays = Replays(encoding, book, now, recipient.rate)
        self._recipient = recipient
        self._encoding = encoding
        self._book = book
        self._now = now
        self._rebirth = rebirth
        self._stir = stir
        self._allowance = Allowance(BURST, _PAUSE, now().boot)
        self._is_flooded = False
        self._products: frozenset[str] = frozenset()
        self._lid = ""

    @property
    def topics(self) -> dict[str, Verb]:
        """The topics of the verbs that are allowed."""
        found = self._encoding.commands()
        return {topic: verb for topic, verb in found.items() if verb in self._recipient.commands}

    def configure(self, products: Collection[str], lid: str) -> None:
        """Know what the recipient is granted, and which numbering is ours."""
        self._products, self._lid = frozenset(products), lid
        self.replays.keep_to(self._products)

    @property
    def figures(self) -> dict[str, float | str]:
        """What ``citygate status`` shows of commands."""
        shown: dict[str, float | str] = {
            "commands": self.obeyed,
            "commands_refused": self.refused,
            "sent_again": self.replays.sent,
        }
        if self.replays.word:
            shown["replay"] = self.replays.word
        if self.is_deaf:
            shown["commands_unheard"] = "the broker does not let us read them"
        return shown

    async def open(self, link: TwoWay) -> None:
        """Subscribe, and let go of *link* if that fails."""
        try:
            await self._listen(link)
        except BaseException:
            link.abort()
            raise

    async def _listen(self, link: TwoWay) -> None:
        """Subscribe; a broker that forbids it hinders nothing else. Raise UplinkError if it is gone."""
        self.is_deaf = False
        try:
            # a command that was retained has been obeyed, or was for somebody else
            await link.listen(list(self.topics), self.hear, retained=False)
        except UplinkError as error:
            if link.closed.done():
                raise
            self.is_deaf = True
            COMMANDS_DEAF.tell(_log, self._recipient.name, error, RECIPIENT=self._recipient.name)

    def hear(self, heard: Heard) -> None:
        """Judge what came, and obey it if it is a command."""
        verb = self.topics.get(heard.topic)
        if verb is None or heard.retained:
            self.refused += 1  # not to us, or not now: there is nobody to answer
            return
        if not self._allowance.take(self._now().boot):
            if self._is_flooded:
                self.refused += 1  # told once: each answer is a row of the ledger
            else:
                self._is_flooded = True
                self._refuse(verb, "busy", heard)
            return
        self._is_flooded = False
        try:
            command = self._encoding.read(verb, heard.body)
        except ValueError:
            self._refuse(verb, "malformed", heard)
            return
        if why := self._objection(command, heard):
            self._refuse(verb, why, heard, command.wanted if why in _ABOUT else None)
        else:
            self._obey(command, heard)

    def _objection(self, command: Command, heard: Heard) -> Why:
        """Say what speaks against a command; empty when nothing does."""
        wanted = command.wanted
        if not self._may_answer(heard):
            return "reply"
        if wanted is None:
            return ""
        if wanted.product not in self._products:
            return "product"
        if command.lid != self._lid:
            return "numbering"
        if not 1 <= wanted.first <= wanted.last < wanted.first + MOST:
            return "range"
        return "busy" if self.replays.waiting >= replays.MOST else ""

    def _may_answer(self, heard: Heard) -> bool:
        """Allow what is ours to write and no topic of a product, and only so much to give back."""
        if len(heard.correlation) > LONGEST:
            return False
        own = {self._encoding.again(one) for one in self._products}
        return not heard.reply_to or (self._encoding.answers_at(heard.reply_to) and heard.reply_to not in own)

    def _obey(self, command: Command, heard: Heard) -> None:
        self.obeyed += 1
        name, wanted = self._recipient.name, command.wanted
        if wanted is None:
            COMMAND_OBEYED.tell(_log, name, "rebirth", RECIPIENT=name)
            self._rebirth()
            self._book.answer(
                Answer(verb="rebirth", outcome="done", reply_to=heard.reply_to, correlation=heard.correlation)
            )
            return
        text = f"replay of {wanted.product}, run {wanted.epoch}, {wanted.first} to {wanted.last}"
        COMMAND_OBEYED.tell(_log, name, text, RECIPIENT=name, PRODUCT=wanted.product)
        self.replays.begin(
            Request(
                wanted=wanted,
                next=wanted.first,
                reply_to=heard.reply_to,
                correlation=heard.correlation,
            )
        )
        self._stir()

    def _refuse(self, verb: Verb, why: Why, heard: Heard, wanted: Wanted | None = None) -> None:
        self.refused += 1
        name = self._recipient.name
        COMMAND_REFUSED.tell(_log, name, verb, why, RECIPIENT=name)
        may = self._may_answer(heard)
        self._book.answer(
            Answer(
                verb=verb,
                outcome="refused",
                why=why,
                wanted=wanted,
                reply_to=heard.reply_to if may else "",
                correlation=heard.correlation if may else b"",
            )
        )
