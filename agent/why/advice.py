"""What to do about the reason that a sample carries."""

from __future__ import annotations

from typing import Final

_WORDS: Final = {
    "no_connection": "nothing answers at this address; power, cable, host and port right? does ping answer?",
    "no_reply": "nothing answers at this unit number or address; is it right, and is the device on?",
    "bad_reply": "bytes come that are no frames; are baud rate and parity right? is another master there?",
    "illegal_address": "the device has no such register; is this its profile? are table and addr right?",
    "exception": "the device refuses the request; is this its profile? are table and addr as in its manual?",
    "not_available": "the device says that it does not measure this",
    "duplicate_instance": "two devices have this instance; `citygate status` names both: give one's address",
    "wrong_device": "another device sits at this address; `citygate status` says which",
    "unknown_object": "the device has no such object; are its type and number right?",
    "unknown_property": "the object has no such property, or no such element of it",
    "refused": "the device refuses this one; the raw word is its reason",
    "unreadable": "the answer breaks the standard; is the device's firmware the newest?",
    "wrong_type": "this property is no number; is it the right one?",
    "fault": "the device itself calls this value wrong; its own display may say why",
    "overridden": "somebody has set this by hand at the device",
    "out_of_service": "the device's value is not connected to its input: somebody tests, or forgot to end it",
    "not_finite": "these words are no number; are type and byte_order as in the manual?",
    "out_of_range": "a value outside what the profile allows; are type, byte_order and scale right?",
    "not_read": "not read yet; if it stays so, `citygate status` says why",
}
_FAULTS: Final = (
    "no_sensor", "over_range", "under_range", "open_loop", "shorted_loop", "no_output", "unreliable_other",
    "process_error", "communication_failure", "configuration_error", "tripped", "member_fault",
)  # fmt: skip

ADVICE: Final = {**_WORDS, **dict.fromkeys(_FAULTS, _WORDS["fault"])}


def advice(why: str) -> str:
    """Give what to do about *why*; there is always something."""
    return ADVICE.get(why, "`citygate status` and the log tell more")
