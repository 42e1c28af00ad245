"""What a Modbus device is: its unit number, its limits and its points.

It refuses points that no request can reach, so that ``check`` says so before anything is polled.
"""

from __future__ import annotations

import sys
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from agent.core.driver import DeviceSettings, PointSettings
from agent.core.duration import Duration
from agent.core.point import Point, Scope
from drivers.modbus.plan import BITS, REGISTERS, TCP, Block, Cost, Limits, Span, blocks
from drivers.modbus.point import Addressing, ModbusPoint
from drivers.modbus.registers import Registers
from drivers.modbus.request import Manners

Quirk = Literal["any_unit", "zero_transaction", "one_point"]
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
    min_gap: Annotated[
        Duration, Meta(description="Rest that the device needs between two requests.", extra={"most": "5s"})
    ] = Duration(0)
    quirks: Annotated[
        tuple[Quirk, ...],
        Meta(
            description="Where it leaves the standard: any_unit (answers with unit 0 or 255), "
            "zero_transaction (answers with transaction 0), one_point (gives one value per request)."
        ),
    ] = ()
    serial: Annotated[
        Registers | None,
        Meta(description="Where its serial number stands: another one there starts its counters anew."),
    ] = None
    firmware: Annotated[
        Registers | None,
        Meta(
            description="Where its firmware version stands: another one there undoes what was learnt of it."
        ),
    ] = None
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
        self._check_groups()

    @property
    def limits(self) -> Limits:
        """The longest requests that it answers."""
        return Limits(self.max_block, self.max_bits, merged="one_point" not in self.quirks)

    @property
    def manners(self) -> Manners:
        """What its replies may look like, and the rest it needs."""
        return Manners("zero_transaction" in self.quirks, "any_unit" in self.quirks, float(self.min_gap))

    @property
    def periods(self) -> tuple[float, ...]:
        """The times between two reads of its points, shortest first."""
        return tuple(sorted({self.period(point) for point in self.points.values()})) or (float(self.every),)

    def period(self, point: ModbusPoint) -> float:
        """Give the seconds between two reads of *point*."""
        return float(self.every if point.every is None else point.every)

    def span(self, name: str, point: ModbusPoint) -> Span:
        """Say where *point* lies; raise ValueError where no request can reach."""
        table, start = point.place(self.addressing)
        return Span(table, start, point.words, name, point.group)

    def spans(self) -> list[Span]:
        """Say where each of its points lies."""
        return [self.span(name, point) for name, point in self.points.items()]

    def blocks(self, cost: Cost = TCP, period: float | None = None) -> tuple[Block, ...]:
        """Plan the requests of one cycle: of all points, or of those that are read every *period* seconds."""
        spans = (
            self.span(name, point)
            for name, point in self.points.items()
            if period is None or self.period(point) == period
        )
        return blocks(spans, cost=cost, limits=self.limits)

    def _check_groups(self) -> None:
        grouped: dict[str, list[str]] = {}
        for name, point in self.points.items():
            if point.group:
                grouped.setdefault(point.group, []).append(name)
        for group, names in grouped.items():
            spans = [self.span(name, self.points[name]) for name in names]
            if (
                len({span.table for span in spans}) > 1
                or len({self.period(self.points[n]) for n in names}) > 1
            ):
                raise ValueError(f'the points of group "{group}" lie in different tables, or differ in every')
            size = max(span.end for span in spans) - min(span.start for span in spans)
            if size > (limit := self.limits.of(spans[0].table)):
                raise ValueError(f'group "{group}" takes {size} registers, but max_block is {limit}')

    def full_name(self, point: str) -> str:
        """Give a point's name with its device's; one object for all who keep it, which finds it faster."""
        return sys.intern(f"{self.name}.{point}")

    def described(self, location: tuple[float, float] | None) -> list[Point]:
        """Describe its points; *location* is the link's, used where the device has none."""
        every = float(self.every)
        return [
            Point(
                name=self.full_name(name),
                unit=point.unit,
                kind=point.kind,
                quantity=point.quantity,
                scope=point.scope,
                resolution=point.resolution,
                every=every if point.every is None else float(point.every),
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
