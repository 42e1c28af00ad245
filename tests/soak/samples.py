"""What a running gateway holds and how quick it is, sample after sample, and how fast that grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from msgspec import Struct

from tests.soak.site import Scene, asked

_HOUR = 3600.0


class Sample(Struct, frozen=True, kw_only=True):
    """One look: sizes in bytes, ``life`` numbers the runs of the gateway, ``lag`` in milliseconds."""

    at: float
    life: int
    age: float
    rss: int
    vision: int
    handles: int
    threads: int
    outbox: int
    wal: int
    queue: int
    log: int
    lag: float
    windows: int
    state: str


def look(scene: Scene, at: float, life: int) -> Sample | None:
    """Look once; None while the gateway does not answer."""
    told: Any = asked(scene.daemon.socket)
    if not told:
        return None
    process = Path(f"/proc/{scene.daemon.pid}")
    return Sample(
        at=at,
        life=life,
        age=told["runs_s"],
        rss=_resident(process),
        vision=sum(_resident(Path(f"/proc/{one}")) for one in scene.vision()),
        handles=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        outbox=_size(scene.daemon.state / "outbox.db"),
        wal=_size(scene.daemon.state / "outbox.db-wal"),
        queue=told["recipients"][0]["queue"]["n"],
        log=scene.journal.bytes,
        lag=told["lag_ms"],
        windows=len(scene.books.ids),
        state=told["state"],
    )


def slope(samples: Sequence[Sample], name: str) -> float:
    """Give how fast *name* grows an hour, by Theil and Sen: a jump back and forth does not count."""
    points = [(one.at, float(getattr(one, name))) for one in samples]
    slopes = [
        (after - before) / (later - sooner)
        for number, (sooner, before) in enumerate(points)
        for later, after in points[number + 1 :]
        if later > sooner
    ]
    return median(slopes) * _HOUR if slopes else 0.0


def _resident(process: Path) -> int:
    return int((process / "statm").read_text("ascii").split()[1]) * 4096


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
