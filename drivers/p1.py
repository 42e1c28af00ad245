"""P1: the customer port of smart electricity meters, with the gas, water and heat meters behind it.

DSMR and ESMR 2.2 to 5, Fluvius, and the same syntax in Luxembourg, Sweden, Finland and Hungary. The meter
speaks by itself; nothing is written to it. What a meter tells is a household's, unless the table says
otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

from msgspec import Meta, field

from agent.core import units
from agent.core.driver import PointSettings
from agent.core.duration import Duration
from agent.core.point import Kind, Scope
from drivers.serial.hear import Hearer, Parser
from drivers.serial.obis import KNOWN, Known
from drivers.serial.settings import Frame, ListenedPoint, ListeningDevice, Offer, SerialLink, laid_over

if TYPE_CHECKING:
    from drivers.serial.meter import Want
    from drivers.serial.telegram import Telegram

_OBIS: Final = re.compile(r"(?:\d{1,3}-\d{1,3}:)?\d{1,3}\.\d{1,3}\.\d{1,3}")


class P1Point(ListenedPoint):
    """More about a known point, or another object of the telegram by its OBIS code."""

    obis: Annotated[
        str, Meta(description="Code of its line: 1-0:1.8.1, or 1.8.1 if the meter's prefix does not matter.")
    ] = ""
    every: Annotated[
        Duration | None,
        Meta(description="How often a gas, water or heat meter behind the port is read; else 1h."),
    ] = None


class P1Device(ListeningDevice):
    """A smart meter."""

    point_type: ClassVar[type[PointSettings]] = P1Point

    every: Annotated[
        Duration,
        Meta(
            description="Time between two values; meters send each second (DSMR 5) or each 10 s.",
            extra={"least": "100ms"},
        ),
    ] = Duration(10)
    scope: Annotated[Scope, Meta(description="Whom its points tell about; a home's meter: household.")] = (
        Scope.HOUSEHOLD
    )
    known: Annotated[
        tuple[str, ...], Meta(description="Which of the known points it has; * stands for any text.")
    ] = ("*",)
    points: Annotated[
        dict[str, P1Point], Meta(description="More about known points, and points by their OBIS code.")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for pattern in self.known:
            if not any(fnmatchcase(name, pattern) for name in KNOWN):
                raise ValueError(f'known: no point is called "{pattern}"{_hint(pattern)}')
        self.offers()

    def offers(self) -> Mapping[str, Offer]:
        """Give the chosen known points and those by code."""
        return {name: offer for name, _, offer in self._all()}

    def wants(self) -> Iterator[Want]:
        """Tell what to look for in a telegram."""
        from drivers.serial.meter import Want

        for name, known, offer in self._all():
            yield Want(
                name=name,
                unit=offer.settings.unit,
                every=offer.every,
                code=known.code,
                media=known.media,
                behind=known.behind,
                listed=name in self.points,
                counts=offer.settings.kind is Kind.COUNTER,
            )

    def _all(self) -> Iterator[tuple[str, Known, Offer]]:
        chosen = [name for name in KNOWN if any(fnmatchcase(name, one) for one in self.known)]
        for name in [*chosen, *(one for one in self.points if one not in chosen)]:
            own: P1Point | None = self.points.get(name)
            known = _known(name, own)
            every = own.every if own and own.every is not None else known.every or float(self.every)
            scope = (own.scope if own else None) or self.scope
            yield name, known, Offer(laid_over(known.settings, own), scope, float(every))


class P1(SerialLink, kw_only=True):
    """The P1 port of a smart electricity meter."""

    device_type: ClassVar[type[Any]] = P1Device

    baud: Annotated[int, Meta(description="Bits a second: 115200; before DSMR 4 9600.", ge=300)] = 115_200
    frame: Annotated[Frame, Meta(description="Form of a character: 8N1; before DSMR 4 7E1.")] = "8N1"

    def line(self) -> tuple[int, Frame]:
        """Give baud rate and form of a character."""
        return self.baud, self.frame

    def parser(self) -> Parser[Telegram]:
        """Make what finds telegrams."""
        from drivers.serial.telegram import TelegramParser

        return TelegramParser()

    def hearers(self) -> Sequence[Hearer[Telegram]]:
        """Make what reads telegrams."""
        from drivers.serial.meter import P1Meter

        return [P1Meter(one.name, float(one.every), tuple(one.wants())) for one in self.devices]


def _known(name: str, own: P1Point | None) -> Known:
    """Give what is known of a point by its name or its code; raise ValueError when it is neither."""
    if own is None or not own.obis:
        if name not in KNOWN:
            line = 'write obis = "1-0:1.8.1" to say its line'
            raise ValueError(f"{name}: no known point is called so{_hint(name)}; {line}")
        return _checked(name, KNOWN[name], own)
    if not _OBIS.fullmatch(own.obis):
        raise ValueError(f"{name}: obis {own.obis} is no code such as 1-0:1.8.1")
    code = own.obis.rpartition(":")[2]
    alike = next((one.settings for one in KNOWN.values() if one.code == code), PointSettings())
    return _checked(name, Known(alike, own.obis), own)


def _checked(name: str, known: Known, own: P1Point | None) -> Known:
    """Give *known* if its unit converts into the one that the table wants; raise ValueError if not."""
    before, wanted = known.settings.unit, own.unit if own else "1"
    if "1" not in (before, wanted) and not units.commensurable(before, wanted):
        raise ValueError(f"{name}: it is measured in {before}, which does not convert into {wanted}")
    return known


def _hint(name: str) -> str:
    from difflib import get_close_matches  # only somebody who made a mistake waits for it

    near = get_close_matches(name, KNOWN, n=1) or [one for one in KNOWN if one.startswith(name)]
    return f'; did you mean "{near[0]}"?' if near else ""
