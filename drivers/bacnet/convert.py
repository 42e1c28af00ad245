"""What a device's answers are worth: a number in the point's unit, how far to trust it, and why not more.

Pure. A value that is no number never becomes one: null, text, lists and what is not finite give a sample
without a value. What the device says of its own value comes first: a fault makes it bad, an override or a
disconnected input uncertain. An alarm is no doubt: the value is good, and the reason says that it is in
alarm.
"""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

from agent.core.driver import Reading
from agent.core.sample import Quality, Sample
from drivers.bacnet.names import reason_name, reliability_name
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.value import Answer, Bits, Fault, Null, Opaque

NO_REPLY: Final = "no_reply"
_LONGEST: Final = 40  # letters of a value that people are shown
_IN_ALARM, _FAULTY, _OVERRIDDEN, _OUT_OF_SERVICE = range(4)
_EVENT_STATES: Final = {0: "normal", 1: "fault", 2: "offnormal", 3: "high_limit", 4: "low_limit"}
_REASONS: Final = {
    31: "unknown_object",
    32: "unknown_property",
    42: "unknown_property",  # no such element
    50: "unknown_property",  # no array at all
}
_REFUSED: Final = {"reject": "refused", "abort": "refused", "garbled": "unreadable"}


class Told(Struct, frozen=True):
    """What a device told of one point, and when; what was not asked for, or not told, is None."""

    value: Answer
    at: float
    flags: Answer | None = None
    reliability: Answer | None = None
    event_state: Answer | None = None


def sample(name: str, point: BacnetPoint, told: Told) -> Sample:
    """Make the sample of *point*, whose full name is *name*."""
    value, why = number(point, told.value)
    if value is None:
        return Sample(name, None, told.at, Quality.BAD, why)
    quality, why = trust(told)
    return Sample(name, None if quality is Quality.BAD else value, told.at, quality, why)


def reading(name: str, point: BacnetPoint, told: Told) -> Reading:
    """Do the same for people, with what the device said."""
    return Reading(sample(name, point, told), words(point, told))


def number(point: BacnetPoint, told: Answer) -> tuple[float | None, str]:
    """Give the number, or None and why there is none."""
    match told:
        case bool() | int():
            if not point.codes:
                scaled = told * point.scale + point.offset
                return (scaled, "") if math.isfinite(scaled) else (None, "not_finite")
            coded = point.codes.get(str(int(told)))
            return (None, "unknown_code") if coded is None else (coded, "")
        case float():
            scaled = told * point.scale + point.offset
            return (scaled, "") if math.isfinite(scaled) else (None, "not_finite")
        case Null():
            return None, "not_available"
        case Fault():
            return None, refusal(told)
        case _:
            return None, "wrong_type"


def refusal(fault: Fault) -> str:
    """Give the reason for a value that the device refused."""
    return _REASONS.get(fault.code, "refused") if fault.kind == "error" else _REFUSED[fault.kind]


def trust(told: Told) -> tuple[Quality, str]:
    """Give how far a value can be trusted by what the device says of it, and why."""
    flags = told.flags if isinstance(told.flags, Bits) else Bits(())
    unreliable = isinstance(told.reliability, int) and told.reliability != 0
    if flags[_FAULTY] or unreliable:
        named = reliability_name(told.reliability) if isinstance(told.reliability, int) and unreliable else ""
        return Quality.BAD, named.replace("-", "_") or "fault"
    if flags[_OUT_OF_SERVICE]:
        return Quality.UNCERTAIN, "out_of_service"
    if flags[_OVERRIDDEN]:
        return Quality.UNCERTAIN, "overridden"
    if isinstance(told.event_state, int) and told.event_state:
        return Quality.GOOD, _EVENT_STATES.get(told.event_state, "in_alarm")
    return Quality.GOOD, "in_alarm" if flags[_IN_ALARM] else ""


def words(point: BacnetPoint, told: Told) -> str:
    """Say in words what the device sent: the value with its meaning, and what it says of it."""
    parts = [_word(told.value)]
    if isinstance(told.value, int) and (meaning := point.states.get(str(int(told.value)))):
        parts.append(f"({meaning})")
    if isinstance(told.flags, Bits):
        names = ("in-alarm", "fault", "overridden", "out-of-service")
        parts += [name for place, name in enumerate(names) if told.flags[place]]
    if isinstance(told.reliability, int) and told.reliability:
        parts.append(reliability_name(told.reliability))
    return " ".join(parts)


def _word(value: Answer) -> str:
    match value:
        case Fault():
            word = f"{value.kind} {reason_name(value.kind, value.code)}"
        case float():
            word = f"{value:.7g}"
        case Bits():
            word = "".join("1" if bit else "0" for bit in value.bits)
        case Opaque():
            word = value.raw[:8].hex(" ")
        case tuple():
            word = f"a list of {len(value)}"
        case Null():
            word = "null"
        case _:
            word = str(value)
    return word[:_LONGEST]
