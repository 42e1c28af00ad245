"""What is known of a point before it is read: its unit, its kind, and who it tells about."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

from agent.core.measured import Measured


class Kind(StrEnum):
    """How the values of a point combine over time."""

    GAUGE = "gauge"  # a momentary value: power, temperature
    COUNTER = "counter"  # ever growing, may reset or roll over: energy
    COUNT = "count"  # each sample is a number of new passages: sums up
    STATE = "state"  # 0 or 1, or a small number that names a state


class Scope(StrEnum):
    """Whom a point tells about; the two last are personal."""

    PUBLIC = "public"
    BUILDING = "building"
    WORKSPACE = "workspace"
    HOUSEHOLD = "household"


FEW: Final = (Scope.WORKSPACE, Scope.HOUSEHOLD)
"""Scopes whose points tell about one home or a few people at work."""


class Point(Struct, frozen=True, kw_only=True, gc=False):
    """One measurable of a device.

    ``name`` is ``device.point``; ``unit`` a UCUM code (``1`` for plain numbers); ``resolution`` the step
    to which published figures are rounded (0: not rounded); ``every`` the expected seconds between
    samples (0: on change); ``rollover`` the value at which a counter starts again from zero; ``states``
    the texts of a state by its number; ``cell`` the seconds, aligned in UTC, that each sample sums up (0: it
    is of a moment); ``method`` how it is measured, and ``measured`` how right it was found to be.
    """

    name: str
    unit: str = "1"
    kind: Kind = Kind.GAUGE
    quantity: str = ""
    scope: Scope = Scope.BUILDING
    resolution: float = 0.0
    every: float = 0.0
    minimum: float | None = None
    maximum: float | None = None
    rollover: float | None = None
    label: str = ""
    asset: str = ""
    location: tuple[float, float] | None = None
    tags: tuple[str, ...] = ()
    personal: bool = False
    states: tuple[tuple[int, str], ...] = ()
    cell: float = 0.0
    method: str = ""
    measured: Measured | None = None

    @property
    def source(self) -> str:
        """The device that it belongs to; of a camera's point the camera."""
        return self.name.partition(".")[0]

    @property
    def tells_of_few(self) -> bool:
        """Whether it tells about few enough people to need protection."""
        return self.personal or self.scope in FEW

    @property
    def counts(self) -> bool:
        """Whether its figures are numbers of passages: counts, or a counter without a unit."""
        return self.kind is Kind.COUNT or (self.kind is Kind.COUNTER and self.unit == "1")

    def text(self, value: float) -> str:
        """Give the text of a state; ``state 4`` if it has none."""
        return next((text for number, text in self.states if number == value), f"state {value:g}")
