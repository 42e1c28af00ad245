"""The gateway starts no other program, and writes no file outside its own state and runtime folders.

A gateway of this site lives for some seconds, led to loopback, in a folder of its own: each program that it
starts and each file that it opens for writing is noted from inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent.prove.life import Life
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene


def prove(scene: Scene) -> Outcome:
    """Look at what a gateway of this site starts and writes."""
    life = scene.life
    writes = sum(one.what == "write" for one in life.events)
    told = [f"A gateway of this site opened {writes} files for writing, all its own, and started nothing."]
    if scene.plan.metrics:
        told.append(f"Beside them [metrics] names {scene.plan.metrics}: that one was left alone here.")
    return judged(tuple(dict.fromkeys(_elsewhere(life))), *told)


def _elsewhere(life: Life) -> Iterator[str]:
    own = life.own.resolve()
    for one in life.events:
        if one.what == "start":
            yield f"A program was started ({one.kind}): {one.where}."
        if one.what == "write" and not _is_in(own, one.where):
            yield f"{one.where} was opened for writing."


def _is_in(own: Path, where: str) -> bool:
    """Say whether *where* lies in the gateway's own folders, or is no file at all."""
    path = Path(where.removeprefix("file://").partition("?")[0])
    return where in (":memory:", "/dev/null") or path.resolve().is_relative_to(own)
