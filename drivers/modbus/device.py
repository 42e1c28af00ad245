"""What a Modbus device is: its unit number, its limits and its points.

It refuses points that no request can reach, so that ``check`` says so before anything is polled.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, field

from agent.core.driver import DeviceSettings, PointSettings
from agent.core.point import Point, Scope
from drivers.modbus.plan import BITS, REGISTERS, TCP, Block, Cost, Limits, Span, blocks
from drivers.modbus.point import Addressing, ModbusPoint

_PERSONAL = (Scope.WORKSPACE, Scope.HOUSEHOLD)


class ModbusDevice(DeviceSettings):
    """A device on a Modbus link."""

    point_type: ClassVar[type[PointSettings]] = ModbusPoint

    unit: Annotated[
        int,
        Meta(description="Unit number (slave id); a device of its own often wants 1 or 255.", ge=0, le=255),
    ] = 1
    max_block: Annotated[
        int, Meta(description="Most registers that the device gives in one reply.", ge=1, le=REGISTERS)
    ] = REGISTERS
    max_bits: Annotated[
        int, Meta(description="Most coils or discrete inputs in one reply.", ge=1, le=BITS)
    ] = BITS
    addressing: Annotated[
        Addressing, Meta(description="How the addresses of its points count: zero, one or 40001.")
    ] = "zero"
    points: Annotated[
        dict[str, ModbusPoint], Meta(description="Points by name: address, table, type, scale, unit.")
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, point in self.points.items():
            try:
                self.span(name, point)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
            limit = self.limits.of(point.place(self.addressing)[0])
            if point.words > limit:
                raise ValueError(f"{name} takes {point.words} registers, but max_block is {limit}")

    @property
    def limits(self) -> Limits:
        """The longest requests that it answers."""
        return Limits(self.max_block, self.max_bits)

    def span(self, name: str, point: ModbusPoint) -> Span:
        """Say where *point* lies; raise ValueError where no request can reach."""
        table, start = point.place(self.addressing)
        return Span(table, start, point.words, name)

    def blocks(self, cost: Cost = TCP) -> tuple[Block, ...]:
        """Plan the requests of one cycle."""
        spans = (self.span(name, point) for name, point in self.points.items())
        return blocks(spans, cost=cost, limits=self.limits)

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
                every=float(self.every),
                minimum=point.minimum,
                maximum=point.maximum,
                rollover=point.rollover,
                label=point.label,
                asset=self.asset,
                location=self.location or location,
                tags=self.tags,
                personal=point.scope in _PERSONAL,
            )
            for name, point in self.points.items()
        ]
