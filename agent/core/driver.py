"""The contract of a driver.

A driver is a frozen struct: its fields are its TOML table, plus ``name`` (the link's) and ``devices``,
which the configuration compiler fills in. ``run`` is its life. Abilities beyond ``run`` are optional
protocols: a command finds out by ``isinstance``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from msgspec import Meta, Struct, field

from agent.core.attested import Attested
from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.errors import GatewayError
from agent.core.notes import Notes
from agent.core.point import Kind, Point, Scope
from agent.core.sample import Emit, Sample
from agent.core.settings import Settings, StateNumber, StateText
from agent.core.vitals import Vitals

if TYPE_CHECKING:
    import asyncio

    from agent.core.search import Held
    from agent.core.sight import Camera


class PointSettings(Settings):
    """What every kind of point can say of itself; drivers add the address.

    Stands in a profile's ``[point.NAME]`` and in ``[device.NAME.points]`` alike.
    """

    unit: Annotated[str, Meta(description="Unit as a UCUM code: kW, kW.h, Cel, 1.")] = "1"
    kind: Annotated[
        Kind, Meta(description="How values combine over time: gauge, counter, count or state.")
    ] = Kind.GAUGE
    quantity: Annotated[str, Meta(description="What is measured: active_power, temperature.")] = ""
    scope: Annotated[Scope, Meta(description="Whom the point tells about.")] = Scope.BUILDING
    resolution: Annotated[
        float, Meta(description="Step that published figures are rounded to; 0: none.", ge=0)
    ] = 0.0
    minimum: Annotated[float | None, Meta(description="A lower value is out of range.")] = None
    maximum: Annotated[float | None, Meta(description="A higher value is out of range.")] = None
    rollover: Annotated[float | None, Meta(description="Where a counter starts again from zero.")] = None
    label: Annotated[str, Meta(description="Name for people.")] = ""
    states: Annotated[
        dict[StateNumber, StateText],
        Meta(description='Texts of a state by its number, such as { 0 = "off", 1 = "on" }.'),
    ] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[tuple[int, str], ...]:
        """The texts of its states, by number."""
        return tuple(sorted((int(number), text) for number, text in self.states.items()))


class Reading(Struct, frozen=True):
    """A live value together with the raw words it was made of (text for people, such as ``4248 0000``)."""

    sample: Sample
    raw: str = ""


class Ask(Struct, frozen=True):
    """A wish to read points now; the link answers between two polls. ``points`` empty: all of them."""

    points: tuple[str, ...]
    answer: asyncio.Future[Sequence[Reading]]


class Probe(Struct, frozen=True):
    """A question in the driver's own words, such as a single request; answered between two polls."""

    question: Mapping[str, Any]
    answer: asyncio.Future[Mapping[str, Any]]

    def decline(self, why: str) -> None:
        """Tell whoever still waits, in a sentence, that it cannot be answered."""
        if not self.answer.done():
            self.answer.set_exception(GatewayError(why))


W = TypeVar("W", Ask, Probe)


class Desk:
    """Where a running link meets the rest of the daemon: wishes come in, figures for ``status`` lie open.

    ``notes`` holds what the driver found out and wants to know after a restart. They are the gateway's: keys
    begin with the driver's family. A driver that cannot serve wishes ignores them; probes come only to one
    whose settings say that it answers them. ``figures`` is the driver's to fill: plain numbers or words such
    as ``rtt_ms`` or ``connected``, shown by ``citygate status``. ``vitals`` tells how the gateway itself
    does. ``attested`` is there once what sees pictures for this link has proven its cage.
    """

    def __init__(self, notes: Notes | None = None) -> None:
        import asyncio  # here, because commands that never wait load this file too

        self.figures: dict[str, float | str] = {}
        self.attested: Attested | None = None
        self.notes = Notes() if notes is None else notes
        self.vitals: Callable[[], Vitals] = Vitals
        self._wishes: asyncio.Queue[Ask] = asyncio.Queue(maxsize=16)
        self._probes: asyncio.Queue[Probe] = asyncio.Queue(maxsize=4)

    def wish(self, points: tuple[str, ...]) -> asyncio.Future[Sequence[Reading]]:
        """Ask the link to read *points* (empty: all); raise asyncio.QueueFull when sixteen wishes wait."""
        import asyncio

        ask = Ask(points, asyncio.get_running_loop().create_future())
        self._wishes.put_nowait(ask)
        return ask.answer

    def probe(self, question: Mapping[str, Any]) -> asyncio.Future[Mapping[str, Any]]:
        """Ask the link's driver *question*; raise asyncio.QueueFull when four probes wait."""
        import asyncio

        probe = Probe(question, asyncio.get_running_loop().create_future())
        self._probes.put_nowait(probe)
        return probe.answer

    async def next_wish(self) -> Ask:
        """Wait for the next wish that still wants an answer."""
        return await _next(self._wishes)

    def waiting(self) -> Iterator[Ask]:
        """Give the wishes that wait already and still want an answer."""
        while not self._wishes.empty():
            if not (one := self._wishes.get_nowait()).answer.done():
                yield one

    async def next_probe(self) -> Probe:
        """Wait for the next probe that still wants an answer."""
        return await _next(self._probes)


