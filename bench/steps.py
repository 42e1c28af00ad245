"""CPU time per sample through the steps, against the floor: a loop that stores each value in a dict.

Run ``python -m bench.steps`` from the checkout; prints a table and one JSON line per figure.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

from agent.core.clock import Instant
from agent.core.point import Kind, Point
from agent.core.product import Product
from agent.core.sample import Sample
from agent.core.step import Step
from agent.pipeline import Pipeline
from bench._report import Figure, show
from pipelines.validate import Validate
from pipelines.window import Window

POINTS = 40
ROUNDS = 300
EVERY = 1.0
AIM_US = 2.0
TIMES = 7


def main() -> None:
    """Measure each way and print it."""
    floor = best(store, samples()) * 1e6
    window = Window(length="1m", statistics=("mean", "min", "max"))
    counters = Window(length="1m", statistics=("delta",))
    checks = Validate(minimum=-1e6, maximum=1e6, slope="50 MW/s")
    rows = [
        ("window", best(pipeline_of(window), samples())),
        ("window of counters", best(pipeline_of(counters, kind=Kind.COUNTER), samples())),
        ("validate, window", best(pipeline_of(checks, window), samples())),
        ("window, with ticks and closing", best(ticking(window), samples())),
    ]
    show([
        Figure(
            name=f"steps.{name.replace(',', '').replace(' ', '_')}", what=f"CPU per sample: {name}",
            value=seconds * 1e6, unit="us", against="a dict update", floor=floor, aim=AIM_US,
        )
        for name, seconds in rows
    ])  # fmt: skip


def samples() -> list[Sample]:
    """Make rounds of polls of all points, a second apart."""
    return [
        Sample(f"meter-{n % POINTS}.power", float(round_ % 50 + n), 1000.0 + round_ * EVERY)
        for round_ in range(ROUNDS)
        for n in range(POINTS)
    ]


def store(sent: Sequence[Sample]) -> None:
    """Do the least that anybody could do with a sample."""
    latest: dict[str, float | None] = {}
    for sample in sent:
        latest[sample.point] = sample.value


def pipeline_of(*steps: Step, kind: Kind = Kind.GAUGE) -> Callable[[Sequence[Sample]], None]:
    """Give a run of a fresh pipeline that is fed one sample after the other."""

    def run(sent: Sequence[Sample]) -> None:
        feed = make(steps, kind).feed_one
        for sample in sent:
            feed(sample)

    return run


def ticking(*steps: Step) -> Callable[[Sequence[Sample]], None]:
    """Give a run that is fed a poll at a time and ticks every second, as the daemon does."""

    def run(sent: Sequence[Sample]) -> None:
        pipeline = make(steps, Kind.GAUGE)
        for begin in range(0, len(sent), POINTS):
            poll = sent[begin : begin + POINTS]
            pipeline.feed(poll)
            pipeline.tick(Instant(poll[0].at, poll[0].at))

    return run


def make(steps: tuple[Step, ...], kind: Kind) -> Pipeline:
    """Make a pipeline of *steps* over all points."""
    points = tuple(Point(name=f"meter-{n}.power", unit="kW", kind=kind, every=EVERY) for n in range(POINTS))
    product = Product(
        id="bench", points=points, published=points, steps=steps, window=60, span="1m", statistics=("mean",)
    )
    return Pipeline(product, zone=ZoneInfo("UTC"), now=Instant(1000.0, 1000.0))


def best(run: Callable[[Sequence[Sample]], None], sent: Sequence[Sample]) -> float:
    """Give CPU seconds per sample, the best of several runs: the rest is other people's noise."""
    taken: list[float] = []
    gc.disable()
    for _ in range(TIMES):
        begin = time.process_time()
        run(sent)
        taken.append(time.process_time() - begin)
    gc.enable()
    return min(taken) / len(sent)


if __name__ == "__main__":
    main()
