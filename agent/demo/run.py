"""Runs a whole small site on this computer and tells what is seen: live values here, figures at the city.

Devices, broker, gateway and city are processes of their own, on loopback, at ports that the kernel chose. All
of them end with the demo, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.demo import tell
from agent.demo.air_handler import free_udp_port
from agent.demo.books import Books
from agent.demo.broker import free_port
from agent.demo.children import Child, child
from agent.demo.footage import Footage
from agent.demo.judges import AIR, ENERGY, Air, Electricity, Served
from agent.demo.people import CAMERA, PEOPLE, Looks, People
from agent.demo.site import Ports, Site, lay
from agent.demo.verdict import Judge, Judged, judge, missing
from agent.outbox.ledger import match, verify
from agent.prove.pictures import in_files
from agent.status import ask

_STARTING: Final = 15.0
_SHOWN: Final = 3  # live readings
_PACE: Final = 0.5  # seconds between them
PRODUCTS: Final = (ENERGY, AIR)
WITH_CAMERA: Final = (*PRODUCTS, PEOPLE, CAMERA)


class Ending(Struct):
    """Why and when the demo ends: a person says so, or the loop's time reaches ``deadline``."""

    stop: asyncio.Event
    deadline: float | None
    interrupted: bool = False

    async def wait(self) -> None:
        """Wait for the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self.deadline):
                await self.stop.wait()

    def interrupt(self) -> None:
        """Note that a person wants it to end."""
        self.interrupted = True
        self.stop.set()


class Programs(Struct):
    """What runs: the site's files, the city that is listened to, and the rest that only must not end."""

    site: Site
    city: Child
    others: tuple[Child, ...]


async def run(seconds: float | None, *, folder: Path | None = None, footage: Footage | None = None) -> int:
    """Run for *seconds* (None: until Ctrl-C); give 0 when all that it was to show was seen, else 1.

    *footage*: what the camera needs; without it there is none.
    """
    room = folder or Path(tempfile.mkdtemp(prefix="citygate-demo-"))
    room.mkdir(parents=True, exist_ok=True)
    loop = asyncio.get_running_loop()
    ending = Ending(asyncio.Event(), None if seconds is None else loop.time() + seconds)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ending.interrupt)
    status = await _demo(room, ending, footage)
    if folder is None and not status:
        shutil.rmtree(room, ignore_errors=True)
    else:
        print(f"\nIts files are kept in {room}")
    return status


async def _demo(room: Path, ending: Ending, footage: Footage | None) -> int:
    books, broken = Books(), []
    products = WITH_CAMERA if footage else PRODUCTS
    try:
        async with _programs(room, footage) as programs:
            await _show(programs, books, ending)
    except* GatewayError as group:
        broken = [str(error) for error in group.exceptions]
    except* TimeoutError:
        broken = [f"the demo's programs did not start within {_STARTING:.0f} s"]
    judged = _judged(books, Site(room))
    found, searched = in_files(_kept(Site(room)))
    faults = missing(books, judged, products) + [f"a picture was found: {one}" for one in found]
    early = ending.interrupted and not broken  # then what is missing is nobody's fault
    absent = broken + ([] if early else faults)
    print(tell.summary(books, judged, absent, products, early=early and bool(faults)))
    if footage and not found:
        print(tell.no_picture(searched))
        print(tell.cage(People(books.births.get(PEOPLE)).cage()))
    if said := _ledger(Site(room)):
        print(said)
    return 1 if broken or (faults and not early) else 0


