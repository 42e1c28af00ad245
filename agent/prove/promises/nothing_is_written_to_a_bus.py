"""The gateway cannot change a building: no request that writes is ever sent to a device.

Each link of the site is led to a spy on loopback, which answers rightly, refuses, sends garbage, falls silent
and hangs up, while the link polls, reads and explores; the spy counts what could change a device. Then every
function that is no read is put to the wall before the wire. No real device hears anything of this.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from agent.core.clock import SystemClock
from agent.core.driver import CanBeLed, CanExplore, CanRead, Desk, Driver, Riddle
from agent.core.errors import GatewayError
from agent.core.plan import Link
from agent.prove import planted
from agent.prove.outcome import Outcome, judged, unenforced
from agent.prove.scene import Scene
from agent.prove.sealed import HOST
from agent.prove.spies.bacnet import bacnet_spy
from agent.prove.spies.heard import Heard
from agent.prove.spies.listening import listening_spy
from agent.prove.spies.modbus import modbus_spy

_AGAIN: Final = 0.05


def prove(scene: Scene) -> Outcome:
    """Lead the links to spies, and push at the wall."""
    links = scene.plan.links or planted.modes(scene.parts).links
    heard = asyncio.run(_spied(links, scene.parts.seconds))
    faults = [
        f"{name} sent what changes a device: {one}." for name, each in heard.items() for one in each.writes
    ]
    for link in links:
        if isinstance(link.driver, CanBeLed):
            faults += [f"{link.name}: {one} was not refused." for one in link.driver.slips()]
    if faults:
        return judged(tuple(dict.fromkeys(faults)))
    told = [
        f"{name}: {each.asked} requests or connections under provocation, 0 writes."
        for name, each in heard.items()
    ]
    deaf = [name for name, each in heard.items() if not each.asked]
    unled = [link.name for link in links if link.name not in heard]
    if deaf or unled:
        return unenforced(*told, f"Nothing could be heard of these links: {', '.join([*deaf, *unled])}.")
    return judged((), *told)


async def _spied(links: Sequence[Link], seconds: float) -> dict[str, Heard]:
    """Let all links that can be led live with a spy each, at the same time."""
    able = {one.name: one.driver for one in links if isinstance(one.driver, CanBeLed)}
    heard = await asyncio.gather(*(_provoke(driver, seconds) for driver in able.values()))
    return dict(zip(able, heard, strict=True))


async def _provoke(driver: CanBeLed, seconds: float) -> Heard:
    match driver.language:
        case "bacnet":
            spy = bacnet_spy()
        case "bytes":
            spy = listening_spy()
        case language:
            spy = modbus_spy(rtu=language == "modbus-rtu")
    async with spy as (port, heard):
        led = driver.led(HOST, port)
        await _for_a_while(led, _poll, seconds)
        await _for_a_while(led, _ask, seconds)
    return heard


async def _for_a_while(driver: Driver, way: Callable[[Driver], Awaitable[None]], seconds: float) -> None:
    """Do the same again and again, as a supervisor would, until the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(GatewayError):
                    await way(driver)
                await asyncio.sleep(_AGAIN)


async def _poll(driver: Driver) -> None:
    await driver.run(_drop, SystemClock(), Desk())


async def _ask(driver: Driver) -> None:
    if isinstance(driver, CanRead):
        await driver.read((), SystemClock())
    if isinstance(driver, CanExplore) and driver.points():
        await driver.explore(Riddle(addr=0, device=driver.points()[0].source), SystemClock())


def _drop(samples: object) -> None:
    """Take samples and forget them."""
    del samples
