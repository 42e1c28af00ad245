"""What passes between the agent and ``citygate-vision`` while cameras are counted: a plan, and numbers.

The plan is one packet of JSON. All that comes back are records of 32 bytes: which number, of which stretch
of time, and how much. Their meaning is a table that both sides make of the plan, so that no text, and
nothing with room for a picture, ever comes from the process that sees pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct as Layout
from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from agent.core.point import Kind
from agent.core.scene import Scene

RECORD: Final = Layout("<BBHIIIQQ")
"""Version, kind, cell, bucket, width (s), value, sequence number, boot-time ns of the bucket's end."""

VERSION: Final = 1
UNCONFINED: Final = 0x80
"""Set in the kind of every record of a process that nothing confines."""

PLAN_LIMIT: Final = 1 << 17
NEWS_EVERY: Final = 60
"""Seconds between two words about one camera, on the average; and how many may come at once."""
NEWS_BURST: Final = 4
FINEST: Final = 5
"""Seconds of the narrowest cell, of a demonstration; in earnest none is narrower than ``FINEST_PUBLIC``."""
FINEST_PUBLIC: Final = 300


class What(IntEnum):
    """What a record is about; ``cell`` is a number of the table, or of a camera for ``NEWS``."""

    NUMBER = 1
    UNKNOWN = 2  # nobody could tell; the value is 0
    NEWS = 3  # how a camera does: a ``Sight``
    READY = 4  # the cage holds: how many attempts failed; as bucket what was tried, as stamp what worked
    HOLES = 5  # it does not, and the process ends: which attempts worked, a bit each
    FAULT = 6  # a camera that cannot be counted by this plan: a ``Sight``, and it will not be tried again


class Sight(IntEnum):
    """How a camera does, and why it is not counted. Below ``UNREACHABLE`` its pictures come."""

    OK = 0
    BLIND = 1
    COVERED = 2
    DARK = 3
    FROZEN = 4
    MOVED = 5
    RESHAPED = 6
    UNREACHABLE = 7
    REFUSED = 8
    UNAUTHORISED = 9
    NOT_FOUND = 10
    SILENT = 11
    UNREADABLE = 12
    NO_VIDEO = 13
    FILTERED = 14
    NO_CREDENTIAL = 15
    NO_MODEL = 16
    BAD_MODEL = 17
    OTHER_MODEL = 18
    BUSY = 19

    @property
    def word(self) -> str:
        """Give the short reason that samples carry."""
        return self.name.lower()


SENTENCES: Final[dict[Sight, str]] = {
    Sight.OK: "it is counted",
    Sight.BLIND: "things move across its lines and the model sees nothing: look from less far above, or "
    "choose another model with `citygate model list`",
    Sight.COVERED: "its picture has lost all detail: something is before the lens, or it is out of focus",
    Sight.DARK: "its picture is dark: nothing can be counted before there is light",
    Sight.FROZEN: "its picture has not changed for half a minute: restart the camera",
    Sight.MOVED: "its view is not the one that it had: turn it back, or draw the lines again",
    Sight.RESHAPED: "its picture has another shape than the lines were drawn for: set the stream's aspect "
    "back, or draw the lines again and correct `picture`",
    Sight.UNREACHABLE: "nothing answers at its address: check power, cable and the address in `source`",
    Sight.REFUSED: "its address answers, but no stream is served there: check the port in `source`, and that "
    "the camera allows another viewer",
    Sight.UNAUTHORISED: "it wants another user or password: check the credentials that `user` and "
    "`password` name",
    Sight.NOT_FOUND: "it has no stream of that name: compare `source` with the camera's own page",
    Sight.SILENT: "it answers, but no picture comes",
    Sight.UNREADABLE: "what it sends cannot be read as a video: choose H.264, H.265 or MJPEG in the camera",
    Sight.NO_VIDEO: "its stream holds no video",
    Sight.FILTERED: "the unit of citygate-vision does not let it through: write the drop-in anew with "
    "`citygate cage`, and reload systemd",
    Sight.NO_CREDENTIAL: "a credential that `user` or `password` names is missing, or everybody can read "
    "it: see the log of citygate-vision",
    Sight.NO_MODEL: "its model is not installed: run `citygate model add`",
    Sight.BAD_MODEL: "its model is damaged, or cannot be run here: install it again with "
    "`citygate model add`",
    Sight.OTHER_MODEL: "its model is not the one that `model_sha256` names",
    Sight.BUSY: "the device is used by another program, or may not be opened: see who has it with `fuser`",
}

