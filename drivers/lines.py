"""Lines: any device that sends text lines: JSON objects, or text that a pattern takes apart.

For what has no driver of its own: weather stations, radio receivers, controllers that print what they
measure. Nothing is written to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, field

from agent.core.driver import PointSettings
from agent.core.duration import Duration
from agent.core.point import Kind
from drivers.serial.fields import FieldWant, LineDevice, Speech, compiled
from drivers.serial.hear import Hearer, Parser
from drivers.serial.settings import Frame, ListenedPoint, ListeningDevice, Offer, SerialLink
from drivers.serial.text import Encoding, Line


class LinesPoint(ListenedPoint, kw_only=True):
    """One value in the lines of a device."""

    key: Annotated[
        str, Meta(description="Key of the JSON object (a.b: b within a), or named group; else its name.")
    ] = ""
    words: Annotated[
        dict[str, float], Meta(description="Numbers for words, such as { open = 1, closed = 0 }.")
    ] = field(default_factory=dict)
    scale: Annotated[float, Meta(description="The number times this gives the unit.")] = 1.0
    offset: Annotated[float, Meta(description="Added after scaling.")] = 0.0


class LinesDevice(ListeningDevice):
    """A device that sends lines."""

    point_type: ClassVar[type[PointSettings]] = LinesPoint

    speaks: Annotated[
        Literal["regularly", "on-change"],
        Meta(description="regularly: three missing intervals are a fault; on-change: silence says nothing."),
    ] = "regularly"
    pattern: Annotated[
        str, Meta(description="Regular expression with named groups; empty: a line is a JSON object.")
    ] = ""
    where: Annotated[
        dict[str, str | int],
        Meta(description="Only lines in which these keys have these values, such as { id = 17 }."),
    ] = field(default_factory=dict)
    at_most: Annotated[
        Duration, Meta(description="Shortest time between two samples of a point; 0s: each line counts.")
    ] = Duration(0)
    points: Annotated[dict[str, LinesPoint], Meta(description="Points by name: key, unit, scale, words.")] = (
        field(default_factory=dict)
    )

    def __post_init__(self) -> None:
        made = compiled(self.pattern)
        for name, point in self.points.items():
            wanted = point.key or name
            if made and wanted not in made.groupindex:
                raise ValueError(f'{name}: the pattern has no group called "{wanted}"')
            if not point.scale:
                raise ValueError(f"{name}: scale is 0, so every value would be the same")

    @property
    def beat(self) -> float:
        """Seconds between two lines; 0: when it likes."""
        return float(self.every) if self.speaks == "regularly" else 0.0

    def offers(self) -> Mapping[str, Offer]:
        """Give the points of its table."""
        return {
            name: Offer(point, point.scope or self.scope, self.beat) for name, point in self.points.items()
        }

    def hearer(self) -> LineDevice:
        """Make what reads its lines."""
        wants = [
            FieldWant(
                name=name,
                key=point.key or name,
                words=point.words,
                scale=point.scale,
                offset=point.offset,
                counts=point.kind is Kind.COUNT,
            )
            for name, point in self.points.items()
        ]
        speech = Speech(
            every=self.beat,
            pattern=compiled(self.pattern),
            where={key: str(value) for key, value in self.where.items()},
            at_most=float(self.at_most),
        )
        return LineDevice(self.name, speech, wants)


class Lines(SerialLink, kw_only=True):
    """A device, or several, that send text lines."""

    device_type: ClassVar[type[Any]] = LinesDevice
    most_devices: ClassVar[int] = 100

    baud: Annotated[int, Meta(description="Bits a second.", ge=300)] = 9600
    frame: Annotated[Frame, Meta(description="Form of a character: data bits, parity, stop bits.")] = "8N1"
    encoding: Annotated[Encoding, Meta(description="How bytes are letters.")] = "utf-8"
    longest: Annotated[
        int, Meta(description="Most bytes of a line; longer ones are dropped.", ge=16, le=4096)
    ] = 1024

    def line(self) -> tuple[int, Frame]:
        """Give baud rate and form of a character."""
        return self.baud, self.frame

    def parser(self) -> Parser[Line]:
        """Make what cuts lines."""
        from drivers.serial.text import LineParser

        return LineParser(self.longest, self.encoding)

    def hearers(self) -> Sequence[Hearer[Line]]:
        """Make what reads lines, one for each device."""
        return [one.hearer() for one in self.devices]
