"""A search of BACnet networks: first who is there, then what each device has, told as it is found.

Several devices are asked at once, each with one request under way; those behind one router in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.search import Found, Missed, Progress, Tell
from drivers.bacnet.facts import DeviceFacts
from drivers.bacnet.naming import device_name
from drivers.bacnet.peer import Peer
from drivers.bacnet.proposal import device_table, remarks
from drivers.bacnet.roll_call import ROUTERS, Attendance, RollCall
from drivers.bacnet.stack import IAm, RefusedError, SilentError, Stack
from drivers.bacnet.survey import survey

LINK_NAME: Final = "bacnet"
_EACH: Final = 0.05
_NAMED: Final = 16


class Wish(Struct, frozen=True, kw_only=True):
    """What to look for, and how to write it down: ``link`` as a table, ``on`` the link that is there already.

    ``everything``: objects that are no points too.
    """

    low: int
    high: int
    link: Mapping[str, Any]
    on: str = ""
    peers: Sequence[Peer] = ()
    patterns: Sequence[str] = ()
    events: bool = False
    everything: bool = False
    settle: float = 2.0
    at_once: int = 4


class Explorer:
    """One search; ``devices`` are those that were understood so far."""

    def __init__(self, stack: Stack, wish: Wish, clock: Clock, tell: Tell) -> None:
        self._stack, self._wish, self._clock, self._tell = stack, wish, clock, tell
        self._there = Attendance()
        self._done = 0
        self.devices: list[DeviceFacts] = []

    async def run(self) -> None:
        """Search; raise SilentError when nobody can be asked."""
        end = self._stack.listen(self._there.note)
        try:
            await self._call()
            self._tell_routers()
            await self._survey_all()
        finally:
            end()

    async def _call(self) -> None:
        wish = self._wish
        call = RollCall(self._stack, self._clock, self._there, wish.settle)
        if not wish.peers:
            what = f"instances {wish.low} to {wish.high}"
            await call.everybody(wish.low, wish.high, self._progress_of(what, wish.settle, ROUTERS))
            return
        named = _some(len(wish.peers), "address", "addresses")
        await call.single(wish.peers, self._progress_of(named, _EACH, wish.settle))
        if len(wish.peers) <= _NAMED:  # of a whole subnet nobody expects that all are there
            for peer in wish.peers:
                if peer not in self._there.devices:
                    self._miss(peer, f"no BACnet device answers within {wish.settle:g} s; is the port right?")

    def _progress_of(self, what: str, each: float, more: float) -> Callable[[int, int], None]:
        def progress(done: int, of: int) -> None:
            left = (of - done) * each + (more if done < of else 0.0)
            self._tell(Progress(done=done, of=of, what=f"{what}: {self._heard}", seconds_left=left))

        return progress

    @property
    def _heard(self) -> str:
        return f"{_some(len(self._there.devices), 'device')} heard"

    def _miss(self, peer: Peer, why: str) -> None:
        self._tell(Missed(address=str(peer), why=why))

    def _tell_routers(self) -> None:
        by_router: dict[Peer, list[int]] = {}
        for network, router in sorted(self._there.networks.items()):
            by_router.setdefault(router, []).append(network)
        for router, networks in by_router.items():
            listed = ", ".join(map(str, networks))
            self._tell(
                Found(address=str(router), what=f"router to network{'s' * (len(networks) > 1)} {listed}")
            )

    async def _survey_all(self) -> None:
        found = sorted(self._there.devices.values(), key=lambda one: (one.instance, one.peer))
        wanted = [one for one in found if self._wish.low <= one.instance <= self._wish.high]
        waiting = deque(wanted)

        async def work() -> None:
            while waiting:
                await self._survey(waiting.popleft(), len(wanted))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self._wish.at_once, len(wanted))):
                tasks.create_task(work())

    async def _survey(self, one: IAm, of: int) -> None:
        def progress(done: int, objects: int) -> None:
            what = f"device {one.instance} at {one.peer}: {done} of {objects} objects"
            self._tell(Progress(done=self._done, of=of, what=what))

        try:
            device = await survey(self._stack, one, progress, everything=self._wish.everything)
        except SilentError:
            self._miss(one.peer, f"device {one.instance} fell silent while it was asked; try it alone")
        except RefusedError as error:
            self._miss(one.peer, f"device {one.instance} does not tell what it has ({error})")
        else:
            self.devices.append(device)
            self._tell(found_of(device, self._wish, self._there.doubles().get(one.instance, ())))
        self._done += 1
        self._tell(Progress(done=self._done, of=of, what=f"device {one.instance}"))


def found_of(device: DeviceFacts, wish: Wish, doubles: Sequence[Peer] = ()) -> Found:
    """Write down what is known of *device*; *doubles* are all who claim its instance, if several do."""
    table = device_table(device, wish.patterns, events=wish.events)
    notes = list(remarks(device, table["points"]))
    if others := [str(peer) for peer in doubles if str(peer) != device.address]:
        claim = f"instance {device.instance} is claimed by {' and '.join(others)} too"
        notes.insert(0, f"{claim}: have one of them numbered anew")
    made = " ".join(part for part in (device.vendor, device.model) if part)
    points, objects = _some(len(table["points"]), "point"), _some(len(device.objects), "object")
    found = Found(
        address=device.address or f"device {device.instance}",
        what=f"device {device.instance}{f' ({made})' if made else ''}, {points} from {objects}",
        note="; ".join(notes),
    )
    if not table["points"]:
        return found
    name = device_name(device)
    return replace(found, link=wish.link, link_name=LINK_NAME, on=wish.on, device=table, device_name=name)


def _some(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
