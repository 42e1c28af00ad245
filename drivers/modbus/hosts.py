"""Searches many endpoints of a network, a few at a time, each with one request under way.

An endpoint that the running gateway holds is asked through it: many devices serve one connection only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any, Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.core.search import Held, Missed
from drivers.modbus.line import OVERHEAD
from drivers.modbus.link import Link
from drivers.modbus.probe import Remote
from drivers.modbus.scan import Around, Place, Scan, Share
from drivers.modbus.strays import is_foreign
from drivers.modbus.targets import Endpoint
from drivers.serial.overhear import Setting, overhear
from drivers.serial.propose import proposal, refusal
from drivers.serial.source import Opener

NOBODY: Final = "it is there, but no unit answers: is a device behind it, switched on, and its number asked?"
_NAMED: Final = 10.0  # seconds to open, for what a person named; the way itself gives up before
_OWN: Final[tuple[Setting, ...]] = ((9600, "8N1"),)  # a converter has a setting of its own
_FAMILY: Final = "modbus-"


class Door(Struct, frozen=True):
    """An endpoint to be searched: where it is, and how a link to it is made; or the link that has it.

    ``ears`` opens the line behind a converter, which is listened to before the first byte.
    """

    endpoint: Endpoint
    place: Place
    link: Callable[[], Link]
    held: Held | None = None
    ears: Opener | None = None


async def search(doors: Sequence[Door], around: Around, *, at_once: int, knock: float, listen: float) -> None:
    """Search all *doors*; *knock* is how long one may take to open, in seconds."""
    hands = max(1, min(at_once, len(doors)))
    for door in doors:
        worst = around.seconds() * (2 if door.held else 1) if door.endpoint.named else knock
        around.pace.expect(around.steps, (worst + listen) / hands)
    around.at(f"{len(doors)} addresses" if len(doors) > 1 else str(doors[0].endpoint), 0)
    waiting = deque(doors)

    async def work() -> None:
        while waiting:
            await _search(waiting.popleft(), around, knock=knock, listen=listen)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(hands):
            tasks.create_task(work())


async def _search(door: Door, around: Around, *, knock: float, listen: float) -> None:
    place, share = door.place, Share(around)
    try:
        if door.held is not None:
            found = await through(door.held, place, share)
        else:
            found = await _directly(door, share, knock=knock, listen=listen)
    except GatewayError as error:
        if door.endpoint.named:
            around.tell(Missed(address=place.address, why=str(error)))
    else:
        if not found and door.endpoint.named:
            around.tell(Missed(address=place.address, why=NOBODY))
    share.finish(place.address)


async def through(held: Held, place: Place, share: Share) -> int:
    """Search a link of the running gateway; raise GatewayError when it speaks no Modbus."""
    kind = str(held.settings.get("driver", ""))
    if not kind.startswith(_FAMILY):
        raise GatewayError(
            f"the running gateway has it for link {held.name}, which speaks no Modbus ({kind})"
        )
    return await Scan(Remote(held, share.around.clock), place, share).run()


async def _directly(door: Door, share: Share, *, knock: float, listen: float) -> int:
    if door.ears is not None and await _overheard(door, door.ears, share, listen):
        return 1
    limit = _NAMED if door.endpoint.named else knock
    async with door.link() as link:
        try:
            async with asyncio.timeout(limit):
                await link.listen(0.0)
        except TimeoutError:
            raise GatewayError(f"it did not take a connection within {limit:g} s") from None
        return await Scan(link, door.place, share, slow_of(link), link.late).run()


async def _overheard(door: Door, ears: Opener, share: Share, listen: float) -> bool:
    """Listen behind a converter, whose setting is its own; tell who speaks, or raise GatewayError."""
    clock = share.around.clock
    share.at(f"listening behind {door.place.address} for {listen:g} s", 0)
    voice = await overhear(lambda *_: ears, _OWN, clock, seconds=listen, foreign=is_foreign)
    if voice is None:
        return False
    end = door.endpoint
    found = proposal({"host": end.host, "port": end.port}, str(end), voice, door.place.name)
    if found is None:
        raise GatewayError(refusal(voice))
    share.around.tell(found)
    return True


def slow_of(link: Link) -> float:
    """Give the seconds that request and reply take on the line of *link*."""
    return link.way.character * (OVERHEAD + 2)


async def holder(endpoint: Endpoint, held: Sequence[tuple[Held, frozenset[str]]]) -> Held | None:
    """Give the link of the running gateway that has *endpoint*; *held* comes with its addresses."""
    here = [one for one in held if one[0].settings.get("port") == endpoint.port]
    if not here:
        return None
    mine = await addresses(endpoint.host)
    return next((one for one, theirs in here if mine & theirs), None)


async def homes(held: Sequence[Held]) -> list[tuple[Held, frozenset[str]]]:
    """Give the links that hold a host, with its addresses."""
    return [(one, await addresses(str(one.settings["host"]))) for one in held if "host" in one.settings]


async def addresses(host: str) -> frozenset[str]:
    """Give the name and all addresses of *host*; only the name when nobody knows it."""
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return frozenset((host,))
    loop = asyncio.get_running_loop()
    try:
        known: list[Any] = await loop.getaddrinfo(host, None)
    except OSError:
        known = []
    return frozenset((host, *(str(one[4][0]) for one in known)))
