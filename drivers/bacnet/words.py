"""What BACnet's numbers mean in words: types of objects, their states, and why a value is doubtful.

Source: ANSI/ASHRAE 135, clause 21: BACnetObjectType, BACnetEventState, BACnetReliability.
"""

from __future__ import annotations

from typing import Final

from agent.core.point import Kind

OBJECT_TYPES: Final = (
    "analog-input",
    "analog-output",
    "analog-value",
    "binary-input",
    "binary-output",
    "binary-value",
    "calendar",
    "command",
    "device",
    "event-enrollment",
    "file",
    "group",
    "loop",
    "multi-state-input",
    "multi-state-output",
    "notification-class",
    "program",
    "schedule",
    "averaging",
    "multi-state-value",
    "trend-log",
    "life-safety-point",
    "life-safety-zone",
    "accumulator",
    "pulse-converter",
    "event-log",
    "global-group",
    "trend-log-multiple",
    "load-control",
    "structured-view",
    "access-door",
    "timer",
    "access-credential",
    "access-point",
    "access-rights",
    "access-user",
    "access-zone",
    "credential-data-input",
    "network-security",
    "bitstring-value",
    "characterstring-value",
    "date-pattern-value",
    "date-value",
    "datetime-pattern-value",
    "datetime-value",
    "integer-value",
    "large-analog-value",
    "octetstring-value",
    "positive-integer-value",
    "time-pattern-value",
    "time-value",
    "notification-forwarder",
    "alert-enrollment",
    "channel",
    "lighting-output",
    "binary-lighting-output",
    "network-port",
    "elevator-group",
    "escalator",
    "lift",
    "staging",
    "audit-log",
    "audit-reporter",
)
"""The types of objects by number."""

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
"""The types whose present value is a number that a city may want, and how such values combine.

Access doors, points and credentials tell about persons and are left out, whatever they hold.
"""

BINARY: Final = ("binary-input", "binary-output", "binary-value")
MULTI_STATE: Final = ("multi-state-input", "multi-state-output", "multi-state-value")

EVENT_STATES: Final = ("normal", "fault", "offnormal", "high_limit", "low_limit", "life_safety_alarm")
"""The states of an object that watches itself, by number; 0 is the only good one."""

RELIABILITIES: Final[dict[int, str]] = {
    0: "no_fault_detected",
    1: "no_sensor",
    2: "over_range",
    3: "under_range",
    4: "open_loop",
    5: "shorted_loop",
    6: "no_output",
    7: "unreliable_other",
    8: "process_error",
    9: "multi_state_fault",
    10: "configuration_error",
    12: "communication_failure",
    13: "member_fault",
    14: "monitored_object_fault",
    15: "tripped",
    16: "lamp_failure",
    17: "activation_failure",
    18: "renew_dhcp_failure",
    19: "renew_fd_registration_failure",
    20: "restart_auto_negotiation_failure",
    21: "restart_failure",
    22: "proprietary_command_failure",
    23: "faults_listed",
    24: "referenced_object_fault",
    25: "multi_state_out_of_range",
}
"""Why an object doubts its own value, by number."""


def object_type(number: int) -> str:
    """Give the name of an object type, such as ``analog-input``; its number as text if it is a vendor's."""
    return OBJECT_TYPES[number] if 0 <= number < len(OBJECT_TYPES) else str(number)


def type_number(name: str) -> int | None:
    """Give the number of an object type by name; None if there is none."""
    if name in OBJECT_TYPES:
        return OBJECT_TYPES.index(name)
    return int(name) if name.isascii() and name.isdigit() else None


def event_state(number: int) -> str:
    """Give an event state as a word; ``state_64`` for a vendor's own."""
    return EVENT_STATES[number] if 0 <= number < len(EVENT_STATES) else f"state_{number}"


def reliability(number: int) -> str:
    """Give a reliability as a word; ``reliability_64`` for a vendor's own."""
    return RELIABILITIES.get(number, f"reliability_{number}")
