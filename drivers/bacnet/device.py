"""What a BACnet device is: how it is found, and its points."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, field

from agent.core.driver import DeviceSettings, PointSettings
from agent.core.duration import Duration
from agent.core.point import Point, Scope
from drivers.bacnet.peer import Peer
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.value import ObjectId

Instance = Annotated[int, Meta(ge=0, le=4194302)]
_PERSONAL = (Scope.WORKSPACE, Scope.HOUSEHOLD)


class BacnetDevice(DeviceSettings):
    """A device on a BACnet network: found by its instance, or at its address, which cannot mislead."""

    point_type: ClassVar[type[PointSettings]] = BacnetPoint

    instance: Annotated[Instance | None, Meta(description="Its device instance (device id).")] = None
    address: Annotated[
        str,
        Meta(
            description="Where it is: an IP address, with a port if that is not 47808, or network and "
            "address behind a router (`2001:12`). Without it the device is looked for by its instance."
        ),
    ] = ""
    cov: Annotated[
        int,
        Meta(
            description="Most subscriptions to changes of value (COV) that it may have to spare for us; what "
            "finds no place is polled. 0: everything is polled.",
            ge=0,
            le=1000,
        ),
    ] = 0
    cov_lifetime: Annotated[
        Duration,
        Meta(
            description="How long a subscription lives; it is renewed at half of this.",
            extra={"least": "2s", "most": "1d"},
        ),
    ] = Duration(600)
    points: Annotated[dict[str, BacnetPoint], Meta(description="Points by name: object, property, unit.")] = (
        field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        if self.address:
            try:
                Peer.parse(self.address)
            except ValueError as error:
                raise ValueError(f"address: {error}") from None
        elif self.instance is None:
            raise ValueError("a device needs an instance, or an address, or better both")

    @property
    def peer(self) -> Peer | None:
        """Its address, if it is known."""
        return Peer.parse(self.address) if self.address else None

    @property
    def periods(self) -> tuple[float, ...]:
        """The times between two reads of its points, shortest first."""
        return tuple(sorted({self.period(point) for point in self.points.values()})) or (float(self.every),)

    def period(self, point: BacnetPoint) -> float:
        """Give the seconds between two reads of *point*."""
        return float(self.every if point.every is None else point.every)

    @property
    def monitored(self) -> tuple[ObjectId, ...]:
        """List the objects whose changes are subscribed to: the first ones, as many as it has places."""
        values = (point.ref().object for point in self.points.values() if point.is_present_value())
        return tuple(dict.fromkeys(values))[: self.cov]

    def beat(self, point: BacnetPoint) -> float:
        """Give the longest time between two samples of *point*: of those subscribed to one a poll is read."""
        period = self.period(point)
        told = [one for one in self.points.values() if one.is_present_value() and self.period(one) == period]
        monitored = frozenset(self.monitored)
        turns = sum(one.ref().object in monitored for one in told)
        return period * turns if point in told and point.ref().object in monitored else period

    def described(self, location: tuple[float, float] | None) -> list[Point]:
        """Describe its points; *location* is the link's, used where the device has none."""
        return [
            Point(
                name=f"{self.name}.{name}",
                unit=point.unit,
                kind=point.kind,
                quantity=point.quantity,
                scope=point.scope,
                resolution=point.resolution,
                every=self.beat(point),
                minimum=point.minimum,
                maximum=point.maximum,
                rollover=point.rollover,
                label=point.label,
                asset=self.asset,
                location=self.location or location,
                tags=self.tags,
                personal=point.scope in _PERSONAL,
                states=point.texts,
            )
            for name, point in self.points.items()
        ]
