"""SDS011: a laser sensor for particulate matter (PM2.5 and PM10) by Nova Fitness, on its USB adapter.

It is listened to and never written to: its factory setting (a frame each second) is what is wanted.
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
    "pm25": PointSettings(unit="ug/m3", quantity="pm25", resolution=0.1, minimum=0, maximum=999.9),
    "pm10": PointSettings(unit="ug/m3", quantity="pm10", resolution=0.1, minimum=0, maximum=999.9),
}


class Sds011Device(ListeningDevice):
    """An SDS011."""

    every: Annotated[
        Duration,
        Meta(
            description="Time between two values; it sends each second, or as its working period was set.",
            extra={"least": "100ms"},
        ),
    ] = Duration(2)
    points: Annotated[
        dict[str, ListenedPoint], Meta(description="More about pm25 and pm10: label, scope.")
    ] = field(default_factory=dict)

    def offers(self) -> Mapping[str, Offer]:
        """Give pm25 and pm10."""
        return known_offers(self, KNOWN, "an SDS011")

    def __post_init__(self) -> None:
        self.offers()


class Sds011(SerialLink, kw_only=True):
    """A serial port with an SDS011 particulate sensor."""

    device_type: ClassVar[type[Any]] = Sds011Device

    def line(self) -> tuple[int, Frame]:
        """Give what the sensor uses, which cannot be changed."""
        return 9600, "8N1"

    def parser(self) -> Parser[bytes]:
        """Make what finds its frames."""
        from drivers.serial.dust import sds011_parser

        return sds011_parser()

    def hearers(self) -> Sequence[Hearer[bytes]]:
        """Make what reads its frames."""
        from drivers.serial.dust import DustSensor, sds011_values

        return [DustSensor(one.name, float(one.every), sds011_values, KNOWN) for one in self.devices]
