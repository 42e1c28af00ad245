"""What a soak has shown: what grew in the longest run of the gateway, and whether the city's books close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from tests.soak.samples import Sample, Trend, trend
from tests.soak.site import CAP, Scene

WARM: Final = 600.0
"""Seconds after a start that do not count: caches fill, what is made once is made."""
_GROWTH: Final = 2.0  # MB an hour that memory may grow
_HANDLES: Final = 2  # more at the end than at the beginning
_LOG: Final = 8 << 20  # bytes that SQLite's log may hold beside the file
_LAG: Final = 2000.0  # ms: a second's tick may be late by that on a computer that does other things too
_FEW: Final = 5


class Soaked(Struct, frozen=True):
    """What was done and seen; ``left`` is what did not recover."""

    hours: float
    seed: int
    samples: tuple[Sample, ...]
    troubles: dict[str, int]
    left: str


class Verdict(Struct, frozen=True, kw_only=True):
    """The figures of a soak, what is wrong, and what the run was too short to tell.

    Trends are in MB, those of ``blocks`` in thousands. Memory that the process holds may be in use or free
    and kept; ``used`` (by the C library's allocator) and ``blocks`` (of Python's) are in use. ``grown`` are
    the kinds of objects of which there are most more at the end.
    """

    hours: float
    seed: int
    lives: int
    troubles: dict[str, int]
    windows: int
    repeats: int
    declared: int
    steady_hours: float
    rss_mb: float
    rss: Trend | None
    used: Trend | None
    blocks: Trend | None
    vision_mb: float
    vision: Trend | None
    handles: tuple[int, int]
    threads: tuple[int, int]
    outbox_mb: float
    wal_mb: float
    log_bytes_hour: float
    lag_median: float
    lag_most: float
    codes: dict[str, int]
    grown: dict[str, int]
    faults: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def judge(scene: Scene, what: Soaked) -> Verdict:
    """Judge the samples and the city's books."""
    samples = what.samples
    steady = _longest(samples)
    inside = [one for one in steady if one.inside]
    tenth = max(1, len(steady) // 10)
    lags = [one.lag for one in samples]
    counts = Counter(line["CODE"] for _, line in scene.journal.lines if "CODE" in line)
    verdict = Verdict(
        hours=round(what.hours, 2),
        seed=what.seed,
        lives=samples[-1].life,
        troubles=what.troubles,
        windows=sum(len(seen) for seen in scene.books.windows.values()),
        repeats=scene.books.repeats,
        declared=len(scene.books.holes()),
        steady_hours=round((steady[-1].at - steady[0].at) / 3600, 2),
        rss_mb=_mega(max(one.rss for one in samples)),
        rss=trend(steady, lambda one: one.rss / 1e6),
        used=trend(inside, lambda one: one.inside.used / 1e6 if one.inside else 0.0),
        blocks=trend(inside, lambda one: one.inside.blocks / 1e3 if one.inside else 0.0),
        vision_mb=_mega(max(one.vision for one in samples)),
        vision=trend(
            [one for one in steady if one.vision], lambda one: one.vision / 1e6, lambda one: one.watcher
        ),
        handles=(_middle(steady[:tenth], "handles"), _middle(steady[-tenth:], "handles")),
        threads=(_middle(steady[:tenth], "threads"), _middle(steady[-tenth:], "threads")),
        outbox_mb=_mega(max(one.outbox for one in samples)),
        wal_mb=_mega(max(one.wal for one in samples)),
        log_bytes_hour=round(samples[-1].log / what.hours),
        lag_median=round(median(lags), 1),
        lag_most=max(lags),
        codes=dict(counts.most_common()),
        grown=_more_of(steady),
    )
    faults, doubts = grown(verdict)
    return replace(
        verdict, faults=(*_lost(scene, what.left), *faults, *_sizes(verdict, samples)), doubts=tuple(doubts)
    )


def _lost(scene: Scene, left: str) -> Iterator[str]:
    """Tell what did not recover, what is missing, and what crashed."""
    yield from scene.books.faults
    if left:
        yield left
    for product, at in scene.books.undeclared()[:_FEW]:
        yield f"{product}: the window at {at} neither came nor is declared"
    for _, line in scene.journal.lines:
        if "Traceback" in line["MESSAGE"]:
            yield line["MESSAGE"]


def grown(verdict: Verdict) -> tuple[list[str], list[str]]:
    """Tell what grows, and of what the run was too short to tell.

    Something grows if even the lower bound of its trend is more than is allowed; it does not if the upper
    bound is less.
    """
    faults, doubts = [], []
    for what, seen in (("memory", verdict.rss), ("the memory of what sees pictures", verdict.vision)):
        if seen is None:
            doubts.append(f"the run was too short to tell whether {what} grows")
        elif seen.low > _GROWTH:
            faults.append(f"{what} grows by {seen.slope} MB an hour")
        elif seen.high > _GROWTH:
            doubts.append(f"{what} grows by {seen.low} to {seen.high} MB an hour: let it run for longer")
    if verdict.handles[1] > verdict.handles[0] + _HANDLES:
        faults.append(f"handles grew from {verdict.handles[0]} to {verdict.handles[1]}")
    return faults, doubts


def _more_of(samples: Sequence[Sample]) -> dict[str, int]:
    """Give of which kinds of objects there are more at the last count than at the first."""
    counts = [Counter(one.inside.kinds) for one in samples if one.inside and one.inside.kinds]
    return dict((counts[-1] - counts[0]).most_common(_FEW)) if len(counts) > 1 else {}


def _sizes(verdict: Verdict, samples: Sequence[Sample]) -> Iterator[str]:
    """Tell what passed its bound."""
    if max(one.outbox for one in samples) > CAP or max(one.wal for one in samples) > _LOG:
        yield f"the outbox grew to {verdict.outbox_mb} MB and its log to {verdict.wal_mb} MB"
    if verdict.lag_most > _LAG:
        yield f"a tick was {verdict.lag_most} ms late"


def spoken(verdict: Verdict) -> str:
    """Give the verdict for people."""
    one = verdict
    troubles = sum(one.troubles.values())
    found = {
        "windows": f"{one.windows} arrived once, {one.repeats} repeats dropped, {one.declared} declared lost",
        "memory": f"{one.rss_mb} MB at most, {_told(one.rss)} MB an hour over {one.steady_hours} h",
        "of it used": f"{_told(one.used)} MB an hour, {_told(one.blocks)} thousand blocks of Python's",
        "pictures": f"{one.vision_mb} MB at most, {_told(one.vision)} MB an hour",
        "handles": f"{one.handles[0]} at first, {one.handles[1]} at last",
        "threads": f"{one.threads[0]} at first, {one.threads[1]} at last",
        "outbox": f"{one.outbox_mb} MB at most, its log {one.wal_mb} MB",
        "journal": f"{one.log_bytes_hour:g} bytes an hour",
        "loop's lag": f"{one.lag_median} ms in the middle, {one.lag_most} ms at most",
    }
    lines = [f"{one.hours:g} h, seed {one.seed}: {troubles} troubles, {one.lives} runs of the gateway"]
    lines += [f"  {name:<11} {text}" for name, text in found.items()]
    found_out = [f"WRONG {fault}" for fault in one.faults] + [f"UNSURE {doubt}" for doubt in one.doubts]
    return "\n".join([*lines, *(found_out or ["all well"])])


def _told(trend: Trend | None) -> str:
    return "unknown" if trend is None else f"{trend.slope:+} ({trend.low:+} to {trend.high:+})"


def _longest(samples: Sequence[Sample]) -> list[Sample]:
    """Give the samples of the longest run of the gateway, without its beginning."""
    lives: dict[int, list[Sample]] = {}
    for one in samples:
        lives.setdefault(one.life, []).append(one)
    longest = max(lives.values(), key=lambda life: life[-1].at - life[0].at)
    return [one for one in longest if one.age >= WARM] or longest


def _middle(samples: Sequence[Sample], name: str) -> int:
    values: list[int] = [getattr(one, name) for one in samples]
    return round(median(values))


def _mega(size: float) -> float:
    return round(size / 1e6, 2)
