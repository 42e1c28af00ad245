"""What a device says becomes a number with an honest quality, and words that people understand."""

from __future__ import annotations

import pytest

from agent.core.sample import Quality
from drivers.bacnet.convert import Told, number, reading, sample
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.value import Answer, Bits, Fault, Null, ObjectId, Opaque

TEMPERATURE = BacnetPoint(object="analog-input,1", unit="Cel")
MODE = BacnetPoint(object="multi-state-value,1", states={"1": "off", "2": "on"}, codes={"1": 0.0, "2": 1.0})
FINE = Bits((False, False, False, False))


@pytest.mark.parametrize(
    ("told", "given"),
    [
        (1, (0.0, "")),
        (2, (1.0, "")),
        (True, (0.0, "")),
        (7, (None, "unknown_code")),
        (Null(), (None, "not_available")),
    ],
)
def test_codes_stand_for_numbers_and_others_are_unknown(
    told: Answer, given: tuple[float | None, str]
) -> None:
    assert number(MODE, told) == given


@pytest.mark.parametrize("told", [float("inf"), float("nan"), -float("inf")])
def test_what_is_not_finite_is_no_number(told: float) -> None:
    assert number(TEMPERATURE, told) == (None, "not_finite")


def test_a_whole_number_that_the_scale_makes_too_large_is_no_number() -> None:
    huge = BacnetPoint(object="analog-input,1", unit="Cel", scale=1e308)
    assert number(huge, 2**60) == (None, "not_finite")


@pytest.mark.parametrize(
    ("told", "quality", "why"),
    [
        (Told(20.0, 1.0, FINE), Quality.GOOD, ""),
        (Told(20.0, 1.0, Bits((True, False, False, False))), Quality.GOOD, "in_alarm"),
        (Told(20.0, 1.0, FINE, None, 3), Quality.GOOD, "high_limit"),
        (Told(20.0, 1.0, FINE, None, 99), Quality.GOOD, "in_alarm"),
        (Told(20.0, 1.0, Bits((False, True))), Quality.BAD, "fault"),
        (Told(20.0, 1.0, FINE, 1), Quality.BAD, "no_sensor"),
        (Told(20.0, 1.0, Bits((False, False, True))), Quality.UNCERTAIN, "overridden"),
        (Told(20.0, 1.0, Bits((False, False, True, True))), Quality.UNCERTAIN, "out_of_service"),
        (Told(Fault("error", 31), 1.0), Quality.BAD, "unknown_object"),
        (Told(Fault("error", 83), 1.0), Quality.BAD, "refused"),
        (Told(Fault("garbled"), 1.0), Quality.BAD, "unreadable"),
    ],
)
def test_a_value_is_trusted_as_far_as_its_device_trusts_it(told: Told, quality: Quality, why: str) -> None:
    found = sample("ahu-1.temperature", TEMPERATURE, told)
    assert (found.quality, found.why) == (quality, why)
    assert (found.value is None) == (quality is Quality.BAD)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (Told(2, 1.0, FINE), "2 (on)"),
        (Told(21.53333333, 1.0, Bits((True, False, True, False))), "21.53333 in-alarm overridden"),
        (Told(21.5, 1.0, FINE, 1), "21.5 no-sensor"),
        (Told(Fault("error", 31), 1.0), "error unknown-object"),
        (Told(Bits((True, False, True)), 1.0), "101"),
        (Told(Opaque(bytes(range(20))), 1.0), "00 01 02 03 04 05 06 07"),
        (Told((1, 2, 3), 1.0), "a list of 3"),
        (Told(Null(), 1.0), "null"),
        (Told(ObjectId(0, 1), 1.0), "analog-input,1"),
        (Told("x" * 99, 1.0), "x" * 40),
    ],
)
def test_people_are_told_what_the_device_sent(told: Told, said: str) -> None:
    assert reading("a.b", MODE, told).raw == said