@contextlib.asynccontextmanager
async def _programs(room: Path, footage: Footage | None) -> AsyncIterator[Programs]:
    """Start devices, broker, city and gateway; they end in the opposite order."""
    port, bacnet, stream = free_port(), free_udp_port(), free_port()
    here = Site(room)
    async with contextlib.AsyncExitStack() as stack:
        start = stack.enter_async_context
        # BAC0 looks for files of its own in the home folder
        home = {"HOME": str(room)}
        air = await start(
            child(
                "air-handler", "agent.demo.air_handler", "--port", str(bacnet), folder=room, environment=home
            )
        )
        meter = await start(child("meter", "agent.demo.meter", "--truth", str(here.truth), folder=room))
        devices = [air, meter]
        if footage is not None:
            where = ("--folder", str(footage.clip.parent.absolute()), "--port", str(stream))
            devices.append(await start(child("camera", "agent.demo.camera", *where, folder=room)))
        settings = str(room / "broker.toml")
        broker = await start(
            child("broker", "agent.demo.broker", "--port", str(port), "--settings", settings, folder=room)
        )
        async with asyncio.timeout(_STARTING):
            told = int((await meter.line()).split()[1])
            ports = Ports(meter=told, bacnet=bacnet, broker=port, camera=stream)
            site = lay(room, ports, footage)
            await _answers(port)
            if footage is not None:
                await _answers(stream)
            await air.line()
        keep = ("--keep", str(here.received))
        city = await start(child("city", "agent.demo.city", "--port", str(port), *keep, folder=room))
        async with asyncio.timeout(_STARTING):
            await city.line()
        words = ("agent", "run", str(site.config), "--state", str(site.state), "--socket", str(site.socket))
        gateway = await start(child("gateway", *words, folder=room, environment=site.environment()))
        print(tell.opening(site, broker=port, camera=stream if footage else None))
        yield Programs(site, city, (*devices, broker, gateway))


async def _answers(port: int) -> None:
    """Wait until somebody listens on *port* of loopback."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


async def _show(programs: Programs, books: Books, ending: Ending) -> None:
    """Show live values, then each window as it arrives, until the end is asked for."""
    live = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.watch()) for one in programs.others]
        tasks.append(group.create_task(_receive(programs, books, live)))
        tasks.append(group.create_task(_live(programs.site, live)))
        await ending.wait()
        for task in tasks:
            task.cancel()


async def _receive(programs: Programs, books: Books, live: asyncio.Event) -> None:
    """Book what the city gets, and print each window beside the truth once the live values are through."""
    printed = 0
    while True:
        message: dict[str, Any] = json.loads(await programs.city.line())
        books.enter(message["topic"], message["body"], message["faults"])
        if not live.is_set():
            continue
        judged = _judged(books, programs.site)
        if judged and not printed:
            print(tell.window_heads())
        for one in judged[printed:]:
            print(tell.window(one), flush=True)
        printed = len(judged)


async def _live(site: Site, done: asyncio.Event) -> None:
    """Print a few live readings through the gateway's socket, then where to look further."""
    seen: list[tuple[float, dict[str, Any]]] = []
    loop = asyncio.get_running_loop()
    until = loop.time() + _STARTING
    while len(seen) < _SHOWN:
        try:
            answer = await asyncio.to_thread(ask, site.socket, {"ask": "read", "points": []})
            seen.append((time.time(), answer))
        except GatewayError as error:
            if loop.time() > until:
                raise GatewayError(f"no live values: {error}") from error
            await asyncio.sleep(0.1)
        else:
            await asyncio.sleep(_PACE)
    print(tell.live(seen))
    print(tell.further(site), flush=True)
    done.set()


def _ledger(site: Site) -> str:
    """Compare the ledger with what the city kept, as `citygate ledger` does; empty when there is nothing."""
    outbox = site.state / "outbox.db"
    if not outbox.exists() or not site.received.exists():
        return ""
    return tell.ledger(verify(outbox), match(outbox, [site.received]))


def _judged(books: Books, site: Site) -> list[Judged]:
    judges: dict[str, Judge] = {
        ENERGY: Electricity(_served(site)),
        AIR: Air(),
        PEOPLE: People(books.births.get(PEOPLE)),
        CAMERA: Looks(),
    }
    return judge(books, judges)


def _kept(site: Site) -> list[Path]:
    """List what left and what was kept: all that a picture could be in."""
    files = [*site.folder.glob("*"), *site.state.rglob("*"), *site.config.rglob("*")]
    return [one for one in files if one.is_file() and not one.is_symlink()]


def _served(site: Site) -> list[Served]:
    if not site.truth.exists():
        return []
    lines = site.truth.read_text(encoding="utf-8").splitlines()
    return [(one["t"], one["import_energy"]) for one in map(json.loads, lines)]
