"""PMS: laser sensors for particulate matter by Plantower: PMS5003, PMS7003, PMSA003 and PMS3003.

They are listened to and never written to: their factory setting (active mode) is what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta, field

from agent.core.driver import PointSettings
from agent.core.duration import Duration
from drivers.serial.hear import Hearer, Parser
from drivers.serial.settings import Frame, ListenedPoint, ListeningDevice, Offer, SerialLink, known_offers

KNOWN: Final[Mapping[str, PointSettings]] = {
    name: PointSettings(unit="ug/m3", quantity=name, resolution=1, minimum=0, maximum=1000)
    for name in ("pm1", "pm25", "pm10")
}


class PmsDevice(ListeningDevice):
    """A Plantower sensor."""

    every: Annotated[
        Duration,
        Meta(
            description="Time between two values; it sends every 0.2 to 2.3 s, faster when the air changes.",
            extra={"least": "100ms"},
        ),
    ] = Duration(3)
    points: Annotated[
        dict[str, ListenedPoint], Meta(description="More about pm1, pm25 and pm10: label, scope.")
    ] = field(default_factory=dict)

    def offers(self) -> Mapping[str, Offer]:
        """Give pm1, pm25 and pm10."""
        return known_offers(self, KNOWN, "a Plantower sensor")

    def __post_init__(self) -> None:
        self.offers()


class Pms(SerialLink, kw_only=True):
    """A serial port with a Plantower particulate sensor."""

    device_type: ClassVar[type[Any]] = PmsDevice

    def line(self) -> tuple[int, Frame]:
        """Give what the sensor uses, which cannot be changed."""
        return 9600, "8N1"

    def parser(self) -> Parser[bytes]:
        """Make what finds its frames."""
        from drivers.serial.dust import pms_parser

        return pms_parser()

    def hearers(self) -> Sequence[Hearer[bytes]]:
        """Make what reads its frames."""
        from drivers.serial.dust import DustSensor, pms_values

        return [DustSensor(one.name, float(one.every), pms_values, KNOWN) for one in self.devices]
