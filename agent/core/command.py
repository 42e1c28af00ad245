"""What a recipient may ask of the gateway, and how it is answered: two verbs, and nothing else.

``replay`` sends once more what that very recipient had already; ``rebirth`` tells the births anew. There is
no third one, and none writes to a building.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Protocol, get_args, runtime_checkable

from msgspec import Struct

from agent.core.message import Head, Message

Verb = Literal["replay", "rebirth"]
VERBS: Final[tuple[str, ...]] = get_args(Verb)
ANSWERS: Final = "_answers"
"""The product of the route on which answers leave: no product can be called so."""
LARGEST: Final = 512
"""Bytes of a command; what is longer is not even read."""
LONGEST: Final = 64
"""Bytes of correlation data that are given back."""
MOST: Final = 10_000
"""Numbers that one replay may ask for."""

Stretch = tuple[int, int]
"""Numbers of messages, from and to."""


class Heard(Struct, frozen=True):
    """What a broker handed over: foreign bytes, of which nothing is believed yet."""

    topic: str
    body: bytes
    retained: bool = False
    reply_to: str = ""
    correlation: bytes = b""


class Wanted(Struct, frozen=True):
    """Which messages a replay asks for: those of *product* in *epoch* from one number to another."""

    product: str
    epoch: int
    first: int
    last: int


class Command(Struct, frozen=True, kw_only=True):
    """A command that was read strictly; ``wanted`` and ``lid`` belong to a replay."""

    verb: Verb
    lid: str = ""
    wanted: Wanted | None = None


Outcome = Literal["begun", "done", "refused", "stopped"]
Why = Literal["", "malformed", "reply", "product", "numbering", "range", "busy", "unread", "broker"]


class Answer(Struct, frozen=True, kw_only=True):
    """What became of a command.

    ``count`` messages were sent again; ``gone`` are numbers that cannot come any more, ``waits`` those that
    come by themselves since they have not been delivered yet. ``reply_to`` is where the answer goes: empty,
    the usual place.
    """

    verb: Verb
    outcome: Outcome
    why: Why = ""
    wanted: Wanted | None = None
    count: int = 0
    gone: tuple[Stretch, ...] = ()
    waits: tuple[Stretch, ...] = ()
    reply_to: str = ""
    correlation: bytes = b""


@runtime_checkable
class CanObey(Protocol):
    """What an encoding may also offer: to read commands, and to answer them."""

    def commands(self) -> Mapping[str, Verb]:
        """Give the topics on which commands come, each with its verb."""
        ...

    def read(self, verb: Verb, body: bytes) -> Command:
        """Read a command; raise ValueError if it is anything else than the one that *verb* names."""
        ...

    def answer(self, head: Head, answer: Answer) -> Message:
        """Tell what became of a command."""
        ...

    def answers_at(self, topic: str) -> bool:
        """Say whether an answer may go to *topic*: a stranger names it."""
        ...

    def example(self, verb: Verb, product: str, lid: str) -> bytes:
        """Write a command, as a recipient would."""
        ...

    def again(self, product: str) -> str:
        """Give the topic on which messages of *product* are sent once more: nobody else reads it."""
        ...
