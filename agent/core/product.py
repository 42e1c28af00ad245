"""What the city lets out (a product), to whom (a recipient) and on which terms (a grant), compiled.

A route is one product for one recipient: it exists only because a grant made it.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from msgspec import Struct

from agent.core.point import Point
from agent.core.settings import Settings
from agent.core.step import Step

Statistic = Literal["mean", "min", "max", "last", "sum", "share", "delta"]


class Privacy(Settings):
    """How a product's figures are protected before anything else may be done with them."""

    mode: Literal["none", "suppress"] = "none"
    k: int = 5


class Product(Struct, frozen=True, kw_only=True):
    """What one product computes.

    ``points`` enter its first step; ``published`` leave its last one. ``steps`` end with the window, when
    there is one. ``window`` is the length in seconds (months: their longest), 0 for events alone;
    ``span`` its text (``15m``, ``day``).
    """

    id: str
    points: tuple[Point, ...]
    published: tuple[Point, ...]
    steps: tuple[Step, ...]
    window: float
    span: str
    statistics: tuple[Statistic, ...]
    privacy: Privacy = Privacy()
    title: str = ""
    model: str = ""


class Route(Struct, frozen=True, kw_only=True):
    """One product for one recipient, on the terms of one grant.

    ``keep`` is in seconds: how long the recipient may keep the data, and how long they may wait here.
    After ``until`` (the site's date, inclusive) nothing leaves any more.
    """

    recipient: str
    product: str
    grant: str
    purpose: str
    basis: str
    keep: float
    until: date | None = None

    @property
    def id(self) -> str:
        """The route's name in ids: ``recipient.product``."""
        return f"{self.recipient}.{self.product}"
