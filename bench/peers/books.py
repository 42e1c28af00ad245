"""What counts as wrong, old, lost and well again in the comparison: pure functions of what arrived.

*Wrong*: a value that arrives under the name of another point. *Old*: a value of its point that is stamped
more than three seconds after the device gave it. *Lost*: a second of a point for which the city never gets a
value that is neither; one second of each point and span is not counted, since a reading at the border may
fall on either side. *Back*: the seconds from the mending of a fault until every point has a fresh value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec import Struct

from bench.peers.site import age, owner

OLD: Final = 3
"""Seconds between reading and stamp that nobody can blame on rounding."""


class Value(NamedTuple):
    """One value as it arrived: its point, its sender's stamp, and when it came, in UTC seconds."""

    point: int
    at: float
    raw: int
    came: float


class Span(Struct, frozen=True, kw_only=True):
    """A stretch of the run: what is stamped from *begin* to *end* is charged to the fault in it.

    ``spared`` are points that nobody could have read while the fault lasted.
    """

    name: str
    begin: float
    end: float
    mended: float = 0.0
    spared: frozenset[int] = frozenset()


class Verdict(Struct, kw_only=True):
    """What one side did in one span; after the fault it was *watched* for so many seconds."""

    wanted: int = 0
    arrived: int = 0
    lost: int = 0
    wrong: int = 0
    old: int = 0
    twice: int = 0
    back: float | None = None
    watched: float = 0.0


def judge(values: Iterable[Value], spans: Sequence[Span], points: Collection[int]) -> dict[str, Verdict]:
    """Judge all that arrived of one side that was to read *points*."""
    verdicts = {span.name: Verdict() for span in spans}
    counts: Mapping[str, dict[int, int]] = {span.name: dict.fromkeys(points, 0) for span in spans}
    fresh: Mapping[str, dict[int, float]] = {span.name: {} for span in spans}
    seen: set[tuple[int, float]] = set()
    for one in values:
        span = _span_of(one.at, spans)
        if span is None:
            continue
        verdict = verdicts[span.name]
        if (one.point, one.at) in seen:
            verdict.twice += 1
            continue
        seen.add((one.point, one.at))
        if owner(one.raw) != one.point:
            verdict.wrong += 1
            continue
        if age(one.raw, one.at) > OLD:
            verdict.old += 1
            continue
        verdict.arrived += 1
        counts[span.name][one.point] += 1
        if one.at >= span.mended:
            known = fresh[span.name].get(one.point, one.came)
            fresh[span.name][one.point] = min(known, one.came)
    for span in spans:
        verdict = verdicts[span.name]
        _charge(verdict, span, counts[span.name])
        verdict.watched = span.end - span.mended if span.mended else 0.0
        if span.mended and len(fresh[span.name]) == len(points):
            verdict.back = max(0.0, max(fresh[span.name].values()) - span.mended)
    return verdicts


def _span_of(at: float, spans: Sequence[Span]) -> Span | None:
    return next((span for span in spans if span.begin <= at < span.end), None)


def _charge(verdict: Verdict, span: Span, counts: Mapping[int, int]) -> None:
    """Count what is missing; of spared points only what could be read."""
    for point, arrived in counts.items():
        seconds = span.end - span.begin
        if point in span.spared:
            seconds = 0.0
        wanted = int(seconds)
        verdict.wanted += wanted
        verdict.lost += max(0, wanted - 1 - arrived)
