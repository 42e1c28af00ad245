"""A driver may say anything; only what can be true comes in."""

from __future__ import annotations

import math
import time

import pytest

from agent.core.sample import Quality, Sample
from agent.intake import Intake

NOW = 1000.0


def intake() -> Intake:
    return Intake("hall", ["meter.power", "meter.energy"])


def test_what_can_be_true_passes_as_it_is() -> None:
    samples = (
        Sample("meter.power", 50.0, NOW),
        Sample("meter.power", None, NOW - 9, Quality.BAD, "no_reply"),
        Sample("meter.energy", 0.0, NOW - 86400),
    )
    assert intake().accept(iter(samples), NOW) == samples


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_becomes_a_bad_sample(value: float) -> None:
    assert intake().accept([Sample("meter.power", value, NOW)], NOW) == (
        Sample("meter.power", None, NOW, Quality.BAD, "not_a_number"),
    )


@pytest.mark.parametrize("at", [NOW + 2, NOW + 86399, math.inf, math.nan, -math.inf])
def test_a_stamp_that_cannot_be_becomes_a_bad_sample_of_now(at: float) -> None:
    assert intake().accept([Sample("meter.power", 50.0, at)], NOW) == (
        Sample("meter.power", None, NOW, Quality.BAD, "clock"),
    )


def test_points_of_others_are_dropped_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    door = intake()
    for number in range(1000):
        assert door.accept([Sample(f"other.point-{number}", 1.0, NOW)], NOW) == ()
    assert [text for text in caplog.messages if "not its own" in text] == caplog.messages
    assert len(caplog.messages) == 1


def test_nothing_comes_in_after_the_end() -> None:
    door = intake()
    door.close()
    assert door.accept([Sample("meter.power", 50.0, NOW)], NOW) == ()


def test_a_million_samples_at_once_are_a_matter_of_seconds() -> None:
    samples = [Sample("meter.power", 50.0, NOW)] * 1_000_000
    began = time.process_time()
    assert len(intake().accept(samples, NOW)) == 1_000_000
    assert time.process_time() - began < 5
