"""The figures of a link in words for people; a figure that is not known here keeps its name.

What has never happened is left out: a screen of zeros hides the one number that matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from agent.cli.screen import figure

_WORDS: Final = {
    "requests": "{} requests",
    "rtt_ms": "replies in {} ms",
    "rtt_p99_ms": "the slowest in {} ms",
    "line_use_percent": "line in use {} %",
    "plan_ms": "one poll of all takes {} ms",
    "ideal_ms": "at best {} ms",
    "timeouts": "without reply: {}",
    "late_replies": "late replies taken: {}",
    "stale_dropped": "late or strange replies dropped: {}",
    "exceptions": "refused or failed by devices: {}",
    "noise_bytes": "noise: {} bytes",
    "crc_errors": "wrong checksums: {}",
    "echoes": "own requests heard again: {}",
    "foreign_frames": "frames of another master: {}",
    "quarantines": "pauses for late replies: {}",
    "overruns": "polls left out: {}",
    "overload": "read less often than wanted: {}",
    "silent": "silent, asked rarely: {}",
    "lacking": "not given by the device: {}",
    "learnt": "stretches not read across: {}",
    "hint": "hint: {}",
    "frames": "{} frames",
    "bad_checksum": "wrong checksums: {}",
    "malformed": "malformed: {}",
    "unmatched": "of no device here: {}",
    "last_frame_age": "last frame {} s ago",
}
_EXCEPTIONS: Final = {
    "1": "does not know the question",
    "2": "no such address",
    "3": "too much, or no such value",
    "4": "device failure",
    "5": "still at work",
    "6": "busy",
    "10": "gateway cannot reach the unit",
    "11": "unit does not answer its gateway",
}
_YES_NO: Final = {
    "connected": ("connected", "not connected"),
    "low_latency": ("", "adapter without low latency"),
}
_EXCEPTION: Final = re.compile(r"exception_(\d+)")
_SHED: Final = re.compile(r"shed_(\w+)")


def in_words(figures: Mapping[str, float | str]) -> Iterator[str]:
    """Give each figure that tells something."""
    for name, value in figures.items():
        text = value if isinstance(value, str) else figure(value, 1)
        if name in _YES_NO:
            text = _YES_NO[name][value != "yes"]
        elif text in ("", "0"):
            continue
        elif match := _EXCEPTION.fullmatch(name):
            text = f"exception {match[1]} ({_EXCEPTIONS.get(match[1], 'of its own')}): {text}"
        elif match := _SHED.fullmatch(name):
            text = f"polls of every {match[1]} put off: {text}"
        elif text == "never":
            text = "nothing heard yet"
        else:
            text = _WORDS[name].format(text) if name in _WORDS else f"{name.replace('_', ' ')} {text}"
        if text:
            yield text
