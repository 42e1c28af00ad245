"""What the tables of serial drivers have in common: where the bytes come from, and whom they tell about.

It refuses a link that names both a serial port and a serial server, or neither, and a second device where
only one can speak.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, Struct
from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.driver import Desk, DeviceSettings, Driver, LinkSettings, Needs, PointSettings, Reading
from agent.core.point import Point, Scope
from agent.core.sample import Emit

if TYPE_CHECKING:
    from drivers.serial.hear import Hearer, Parser
    from drivers.serial.listen import Listener

Frame = Literal["8N1", "7E1", "8E1", "8O1", "7O1", "7N1", "8N2"]

_PERSONAL: Final = (Scope.WORKSPACE, Scope.HOUSEHOLD)
_PLAIN: Final = PointSettings()


class ListenedPoint(PointSettings):
    """A point of a device that talks by itself."""

    scope: Annotated[Scope | None, Meta(description="Whom the point tells about; else as its device.")] = None  # type: ignore[assignment]  # wider than the base: a device answers for all its points


class Offer(Struct, frozen=True):
    """A point that a device has: what is said of it, whom it tells about, seconds between its samples."""

    settings: PointSettings
    scope: Scope
    every: float


class ListeningDevice(DeviceSettings):
    """A device that talks by itself."""

    point_type: ClassVar[type[PointSettings]] = ListenedPoint

    scope: Annotated[Scope, Meta(description="Whom its points tell about.")] = Scope.BUILDING

    def offers(self) -> Mapping[str, Offer]:
        """Give its points by name; raise ValueError for one that it cannot have."""
        raise NotImplementedError

    def described(self, location: tuple[float, float] | None) -> list[Point]:
        """Describe its points; *location* is the link's, used where the device has none."""
        return [
            Point(
                name=f"{self.name}.{name}",
                unit=offer.settings.unit,
                kind=offer.settings.kind,
                quantity=offer.settings.quantity,
                scope=offer.scope,
                resolution=offer.settings.resolution,
                every=offer.every,
                minimum=offer.settings.minimum,
                maximum=offer.settings.maximum,
                rollover=offer.settings.rollover,
                label=offer.settings.label,
                asset=self.asset,
                location=self.location or location,
                tags=self.tags,
                personal=offer.scope in _PERSONAL,
                states=offer.settings.texts,
            )
            for name, offer in self.offers().items()
        ]


class SerialLink(LinkSettings, kw_only=True):
    """A serial port, or a serial server that passes its bytes on over TCP."""

    device_type: ClassVar[type[Any]] = ListeningDevice
    most_devices: ClassVar[int] = 1
    language: ClassVar[str] = "bytes"

    path: Annotated[
        str, Meta(description="Serial port, best by its name in /dev/serial/by-id: numbers change.")
    ] = ""
    host: Annotated[str, Meta(description="In place of path: a serial server that passes bytes on.")] = ""
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None, Meta(description="TCP port of the serial server.")
    ] = None

    def __post_init__(self) -> None:
        if bool(self.path) == bool(self.host):
            raise ValueError("write path (a serial port) or host and port (a serial server): one of them")
        if bool(self.host) != (self.port is not None):
            raise ValueError("host and port go together: write both or none")
        if len(self.devices) > self.most_devices:
            names = ", ".join(one.name for one in self.devices)
            raise ValueError(f"only one device can speak on this link, but it has {names}")

    @property
    def endpoint(self) -> str:
        """The serial port, or the server's address with its port."""
        return self.path or f"{self.host.lower()} port {self.port}"

    def points(self) -> Sequence[Point]:
        """List every point of every device."""
        return [point for device in self.devices for point in device.described(self.location)]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Listen until cancelled; raise DriverError when the port is lost or cannot be opened."""
        await self._listener(clock, desk).run(emit)

    async def read(self, points: tuple[str, ...], clock: Clock) -> Sequence[Reading]:
        """Wait until each of *points* (empty: all) has been heard; raise DriverError without a port."""
        return await self._listener(clock, Desk()).read(points)

    def needs(self) -> Needs:
        """Give the serial port, or the server that passes its bytes on."""
        return Needs(ports=(self.path,)) if self.path else Needs(hosts=(self.host,))

    def led(self, host: str, port: int) -> Driver:
        """Give this link behind a serial server at another address."""
        return replace(self, path="", host=host, port=port)

    def slips(self) -> Sequence[str]:
        """Give nothing: a line that is only listened to has nothing with which it could write."""
        return ()

    def line(self) -> tuple[int, Frame]:
        """Give baud rate and form of a character."""
        raise NotImplementedError

    def parser(self) -> Parser[Any]:
        """Make what finds frames among bytes."""
        raise NotImplementedError

    def hearers(self) -> Sequence[Hearer[Any]]:
        """Make what understands frames, one for each device."""
        raise NotImplementedError

    def _listener(self, clock: Clock, desk: Desk) -> Listener[Any]:
        from drivers.serial.listen import Listener
        from drivers.serial.source import opener

        return Listener(opener(self), self.parser(), self.hearers(), clock=clock, desk=desk)


def laid_over(known: PointSettings, own: PointSettings | None) -> PointSettings:
    """Give *known* with every key that *own* says otherwise than the default; scope is left to the device."""
    if own is None:
        return known
    said = {
        key: value
        for key in PointSettings.__struct_fields__
        if key != "scope" and (value := getattr(own, key)) != getattr(_PLAIN, key)
    }
    return replace(known, **said)


def known_offers(device: ListeningDevice, known: Mapping[str, PointSettings], what: str) -> dict[str, Offer]:
    """Offer the points that every such device has; the device's own table may only describe them."""
    for name in device.points:
        if name not in known:
            raise ValueError(f'{what} has no point "{name}"; it has {", ".join(known)}')
    offers = {}
    for name, one in known.items():
        own: ListenedPoint | None = device.points.get(name)
        scope = (own.scope if own else None) or device.scope
        offers[name] = Offer(laid_over(one, own), scope, float(device.every))
    return offers
