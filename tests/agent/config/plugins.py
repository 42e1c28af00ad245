"""A few small plugins with the shape of real ones, so that golden reports do not change when those grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from agent.core.clock import Clock
from agent.core.driver import Desk, DeviceSettings, LinkSettings, PointSettings
from agent.core.duration import Duration
from agent.core.message import Message, NoSettings, Place
from agent.core.point import Kind, Point
from agent.core.product import Statistic
from agent.core.sample import Emit
from agent.core.settings import Name, Settings
from agent.core.step import Scene, Stage


class MeterPoint(PointSettings, kw_only=True):
    """A value in a register."""

    addr: Annotated[int, Meta(description="Address.", ge=0, le=65535)]
    type: Annotated[Literal["u16", "i16", "f32"], Meta(description="Type of the raw value.")] = "u16"
    scale: Annotated[float, Meta(description="Factor.", gt=0)] = 1.0


class MeterDevice(DeviceSettings):
    """A device with registers."""

    point_type: ClassVar[type[PointSettings]] = MeterPoint

    unit: Annotated[int, Meta(description="Unit number.", ge=1, le=247)] = 1
    max_block: Annotated[int, Meta(description="Longest reply.", ge=1)] = 125
    points: Annotated[dict[str, Any], Meta(description="Points by name.")] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, point in self.points.items():
            if point.type == "f32" and self.max_block < 2:
                raise ValueError(f"{name} takes 2 registers, but max_block is {self.max_block}")


class ModbusTcp(LinkSettings, kw_only=True):
    """A link with devices."""

    device_type: ClassVar[type[Any]] = MeterDevice

    host: Annotated[str, Meta(description="Address or name.", min_length=1)]
    port: Annotated[int, Meta(description="TCP port.", ge=1, le=65535)] = 502
    timeout: Annotated[Duration, Meta(description="Patience.", extra={"least": "50ms", "most": "60s"})] = (
        Duration(1)
    )

    @property
    def endpoint(self) -> str:
        return f"{self.host} port {self.port}"

    def __post_init__(self) -> None:
        units = [one.unit for one in self.devices]
        if len(set(units)) < len(units):
            raise ValueError("two devices have the same unit number")

    def points(self) -> Sequence[Point]:
        return [
            Point(
                name=f"{device.name}.{name}",
                unit=one.unit,
                kind=one.kind,
                quantity=one.quantity,
                scope=one.scope,
                personal=one.scope in ("workspace", "household"),
                every=float(device.every),
                tags=device.tags,
            )
            for device in self.devices
            for name, one in device.points.items()
        ]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        raise NotImplementedError


class Line(Settings):
    """A line in the picture."""

    start: Annotated[tuple[float, float], Meta(description="Where it begins.")] = field(name="from")
    end: Annotated[tuple[float, float], Meta(description="Where it ends.")] = field(name="to")
    classes: Annotated[
        tuple[Literal["person", "bicycle", "car"], ...], Meta(description="What is counted.", min_length=1)
    ] = ("person",)


class Camera(LinkSettings, kw_only=True):
    """A link that knows its points itself."""

    source: Annotated[str, Meta(description="Where the picture comes from.")]
    password: Annotated[str, Meta(description="The camera's password.")] = ""
    lines: Annotated[dict[Name, Line], Meta(description="Lines by name.")] = field(default_factory=dict)

    def points(self) -> Sequence[Point]:
        return [
            Point(name=f"{self.name}.{line}.{one}_{way}", kind=Kind.COUNT, personal=True)
            for line, settings in self.lines.items()
            for one in settings.classes
            for way in ("to_left", "to_right")
        ]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        raise NotImplementedError


class _Through(Settings):
    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        return points

    def start(self, scene: Scene) -> Stage:
        raise NotImplementedError


class Window(_Through):
    """The step that makes figures."""

    length: Annotated[str, Meta(description="Width.")]
    statistics: Annotated[tuple[Statistic, ...], Meta(description="Figures.")]
    late: Annotated[Duration, Meta(description="Patience.", extra={"most": "10m"})] = Duration(2)
    coverage: Annotated[float, Meta(description="Share.", ge=0, le=1)] = 0.9

    def weigh(self, weights: Mapping[str, int]) -> Mapping[str, int]:
        return weights


class Combine(_Through, kw_only=True):
    """One point of many."""

    name: Annotated[str, Meta(description="The new point.", pattern=r"^[a-z0-9.-]+\.[a-z0-9_]+$")]
    figure: Annotated[Literal["sum", "mean"], Meta(description="Sum or mean.")] = "sum"

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        if len({one.unit for one in points}) > 1:
            raise ValueError("only points of one unit can be combined")
        return (Point(name=self.name, unit=points[0].unit, kind=points[0].kind),)

    def weigh(self, weights: Mapping[str, int]) -> Mapping[str, int]:
        if self.figure == "mean":
            raise ValueError('a mean of counts cannot be told with noise; write figure = "sum"')
        return {self.name: sum(weights.values())}


class Validate(_Through):
    """A step with settings."""

    minimum: Annotated[float | None, Meta(description="Lowest.")] = None
    maximum: Annotated[float | None, Meta(description="Highest.")] = None
    within: Annotated[Duration | None, Meta(description="Time.", extra={"least": "1s"})] = None


class Threshold(_Through):
    """A step that makes events."""

    above: Annotated[float, Meta(description="Limit.")]


class Derive(_Through):
    """A step that needs certain points."""

    point: Annotated[str, Meta(description="The new point.")]
    of: Annotated[str, Meta(description="The point that it is made of.")]

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        if all(one.name != self.of for one in points):
            raise ValueError(f'"{self.of}" does not reach this step')
        return (*points, Point(name=self.point))


class Native:
    """An encoding; nothing is encoded in these tests."""

    settings_type: ClassVar[type[Settings]] = NoSettings

    def __init__(self, place: Place, settings: Settings) -> None:
        del place, settings

    def birth(self, *_: object) -> Sequence[Message]:
        return ()


PLUGINS: dict[str, dict[str, type[Any]]] = {
    "driver": {"modbus-tcp": ModbusTcp, "camera": Camera},
    "step": {
        "window": Window,
        "validate": Validate,
        "threshold": Threshold,
        "derive": Derive,
        "combine": Combine,
    },
    "encoding": {"native": Native},
}
