"""The contract of a search: what ``citygate scan WORD`` does.

A search is a frozen struct: its fields are the command's options, ``targets`` the words behind them. Its
docstring's first line stands in the command's help. It looks around gently, tells at once what it finds and
how far it is, since a person may interrupt it at any moment. It never changes a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from agent.core.clock import Clock
from agent.core.settings import Settings


class Found(Struct, frozen=True, kw_only=True):
    """Something that answered (or spoke), and the tables that would make it part of a site.

    ``link`` and ``device`` hold keys as in TOML, the device's without ``link``. An empty ``link``: nothing to
    propose; no ``device``: the link is all there is. Finds with equal ``link`` share one table, or have
    none where ``on`` names a link that the site has already. Names are wishes: the command makes them
    unique. ``note`` says what a person must still do; it stands above the table as a comment.
    """

    address: str
    what: str
    link: Mapping[str, Any] = {}
    link_name: str = ""
    on: str = ""
    device: Mapping[str, Any] | None = None
    device_name: str = ""
    note: str = ""


class Missed(Struct, frozen=True, kw_only=True):
    """A place that could not be searched, and why: a sentence that says what to do."""

    address: str
    why: str


class Progress(Struct, frozen=True, kw_only=True):
    """How far a search is: ``done`` of ``of`` (0: nobody knows), what it looks at, what it still expects.

    The first one comes before anything is sent, so that a person knows how long it will take.
    """

    done: float
    of: float = 0.0
    what: str = ""
    seconds_left: float | None = None


Told = Found | Missed | Progress
Tell = Callable[[Told], None]
"""Takes what a search has to say; it never waits."""


class Held(Protocol):
    """A link of the gateway that runs here: what it holds must be asked through it."""

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its table as in TOML, ``driver`` too."""
        ...

    async def probe(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        """Have its driver answer *question* between two polls; raise GatewayError when it cannot."""
        ...


class Facts(Protocol):
    """What the gateway lends to a search."""

    def shipped(self, folder: str) -> Mapping[str, Mapping[str, Any]]:
        """Give the TOML files of ``config/FOLDER`` by their path in it, without ending.

        For ``profiles`` those of the site win over those shipped.
        """
        ...

    def secret(self, reference: str) -> str:
        """Give the text behind ``credential:NAME``, plain text as it is; raise ConfigError."""
        ...

    async def held(self) -> Sequence[Held]:
        """List the links of the gateway that runs here; none if none runs."""
        ...


class Search(Settings):
    """The base of every search; a field of type bool becomes a flag, any other an option with a value."""

    targets: Annotated[tuple[str, ...], Meta(description="Where to look.", extra={"metavar": "TARGET"})] = ()

    async def search(self, facts: Facts, clock: Clock, tell: Tell) -> None:
        """Look around until done or cancelled; raise GatewayError when it cannot be done at all."""
        raise NotImplementedError
