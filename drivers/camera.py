"""Cameras that are counted: people and vehicles across lines, in zones and in parking bays, and no picture.

This is the agent's side. What looks at pictures is another program, ``citygate-vision``, which is locked
in; only numbers come from it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, field, json

from agent.core import sight
from agent.core.clock import Clock
from agent.core.driver import Desk, LinkSettings, Needs
from agent.core.duration import Duration
from agent.core.measured import Measured
from agent.core.point import Kind, Point
from agent.core.sample import Emit
from agent.core.scene import Bay, Line, Scene, Zone
from agent.core.settings import Name
from agent.core.stream import parse
from agent.core.vision import ENDING

_STEPS: Final = {sight.RATE: 0.01, sight.STATE: 0.0}


class Camera(LinkSettings, kw_only=True):
    """One camera, the model that looks at it, and what is drawn over its picture."""

    source: Annotated[
        str,
        Meta(
            description="Where its pictures come from: rtsp://10.30.0.7/stream2, http://10.30.0.7/mjpeg, "
            "/dev/video0, file:/path/of/a/clip.mp4. An address in figures, best the smaller stream."
        ),
    ]
    model: Annotated[Name, Meta(description="An installed model, see `citygate model list`.")]
    model_sha256: Annotated[
        str,
        Meta(description="Refuse any other model than that of this SHA-256.", pattern="^([0-9a-f]{64})?$"),
    ] = ""
    lines: Annotated[dict[Name, Line], Meta(description="Lines by name.")] = field(default_factory=dict)
    zones: Annotated[dict[Name, Zone], Meta(description="Zones by name.")] = field(default_factory=dict)
    bays: Annotated[dict[Name, Bay], Meta(description="Parking bays by name.")] = field(default_factory=dict)
    user: Annotated[str, Meta(description="User name at the camera, as text or credential:NAME.")] = ""
    password: Annotated[str, Meta(description="Always credential:NAME, never the password itself.")] = ""
    cell: Annotated[
        Duration,
        Meta(
            description="Stretch of time that is summed up before anything is told; a window is a whole "
            "number of it.",
            extra={"least": "5s", "most": "1h"},
        ),
    ] = Duration(sight.FINEST_PUBLIC)
    rate: Annotated[
        float, Meta(description="Pictures a second that are looked at, if there is time.", ge=0.1, le=30)
    ] = 5.0
    keyframes: Annotated[
        bool, Meta(description="Decode key frames only: four times cheaper, for zones and bays alone.")
    ] = False
    picture: Annotated[
        tuple[int, int] | None,
        Meta(description="Width and height of the still that was drawn over; another shape is a fault."),
    ] = None
    measured: Annotated[
        dict[Name, Measured],
        Meta(
            description="How right the counts of each line were found to be, as `citygate validate` wrote it."
        ),
    ] = field(default_factory=dict)
    unconfined: Annotated[
        bool, Meta(description="For development: count without a cage; then nothing leaves this computer.")
    ] = False

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be counted."""
        stream = parse(self.source)
        if not (self.lines or self.zones or self.bays):
            raise ValueError("nothing is drawn: a camera needs a line, a zone or a bay")
        if self.keyframes and self.lines:
            raise ValueError("key frames come too seldom to count who crosses a line")
        if self.picture is not None and min(self.picture) < 1:
            raise ValueError("the picture needs a width and a height")
        if self.password and not self.user:
            raise ValueError('a password needs "user" beside it')
        if self.cell % 1 or 3600 % self.cell:
            raise ValueError('"cell" must divide an hour into whole seconds: 5m, 10m, 15m')
        if self.cell < sight.FINEST_PUBLIC and not stream.is_local:
            raise ValueError('"cell" is 5m or more: only a clip, or a camera on loopback, may have less')
        Scene(lines=self.lines, zones=self.zones, bays=self.bays)

    def points(self) -> Sequence[Point]:
        """List every count, and how far it can be trusted."""
        return [self._point(cell) for cell in sight.cells(self._alone())]

    def facts(self) -> Sequence[str]:
        """Tell what `citygate check` prints of this link."""
        watch = self._alone()
        most = sight.ceiling(len(sight.cells(watch)), 1, watch.width)
        stale = sorted(name for name in self.measured if self._accuracy(name) is None)
        return [
            *(
                f"{self.name}.{name}: its accuracy was measured of another drawing or model, and is not"
                " published: `citygate validate` measures anew"
                for name in stale
            ),
            *(
                f"{self.name}.{name}: it runs along the picture's edge: whoever is seen only when across"
                " is not counted; draw it a person's height away from there"
                for name, line in sorted(self.lines.items())
                if line.at_edge
            ),
            f"{self.name}: at most {most:,} bytes an hour cross from this camera's pictures to the gateway, "
            f"in records of {sight.RECORD.size}; a picture of 20 kB would take {20_000 / most:.1f} h",
        ]

    def about(self, line: str) -> str:
        """Name what a measured accuracy of *line* is about: how it is drawn, and the model."""
        drawn = json.encode([self.lines[line], self.model, self.model_sha256], order="deterministic")
        return sha256(drawn).hexdigest()[:12]

    def needs(self) -> Needs:
        """Give the camera's device, if it is at this computer: another process opens it, in its own fence."""
        stream = parse(self.source)
        return Needs(lent=(stream.path,) if stream.kind == "usb" else ())

    def watched(self) -> sight.Camera:
        """Give the camera as `citygate-vision` is told of it."""
        folder = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/citygate").split(":")[0])
        return sight.Camera(
            name=self.name,
            source=self.source,
            model=str((folder / "models" / f"{self.model}{ENDING}").absolute()),
            scene=Scene(lines=self.lines, zones=self.zones, bays=self.bays),
            user=self.user,
            password=self.password,
            model_sha256=self.model_sha256,
            rate=self.rate,
            keyframes=self.keyframes,
            picture=self.picture,
        )

    def forged(self) -> tuple[int, Sequence[str]]:
        """Give the reader of its records what cannot be true; name what was believed."""
        from drivers.cameras.forgery import believed

        return believed(self._alone())

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Have it counted until cancelled; raise DriverError when the counting ends."""
        from drivers.cameras.hub import take_part
        from drivers.cameras.report import Report

        report = Report(self.watched(), float(self.cell), self.points(), emit, desk)
        answering = asyncio.ensure_future(_answer_nothing(desk))
        try:
            await take_part(self.watched(), int(self.cell), report, clock, unconfined=self.unconfined)
        finally:
            answering.cancel()
            await asyncio.wait([answering])

    def _alone(self) -> sight.Watch:
        """Give the plan of this camera alone."""
        return sight.Watch(cameras=(self.watched(),), width=int(self.cell), offset=0.0)

    def _accuracy(self, line: str) -> Measured | None:
        """Give what was measured of *line*, unless it was another one then."""
        found = self.measured.get(line)
        return found if found and line in self.lines and found.of == self.about(line) else None

    def _method(self, place: str) -> str:
        kinds: dict[str, Collection[str]] = {"line crossing": self.lines, "zone": self.zones}
        kinds["parking bay"] = self.bays
        return next((f"camera, {text}" for text, drawn in kinds.items() if place in drawn), "")

    def _point(self, cell: sight.Cell) -> Point:
        place = cell.name.partition(".")[0]
        drawn = self.lines.get(place) or self.zones.get(place) or self.bays.get(place)
        return Point(
            name=f"{self.name}.{cell.name}",
            kind=cell.kind,
            unit="Hz" if cell.name == sight.RATE else "1",
            every=0.0 if cell.name == sight.STATE else float(self.cell),
            cell=float(self.cell) if drawn else 0.0,
            label=drawn.label if drawn else "",
            location=self.location,
            resolution=_STEPS.get(cell.name, 0.0 if cell.kind is Kind.COUNT else 0.001),
            personal=drawn is not None,
            method=self._method(place),
            measured=self._accuracy(place),
        )


async def _answer_nothing(desk: Desk) -> None:
    """Tell whoever wants to read that there is nothing new: numbers come when their cell ends."""
    while True:
        (await desk.next_wish()).answer.set_result([])
