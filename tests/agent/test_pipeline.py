"""A pipeline chains its steps, lets nothing but records out, and remembers for all of them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

import pytest

from agent.core.clock import Instant
from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.product import Product
from agent.core.record import Aggregate, Event
from agent.core.sample import Quality, Sample
from agent.core.settings import Settings
from agent.core.step import Item, Scene, Step
from agent.pipeline import Pipeline
from pipelines.derive import Derive
from pipelines.threshold import Threshold
from pipelines.validate import Validate
from pipelines.window import Window
from tests.pipelines.timeline import EIGHT, HELSINKI, Timeline

POWER = Point(name="meter.power", unit="kW", every=10.0, maximum=100.0)
ENERGY = Point(name="meter.energy", unit="kW.h", kind=Kind.COUNTER, every=10.0)
WINDOW = Window(length="1m", statistics=("max",))
NOW = Instant(1000.0, EIGHT)


class Late(Settings):
    """Gives each sample at the next tick only."""

    def points(self, points: tuple[Point, ...]) -> tuple[Point, ...]:
        return points

    def start(self, scene: Scene) -> _Holding:
        return _Holding()


class _Holding:
    def __init__(self) -> None:
        self._held: list[Item] = []

    def feed(self, item: Item) -> Iterable[Item]:
        self._held.append(item)
        return ()

    def tick(self, now: Instant) -> Iterable[Item]:
        released, self._held = self._held, []
        return released


def pipeline(*steps: Step, saved: Any = None, points: tuple[Point, ...] = (POWER,)) -> Pipeline:  # noqa: ANN401
    product = Product(
        id="energy", points=points, published=points, steps=steps, window=60, span="1m", statistics=("max",)
    )
    return Pipeline(product, zone=HELSINKI, now=NOW, saved=saved)


def sample(value: float, at: float, point: str = "meter.power") -> Sample:
    return Sample(point, value, at)


def at(boot: float) -> Instant:
    return Instant(boot, EIGHT + boot - 1000)


def test_samples_die_at_the_end_of_a_pipeline() -> None:
    for steps in ((), (Validate(),), (Late(),)):
        one = pipeline(*steps)
        assert one.feed([sample(1.0, 1001.0)]) == []
        assert one.tick(at(1002)) == []


def test_each_step_works_on_what_the_one_before_gave() -> None:
    one = pipeline(Validate(), WINDOW)
    one.feed([sample(50.0, 1000.0), sample(5000.0, 1010.0)])
    (record,) = one.tick(at(1062))
    assert isinstance(record, Aggregate)
    assert (record.values, record.n) == ((50.0,), 1)


def test_what_a_step_releases_at_a_tick_still_reaches_the_window_that_closes_at_it() -> None:
    one = pipeline(Late(), WINDOW)
    one.feed([sample(7.0, 1059.0)])
    (record,) = one.tick(at(1062))
    assert isinstance(record, Aggregate)
    assert record.values == (7.0,)


def test_events_come_out_at_once_and_pass_the_window() -> None:
    one = pipeline(Threshold(above=90.0), WINDOW)
    (event,) = one.feed([sample(95.0, 1001.0)])
    assert isinstance(event, Event)
    assert one.feed_one(sample(96.0, 1011.0)) == []


def test_samples_of_other_points_do_not_come_in() -> None:
    one = pipeline(WINDOW)
    assert one.wants == {"meter.power"}
    one.feed([sample(7.0, 1001.0, "meter.voltage")])
    assert len(one.tick(at(1062))) == 1


def test_points_that_a_step_makes_reach_the_next_one() -> None:
    one = pipeline(Derive(name="double", expression="power * 2", unit="kW"), WINDOW)
    one.feed([sample(7.0, 1001.0)])
    assert {
        record.point: record.values for record in one.tick(at(1062)) if isinstance(record, Aggregate)
    } == {
        "meter.power": (7.0,),
        "meter.double": (14.0,),
    }


def test_what_is_saved_is_one_table_by_place_and_step() -> None:
    one = pipeline(Validate(), Threshold(above=90.0), WINDOW)
    one.feed([sample(95.0, 1001.0)])
    saved = one.save(stopping=True)
    assert isinstance(saved, dict)
    assert list(saved) == ["1:threshold", "2:window"]
    assert json.loads(json.dumps(saved)) == saved
    again = pipeline(Validate(), Threshold(above=90.0), WINDOW, saved=saved)
    assert again.feed([sample(96.0, 1011.0)]) == []
    (record,) = again.tick(at(1062))
    assert isinstance(record, Aggregate)
    assert record.n == 2


def test_a_pipeline_without_memory_saves_nothing() -> None:
    assert pipeline(Validate()).save(stopping=True) is None


@pytest.mark.parametrize(
    "saved",
    [
        "text",
        7,
        [],
        {"2:window": {}},
        {"2:window": {"length": 5}},
        {"0:window": {}},
        {"1:threshold": {"a": "c"}},
    ],
)
def test_what_cannot_be_understood_is_not_used(saved: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    one = pipeline(Validate(), Threshold(above=90.0), WINDOW, saved=saved)
    one.feed([sample(1.0, 1001.0)])
    assert len(one.tick(at(1062))) == 1
    unknown = isinstance(saved, dict) and "0:window" in saved
    assert ("starts afresh" in caplog.text) is not unknown


def test_late_samples_are_counted_for_all_steps() -> None:
    one = pipeline(Validate(), WINDOW)
    one.tick(at(1062))
    one.feed([sample(1.0, 1010.0)])
    assert one.late == 1


def test_a_bad_sample_passes_every_step() -> None:
    time = Timeline((POWER,), (Validate(slope="50 kW/s", stuck=Duration(60)), WINDOW))
    time.feed("meter.power", None, quality=Quality.BAD, why="no_reply")
    time.until(62)
    assert time.aggregates[0].why == "no_reply"
