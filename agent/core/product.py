"""What the city lets out (a product), to whom (a recipient) and on which terms (a grant), compiled.

A route is one product for one recipient: it exists only because a grant made it.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from agent.core.point import Point
from agent.core.rate import Rate
from agent.core.settings import Settings
from agent.core.step import Step

if TYPE_CHECKING:
    from fractions import Fraction

Statistic = Literal["mean", "min", "max", "last", "sum", "share", "delta"]


Mode = Literal["none", "suppress", "hold", "dp", "min-sources"]
Longest = Literal["day", "week", "month"]


class Privacy(Settings):
    """How a product's figures are protected before anything else may be done with them.

    Each mode reads its own fields: ``suppress`` k and round; ``hold`` also ``longest``, the site's period
    that a cell never crosses; ``dp`` epsilon (exact: ``1/2``), round and clamp; ``min-sources`` its two.
    ``sensitivity`` is derived: how much one passage can change the figures of a window, all together.
    """

    mode: Mode = "none"
    k: int = 5
    round: int = 0
    longest: Longest = "day"
    epsilon: str = ""
    clamp: bool = False
    min_sources: int = 5
    max_share: float = 0.5
    sensitivity: int = 0

    @property
    def scale(self) -> Fraction:
        """The scale of the noise of ``dp``: sensitivity over epsilon."""
        from fractions import Fraction

        return self.sensitivity / Fraction(self.epsilon)


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
    After ``until`` (the site's date, inclusive) nothing leaves any more. ``rate`` is how often something may.
    """

    recipient: str
    product: str
    grant: str
    purpose: str
    basis: str
    keep: float
    until: date | None = None
    rate: Rate | None = None

    @property
    def id(self) -> str:
        """The route's name in ids: ``recipient.product``."""
        return f"{self.recipient}.{self.product}"
