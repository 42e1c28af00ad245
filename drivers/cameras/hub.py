"""All cameras of this process in one session, since one model serves them in turn.

A session has one plan. When a camera comes or goes, or the clock is set, a new one begins: what the process
that sees pixels may reach follows from the plan, and it cannot unlock itself. A session that fails ends the
run of every link that takes part; the supervisor starts them again, and they meet here anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from agent.core.clock import Clock
from agent.core.errors import DriverError
from agent.core.sight import Camera, Watch, cells
from agent.core.vision import PROGRAM
from drivers.cameras.line import Line, opened
from drivers.cameras.records import Holes, News, Numbers, Ready, Receiver, RefusedError
from drivers.cameras.report import GONE, Report

_SETTLE: Final = 0.3  # seconds: links are begun one after the other
_GLANCE: Final = 1.0
_STEP: Final = 0.25  # seconds by which the clock must have been set to matter


class Member(NamedTuple):
    """One link that takes part."""

    camera: Camera
    report: Report
    ended: asyncio.Future[None]


class Hub:
    """The links of one width of cells, and their session."""

    def __init__(self, width: int, clock: Clock, *, unconfined: bool) -> None:
        self._width = width
        self._clock = clock
        self._unconfined = unconfined
        self._members: dict[str, Member] = {}
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def take_part(self, camera: Camera, report: Report) -> None:
        """Be counted until cancelled; raise what ends the session."""
        member = Member(camera, report, asyncio.get_running_loop().create_future())
        self._members[camera.name] = member
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"cameras of {self._width} s")
        try:
            await member.ended
        finally:
            del self._members[camera.name]
            self._changed.set()
            if not self._members and self._task is not None:
                self._task.cancel()
                await asyncio.wait([self._task])
                self._task = None

    async def _run(self) -> None:
        """Hold one session after the other until one fails."""
        failure: BaseException = DriverError(f"{PROGRAM} is not needed any more")
        try:
            while True:
                await self._clock.sleep(_SETTLE)
                self._changed.clear()
                await self._session([self._members[name] for name in sorted(self._members)])
        except DriverError as error:
            failure = error
        finally:
            self._task = None
            for member in self._members.values():
                member.report.interrupted(GONE)
                if not member.ended.done():
                    member.ended.set_exception(failure)

    async def _session(self, members: list[Member]) -> None:
        """Hold a session with *members* until they change, or the clock is set."""
        watch = Watch(
            cameras=tuple(one.camera for one in members),
            width=self._width,
            offset=self._clock.now().offset,
        )
        async with opened(watch, unconfined=self._unconfined) as line:
            hearing = asyncio.ensure_future(self._hear(line, watch, members))
            watching = asyncio.ensure_future(self._upset(watch.offset))
            try:
                await asyncio.wait([hearing, watching], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (hearing, watching):
                    task.cancel()
                await asyncio.wait([hearing, watching])
            if not hearing.cancelled() and (failure := hearing.exception()) is not None:
                raise failure
        for member in members:
            member.report.interrupted("restarted")

    async def _upset(self, offset: float) -> None:
        """Wait until the cameras change or the clock is set."""
        while not self._changed.is_set() and abs(self._clock.now().offset - offset) < _STEP:
            await self._clock.sleep(_GLANCE)

    async def _hear(self, line: Line, watch: Watch, members: list[Member]) -> None:
        """Hand on what comes, as far as it can be true."""
        receiver = Receiver(watch, self._clock.boot())
        table = cells(watch)
        while True:
            raw = await line.hear()
            now = self._clock.boot()
            try:
                told = receiver.take(raw, now)
            except RefusedError as error:
                text = f"{PROGRAM} sent {error}: it is not believed any more"
                raise DriverError(text) from error
            for one in members:
                one.report.unconfined = receiver.unconfined is not False
            match told:
                case Holes(names):
                    raise DriverError(_refusal(names))
                case Ready():
                    for one in members:
                        one.report.ready(told)
                case News(camera, sight):
                    members[camera].report.tell(sight, now)
                case Numbers(begin, end, values):
                    for place, one in enumerate(members):
                        own = zip(table, values, strict=True)
                        mine = [value for cell, value in own if cell.camera == place]
                        one.report.numbers(begin, end, mine)


def _refusal(names: Sequence[str]) -> str:
    return (
        f"{PROGRAM} refuses to look at pictures, because it is not confined: {', '.join(names)}. Run it as "
        'the unit citygate-vision; or write "unconfined = true" for development: then nothing leaves this '
        "computer"
    )


_HUBS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, bool], Hub]] = WeakKeyDictionary()


async def take_part(camera: Camera, width: int, report: Report, clock: Clock, *, unconfined: bool) -> None:
    """Be counted with the other cameras of this process; raise DriverError when the counting ends."""
    hubs = _HUBS.setdefault(asyncio.get_running_loop(), {})
    key = width, unconfined
    if key not in hubs:
        hubs[key] = Hub(width, clock, unconfined=unconfined)
    await hubs[key].take_part(camera, report)
