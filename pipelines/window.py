"""Tumbling windows: many samples of a point become one aggregate per window.

Windows follow the time at which samples were taken. At its end a window gives one aggregate for every point,
also for those that said nothing; it waits a moment for late samples where a point has not spoken since,
counts passages or tells of few people. It refuses samples of windows that it has published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.product import Statistic
from agent.core.settings import Settings
from agent.core.step import Scene
from pipelines.windows.spans import check_length
from pipelines.windows.stage import Terms, Windows


class Window(Settings):
    """Summarises each point once per window."""

    length: Annotated[
        str,
        Meta(
            description="Length of a window: a duration such as 15m, aligned in UTC,"
            " or day, week or month by the site's clocks."
        ),
    ] = "15m"
    statistics: Annotated[
        tuple[Statistic, ...],
        Meta(
            description="What is published of each point: mean, min, max, last, sum, share, delta.",
            min_length=1,
        ),
    ] = ("mean",)
    late: Annotated[
        Duration,
        Meta(description="Longest wait for late samples; none where each point has spoken since."),
    ] = Duration(2)
    coverage: Annotated[
        float,
        Meta(description="Share of a window that must have been observed; below it is partial.", ge=0, le=1),
    ] = 0.9

    def __post_init__(self) -> None:
        """Raise ValueError for a length that is none."""
        check_length(self.length)

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        """Give *points* unchanged; raise ValueError if a statistic suits none of them."""
        if "delta" in self.statistics and all(point.kind is not Kind.COUNTER for point in points):
            raise ValueError('"delta" is for counters, and none of these points is one')
        return points

    def weigh(self, weights: Mapping[str, int]) -> Mapping[str, int]:
        """Give *weights*: a passage falls into one window, and counts there once."""
        return weights

    def start(self, scene: Scene) -> Windows:
        """Begin to work."""
        return Windows(Terms(self.length, self.statistics, float(self.late), self.coverage), scene)
