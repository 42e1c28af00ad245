"""Counts cameras for the agent until it hangs up: the only process that sees pixels.

The order is the point: everything is imported and opened, then the process locks itself in, tries to get
out, and only then looks at a picture. It ends with 78 when an attempt to get out worked, and says which;
``--unconfined`` is for development: it goes on, and every record carries the mark.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from agent.core.catalogue.pictures import VISION_CAMERA, VISION_ENDS, VISION_NOT_CONFINED
from agent.core.clock import SystemClock
from agent.core.errors import GatewayError
from agent.core.sight import HOLES, Sight, What, cells
from agent.core.stream import parse
from agent.core.vision import PROGRAM
from pipelines.vision.wire import HungUpError, Manager, Wire

if TYPE_CHECKING:
    from agent.core.catalogue.entry import Entry
    from pipelines.vision.jail.cage import Verdict
    from pipelines.vision.outfit import Outfit

REFUSED: Final = 78  # EX_CONFIG: the service manager must not try again by itself
_ALIVE: Final = 15.0  # seconds between two signs of life


def main(words: Sequence[str]) -> int:
    """Count until the agent hangs up."""
    parser = ArgumentParser(prog=f"{PROGRAM} watch", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--fd", type=int, default=3, help="the socket to the agent (default: %(default)s)")
    parser.add_argument("--unconfined", action="store_true", help="for development: go on with holes")
    args = parser.parse_args(words)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the agent, whose end ends this process
    # one thread only, until all locks are on: some hold for the thread that takes them and those it starts
    os.environ.update(ORT_DISABLE_TELEMETRY="1", OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    try:
        _count(Wire(args.fd), Manager(), unconfined=args.unconfined)
    except HungUpError:
        pass
    except NotConfinedError as error:
        _say(VISION_NOT_CONFINED, error)
        return REFUSED
    except GatewayError as error:
        _say(VISION_ENDS, error)
        return 1
    return 0


class NotConfinedError(Exception):
    """Attempts to get out worked; the text names them."""


def _count(wire: Wire, manager: Manager, *, unconfined: bool) -> None:
    outfits = _outfits(wire)
    clock = SystemClock()
    _import_all()
    verdict = _confined(wire, outfits)
    if verdict.holes and not unconfined:
        named = ", ".join(verdict.holes)
        manager.tell(f"STATUS={VISION_NOT_CONFINED.text % named}")
        wire.tell(What.HOLES, _mask(verdict.holes))
        time.sleep(0.2)  # the manager reads the sentence before it sees the end
        raise NotConfinedError(named)
    if unconfined:
        wire.mark_unconfined()
    marked = f"; UNCONFINED, for development: {', '.join(verdict.holes) or 'no hole'}" if unconfined else ""
    manager.tell(f"READY=1\nSTATUS={verdict.sentence()}{marked}")
    refused = verdict.tried - len(verdict.holes)
    wire.tell(What.READY, refused, bucket=_mask(verdict.acts), stamp=_mask(verdict.holes))
    _shift(wire, manager, outfits, clock)


def _mask(names: Iterable[str]) -> int:
    return sum(1 << HOLES.index(one) for one in names)


def _outfits(wire: Wire) -> dict[int, Outfit]:
    """Get the cameras ready; tell those that cannot be counted."""
    from pipelines.vision.outfit import FaultError, Store

    store, ready = Store(), {}
    for place, camera in enumerate(wire.watch.cameras):
        try:
            ready[place] = store.outfit(camera)
        except FaultError as error:
            _say(VISION_CAMERA, camera.name, error)
            wire.tell(What.FAULT, error.sight, cell=place)
    return ready


def _import_all() -> None:
    """Load what pictures need: from now on no more files may be reached than must be."""
    import av.logging
    import av.video.reformatter
    import cv2

    import pipelines.vision.shift  # noqa: F401
    from pipelines.vision.jail.pages import give_back

    av.logging.set_level(None)  # a library's word about an address may hold the password in it
    cv2.setNumThreads(1)
    give_back()


def _confined(wire: Wire, outfits: dict[int, Outfit]) -> Verdict:
    """Lock this process in, to the cameras that can be counted."""
    from pipelines.vision.jail.cage import Cage, confine

    unit = "LISTEN_FDS" in os.environ
    for place, outfit in list(outfits.items()):
        if unit and outfit.stream.host and not _passes(outfit.stream.host):
            del outfits[place]
            wire.tell(What.FAULT, Sight.FILTERED, cell=place)
    streams = [parse(one.source) for one in wire.watch.cameras]
    return confine(
        Cage(
            cameras=tuple(sorted({(one.host, one.port) for one in streams if one.host})),
            devices=tuple(one.path for one in streams if one.kind == "usb"),
            read=tuple(one.path for one in streams if one.kind == "file"),
            unit=unit,
        )
    )


def _shift(wire: Wire, manager: Manager, outfits: dict[int, Outfit], clock: SystemClock) -> None:
    """Count until the agent hangs up, with a sign of life for the manager now and then."""
    from pipelines.vision.shift import Shift

    shift = Shift(wire.watch, cells(wire.watch), wire, clock)
    for place, outfit in outfits.items():
        shift.add(place, wire.watch.cameras[place], outfit)
    alive = 0.0
    try:
        while True:
            now = shift.work()
            wire.listen()
            if now - alive > _ALIVE:
                alive = now
                manager.tell("WATCHDOG=1")
    finally:
        shift.end()


def _passes(address: str) -> bool:
    """Say whether the unit's filter lets anything to a camera pass; one byte goes to its discard port."""
    from pipelines.vision.jail.probes import send

    try:
        send(address)
    except OSError as error:
        return error.errno not in (errno.EPERM, errno.EACCES)
    return True


def _say(entry: Entry, *values: object) -> None:
    """Write to the log; nothing that was seen is ever written there."""
    os.write(2, entry.line(*values).encode())
