"""The cage around what sees pictures, tried on this computer: whole, and with locks left away.

A process that sees nothing locks itself in as ``citygate-vision`` does before it looks at a camera, and tries
to get out. An attempt that is called refused with its locks off would prove nothing: that is tried too.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import json

from agent.core.driver import CanBeWatched
from agent.core.errors import GatewayError
from agent.core.stream import parse
from agent.core.vision import PROGRAM, Lock, Trial, Tried
from agent.prove.outcome import Outcome, broken, kept, unenforced
from agent.status import ask

if TYPE_CHECKING:
    from agent.prove.scene import Scene

_PATIENCE: Final = 30.0
_AROUND: Final = "net:"
Weakened = tuple[tuple[Lock, ...], str]
"""Locks that are left away, and an attempt that must work then."""


def tried(request: Trial) -> Tried:
    """Have the program lock itself in; raise GatewayError when it cannot."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if not found:
        raise GatewayError(f"{PROGRAM} is not installed: install citygate with its extra [vision]")
    done = subprocess.run(  # noqa: S603 - our own program
        [found, json.encode(request).decode()],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    try:
        return json.decode(done.stdout, type=Tried)
    except ValueError as error:
        raise GatewayError(
            f"{PROGRAM} ended with status {done.returncode} when its cage was tried"
        ) from error


def withstood(scene: Scene, kinds: Sequence[str], *weakened: Weakened) -> Outcome:
    """Say how the cage withstands attempts whose names begin with *kinds*, and whether its lack shows."""
    addresses = _cameras(scene)
    if addresses is None:
        return kept("This site has no camera: nothing here sees a picture.")
    whole = scene.parts.cage(Trial(addresses=addresses))
    mine = [one for one in whole.acts if one.startswith(tuple(kinds))]
    holes = [one for one in whole.worked if one in mine]
    faults = [f"The attempt {one} worked." for one in holes if not one.startswith(_AROUND)]
    faults += _unnoticed(scene, addresses, weakened, whole)
    if faults:
        return broken(*faults)
    told = [f"Refused on this computer: {', '.join(one for one in mine if one not in holes)}."]
    told += [f"With {' and '.join(locks)} off, {act} works and is named." for locks, act in weakened]
    lacks = [*_around(holes), *_running(scene)]
    return unenforced(*told, *lacks) if lacks else kept(*told)


def _cameras(scene: Scene) -> tuple[str, ...] | None:
    """Give the addresses of the site's cameras; None when it has no camera at all."""
    watched = [one.driver.watched() for one in scene.plan.links if isinstance(one.driver, CanBeWatched)]
    hosts = {parse(one.source).host for one in watched} - {""}
    return tuple(sorted(hosts)) if watched else None


def _unnoticed(
    scene: Scene, addresses: tuple[str, ...], weakened: Sequence[Weakened], whole: Tried
) -> Iterator[str]:
    for locks, act in weakened:
        if "landlock" in locks and not whole.landlock and len(locks) == 1:
            continue  # this kernel has none that could be left away
        weak = scene.parts.cage(Trial(addresses=addresses, without=locks))
        if act in weak.acts and act not in weak.worked:
            yield f"With {' and '.join(locks)} off, {act} was still called refused: it proves nothing."


def _around(holes: Sequence[str]) -> Iterator[str]:
    if names := [one.removeprefix(_AROUND) for one in holes if one.startswith(_AROUND)]:
        yield (
            f"Other addresses can be reached from here ({', '.join(names)}): only the service filters them. "
            "Run it as the unit citygate-vision, with the drop-in that `citygate cage` writes. Else it "
            "refuses to look at a camera on the network."
        )


def _running(scene: Scene) -> Iterator[str]:
    """Say which cameras the running gateway counts without a whole cage."""
    try:
        links = ask(scene.socket, {"ask": "status"})["links"]
    except GatewayError:
        return
    for one in links:
        if one["figures"].get("confined") == "no":
            yield f"The running gateway counts {one['name']} in development: {one['figures'].get('cage')}."