async def _next(waiting: asyncio.Queue[W]) -> W:
    while (one := await waiting.get()).answer.done():
        pass
    return one


class Poll(Struct, frozen=True, kw_only=True):
    """One request of a poll plan: what it asks, how often, and which points it serves."""

    device: str
    request: str
    every: float
    points: tuple[str, ...]
    bus_ms: float = 0.0


class Stretch(Struct, frozen=True):
    """Raw words as a device sent them: the table, the first address from zero, and what stood there."""

    table: str
    addr: int
    words: tuple[int, ...]


@runtime_checkable
class CanReplay(Protocol):
    """Settings of a point that can be decoded out of recorded words, without a device."""

    def replay(self, device: Any, stretches: Sequence[Stretch]) -> tuple[float | None, str] | None:  # noqa: ANN401
        """Give the value, or None and why there is none; nothing when the words lack a part of it."""
        ...


class Driver(Protocol):
    """Anything that turns devices into samples."""

    @property
    def name(self) -> str:
        """The link's name."""
        ...

    def points(self) -> Sequence[Point]:
        """List every point of every device on this link."""
        ...

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Connect and emit samples until cancelled; raise DriverError to be restarted."""
        ...


@runtime_checkable
class CanRead(Protocol):
    """A driver that can read points once, on a connection of its own."""

    async def read(self, points: tuple[str, ...], clock: Clock) -> Sequence[Reading]:
        """Read *points* (empty: all) once; raise DriverError when the link is out of reach."""
        ...


@runtime_checkable
class CanSurvey(Protocol):
    """A driver whose devices can say themselves what they measure."""

    async def survey(
        self, device: str, facts: Sequence[Mapping[str, Any]], clock: Clock, *, name: str
    ) -> str:
        """Ask *device*; give a profile called *name* as TOML; raise DriverError when it cannot say.

        *facts* are the standard's definitions, as they ship with the gateway.
        """
        ...


class Guess(Struct, frozen=True, kw_only=True):
    """What a place of a device may mean: the value, how likely that is (0 to 1), and what speaks for it.

    ``keys`` are the point's, as in TOML.
    """

    where: str
    raw: str
    value: str
    likely: float
    why: str
    keys: Mapping[str, Any]


class Riddle(Struct, frozen=True, kw_only=True):
    """A place that nobody knows: which device or unit, which address, and what a person expects there."""

    addr: int
    device: str = ""
    unit: int | None = None
    table: str = ""
    value: float | None = None
    ucum: str = ""


@runtime_checkable
class CanExplore(Protocol):
    """A driver that can guess what an unknown place of a device means."""

    async def explore(self, riddle: Riddle, clock: Clock, held: Held | None = None) -> Sequence[Guess]:
        """Read what is needed, through *held* if it is given; the likeliest guess comes first.

        Raise GatewayError when nothing can be read there.
        """
        ...


@runtime_checkable
class CanPlan(Protocol):
    """A driver that knows its requests before it makes them."""

    def plan(self) -> Sequence[Poll]:
        """List the requests of one cycle of each device."""
        ...


@runtime_checkable
class CanTell(Protocol):
    """A driver of which a person should know more than its points before it runs."""

    def facts(self) -> Sequence[str]:
        """Give sentences for `citygate check`."""
        ...


class Needs(Struct, frozen=True, kw_only=True):
    """What a link needs of the computer.

    ``hosts`` is what it calls (names, addresses, networks), ``ports`` are paths of serial ports, ``udp`` is
    the number of the port that it listens at, ``lent`` are paths of devices that another process opens for
    it. ``certificates`` end one day: each its role, and a file or ``credential:NAME``.
    """

    hosts: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    udp: int | None = None
    lent: tuple[str, ...] = ()
    certificates: tuple[tuple[str, str], ...] = ()


@runtime_checkable
class CanBeFenced(Protocol):
    """A driver that says what it needs, so that this can be looked at and all else be closed."""

    def needs(self) -> Needs:
        """Give it; raise DriverError where it cannot be told at this moment."""
        ...


@runtime_checkable
class CanBeWatched(Protocol):
    """A driver whose camera another process looks at."""

    def watched(self) -> Camera:
        """Give the camera as that process is told of it."""
        ...


@runtime_checkable
class CanBeForged(Protocol):
    """A driver that believes records of another process only if they can be true."""

    def forged(self) -> tuple[int, Sequence[str]]:
        """Give its reader what cannot be true; say how many kinds that were, and name what was believed."""
        ...


@runtime_checkable
class CanBeMeasured(CanBeWatched, Protocol):
    """A camera whose lines can be measured: a person counts the same."""

    def about(self, line: str) -> str:
        """Name what an accuracy of *line* is about, so that it ends when that changes."""
        ...


@runtime_checkable
class CanBeLed(Protocol):
    """A driver that can be led to a spy on this computer in the place of its devices.

    ``language`` says how the spy has to listen: modbus, modbus-rtu (its frames over TCP), bacnet, or bytes
    for a line that is only listened to.
    """

    language: ClassVar[str]

    def led(self, host: str, port: int) -> Driver:
        """Give this link with all its devices at one address, and little patience."""
        ...

    def slips(self) -> Sequence[str]:
        """Try to put into a frame what would change a device; name each that was not refused."""
        ...


class LinkSettings(Settings):
    """The base of every driver's settings.

    ``device_type`` is the settings class of ``[device.NAME]`` tables on such a link, and its
    ``point_type`` that of their points; a driver without it knows its points itself. The compiler fills
    ``name`` and ``devices``. While a driver runs that ``answers_probes``, it takes what ``Desk.next_probe``
    gives.
    """

    device_type: ClassVar[type[Any]]
    answers_probes: ClassVar[bool] = False

    name: Annotated[str, Meta(description="Set by the compiler.", extra={"compiled": True})] = ""
    devices: Annotated[
        tuple[Any, ...], Meta(description="Set by the compiler.", extra={"compiled": True})
    ] = ()
    label: Annotated[str, Meta(description="Name for people.")] = ""
    location: Annotated[
        tuple[float, float] | None, Meta(description="Longitude and latitude in degrees (WGS 84).")
    ] = None

    @property
    def endpoint(self) -> str:
        """Where it goes, if no other link may go there beside it; empty: others may."""
        return ""


class DeviceSettings(Settings):
    """The base of every ``[device.NAME]`` table; drivers add the address and ``points``.

    The compiler fills ``name``, and ``points`` from the profile and the table's own ``points``: those of the
    table replace or extend the profile's, key by key. A profile's
    ``[defaults]`` holds keys of ``point_type`` that its points inherit, and keys of the device itself.
    """

    point_type: ClassVar[type[PointSettings]]

    name: Annotated[str, Meta(description="Set by the compiler.", extra={"compiled": True})] = ""
    every: Annotated[Duration, Meta(description="Time between two polls.", extra={"least": "100ms"})] = (
        Duration(10)
    )
    label: Annotated[str, Meta(description="Name for people.")] = ""
    location: Annotated[
        tuple[float, float] | None, Meta(description="Longitude and latitude in degrees (WGS 84).")
    ] = None
    asset: Annotated[str, Meta(description="Number in the city's asset register.")] = ""
    tags: Annotated[tuple[str, ...], Meta(description="Words to select devices by.")] = ()
    points: Annotated[dict[str, Any], Meta(description="Points by name: address, type, unit.")] = field(
        default_factory=dict
    )