HOLES: Final = (
    "disk:/tmp", "disk:/var/tmp", "disk:/var/lib", "disk:/dev/shm", "disk:/run", "disk:/home", "disk:/root",
    "disk:/opt", "disk:.", "bytes", "net:127.0.0.1", "net:192.0.2.1", "unix:dbus", "unix:journal", "proc:1",
    "wx-memory", "namespaces", "exec", "memfd", "udp", "unix-socket", "tcp", "listen", "dumpable", "core",
    "reads", "rights", "swap", "threads",
)  # fmt: skip
"""What the process tries before it looks at a picture; each must fail."""


class Camera(Struct, frozen=True, kw_only=True):
    """One camera of a plan: where it is, by which model, what is drawn over it.

    ``model`` is the path of a bundle; ``user`` and ``password`` are texts or ``credential:NAME``. ``rate`` is
    pictures a second that are analysed, ``picture`` width and height of the still that was drawn over.
    """

    name: str
    source: str
    model: str
    scene: Scene
    user: str = ""
    password: str = ""
    model_sha256: str = ""
    rate: float = 5.0
    keyframes: bool = False
    picture: tuple[int, int] | None = None


class Watch(Struct, frozen=True, kw_only=True):
    """The plan: cameras, the width of a cell in seconds, and UTC minus boot time, which aligns cells."""

    cameras: Annotated[tuple[Camera, ...], Meta(min_length=1, max_length=64)]
    width: int
    offset: float
    format: int = 1


class Cell(NamedTuple):
    """One number of a camera: its name there, and how it crosses, as a whole number of 1/``scale``."""

    camera: int
    name: str
    kind: Kind
    scale: int
    most: int


STATE: Final = "sight"
ANALYSED: Final = "analysed"
RATE: Final = "analysis_rate"
GATE: Final = "gate_openings"
JUMPS: Final = "exposure_jumps"


def cells(watch: Watch) -> tuple[Cell, ...]:
    """Give the table: every number that a plan's cameras have, by the place that records name."""
    return tuple(cell for place, one in enumerate(watch.cameras) for cell in _of(place, one, watch.width))


def _of(place: int, camera: Camera, width: int) -> Iterator[Cell]:
    for one in camera.scene.counters():
        name = f"{one.place}.{one.name}"
        if one.kind is Kind.COUNT:
            yield Cell(place, name, one.kind, 1, 20 * width)
        elif one.name == "occupied":
            yield Cell(place, name, one.kind, 10_000, 10_000)
        else:
            yield Cell(place, name, one.kind, 1000, 500_000)
    yield Cell(place, STATE, Kind.STATE, 1, (1 << len(Sight)) - 1)
    yield Cell(place, ANALYSED, Kind.GAUGE, 1000, 1000 * width)
    yield Cell(place, RATE, Kind.GAUGE, 100, 10_000)
    yield Cell(place, GATE, Kind.COUNT, 1, width)
    yield Cell(place, JUMPS, Kind.COUNT, 1, width)


def ceiling(numbers: int, cameras: int, width: int) -> int:
    """Give the bytes an hour that can cross at most."""
    return RECORD.size * (numbers * 3600 // width + cameras * (3600 // NEWS_EVERY + NEWS_BURST))
