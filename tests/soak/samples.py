"""What a running gateway holds and how quick it is, sample after sample, and how fast that grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import inf, sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

from msgspec import Struct

from tests.soak.inside import Inside, read
from tests.soak.site import Scene, asked

_HOUR: Final = 3600.0
_STRETCH: Final = 120.0
_FREE: Final = 7  # degrees of freedom that a trend needs: 18 minutes


class Sample(Struct, frozen=True, kw_only=True):
    """One look: sizes in bytes, ``life`` numbers the runs of the gateway, ``lag`` in milliseconds.

    ``anon`` is what of ``rss`` are no pages of files; ``inside`` is what the process itself noted last;
    ``watcher`` is the process that sees pictures, of ``vision`` bytes.
    """

    at: float
    life: int
    age: float
    rss: int
    anon: int
    inside: Inside | None
    vision: int
    watcher: int
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
    process, watchers = Path(f"/proc/{scene.daemon.pid}"), scene.vision()
    return Sample(
        at=at,
        life=life,
        age=told["runs_s"],
        rss=_resident(process),
        anon=_own(process),
        inside=next(reversed(read(scene.notes)), None),
        vision=sum(_resident(Path(f"/proc/{one}")) for one in watchers),
        watcher=max(watchers, default=0),
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


class Trend(Struct, frozen=True, kw_only=True):
    """How much something grows an hour, and the bounds within which that lies in 19 of 20 such runs."""

    slope: float
    low: float
    high: float


def trend(
    samples: Sequence[Sample], of: Callable[[Sample], float], run: Callable[[Sample], int] = lambda _: 0
) -> Trend | None:
    """Give how *of* grows within each *run*; None where the samples are too few to tell.

    Of each two minutes the least counts: what is held for a moment goes again, what has leaked does not.
    Memory takes steps and seldom goes back, so that what one mark has the next has too: only the steps from
    one to the next are independent. Their mean is the slope, and how they differ says how sure that is
    (Student's t).
    """
    steps = _steps(samples, of, run)
    free = len(steps) - 1
    if free < _FREE:
        return None
    # Student's t for 95 % on both sides, by its series in 1 / degrees of freedom
    wide = 1.96 + 2.37 / free + 2.82 / free**2
    middle, spread = fmean(steps), wide * stdev(steps) / sqrt(len(steps))
    an_hour = _HOUR / _STRETCH
    return Trend(
        slope=round(middle * an_hour, 2),
        low=round((middle - spread) * an_hour, 2),
        high=round((middle + spread) * an_hour, 2),
    )


def _steps(
    samples: Sequence[Sample], of: Callable[[Sample], float], run: Callable[[Sample], int]
) -> list[float]:
    """Give the steps of the least from each stretch to the next, where both are of one run alone.

    The stretch in which a run began is left out: it was warming up.
    """
    runs: dict[int, set[int]] = {}
    least: dict[int, float] = {}
    begun: dict[int, int] = {}
    for one in samples:
        stretch = int((one.at - samples[0].at) // _STRETCH)
        runs.setdefault(stretch, set()).add(run(one))
        least[stretch] = min(least.get(stretch, inf), of(one))
        begun.setdefault(run(one), stretch if stretch else -1)
    return [
        least[after] - least[before]
        for before, after in pairwise(sorted(least))
        if after == before + 1 and len(both := runs[before] | runs[after]) == 1 and before > begun[min(both)]
    ]


def _resident(process: Path) -> int:
    return int((process / "statm").read_text("ascii").split()[1]) * 4096


def _own(process: Path) -> int:
    """Give what it holds of its own, without the pages of files."""
    lines = (process / "status").read_text("ascii").splitlines()
    return next(int(one.split()[1]) * 1024 for one in lines if one.startswith("RssAnon"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
