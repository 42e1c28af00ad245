"""Which objects of a building have a present value that a city may want, and how such values combine.

Access doors, points and credentials tell about persons and are left out, whatever they hold.
"""

from __future__ import annotations

from typing import Final

from agent.core.point import Kind

POLLED: Final[dict[str, Kind]] = {
    "analog-input": Kind.GAUGE,
    "analog-output": Kind.GAUGE,
    "analog-value": Kind.GAUGE,
    "large-analog-value": Kind.GAUGE,
    "integer-value": Kind.GAUGE,
    "positive-integer-value": Kind.GAUGE,
    "binary-input": Kind.STATE,
    "binary-output": Kind.STATE,
    "binary-value": Kind.STATE,
    "multi-state-input": Kind.STATE,
    "multi-state-output": Kind.STATE,
    "multi-state-value": Kind.STATE,
    "accumulator": Kind.COUNTER,
    "pulse-converter": Kind.COUNTER,
}
"""The types of objects whose present value is a number."""

BINARY: Final = ("binary-input", "binary-output", "binary-value")
ACCUMULATOR: Final = "accumulator"
MULTI_STATE: Final = ("multi-state-input", "multi-state-output", "multi-state-value")

EVENT_STATES: Final = ("normal", "fault", "offnormal", "high-limit", "low-limit", "life-safety-alarm")
"""The states of an object that watches itself, from 0; the first is the only good one."""
