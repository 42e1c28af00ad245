"""Counts beside a camera: the running gateway opens its totals for half an hour, and a person counts too."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.cli.accuracy import Counts
    from agent.cli.scene import Expected
    from agent.core.scene import Scene

_GLANCE: Final = 5.0  # seconds between two looks
_LEAST: Final = 1.0


class Totals(Struct, frozen=True, kw_only=True):
    """What came of a period: UTC seconds, what was counted on each line, and what nobody could tell."""

    begin: float
    end: float
    counts: dict[str, float | None]

    def of_lines(self, link: str, drawn: Scene) -> Counts:
        """Give the numbers of all lines; raise GatewayError when the camera was not seen all the time."""
        found: Counts = {}
        for one in drawn.counters():
            name = f"{link}.{one.place}.{one.name}"
            if one.place not in drawn.lines:
                continue
            if (number := self.counts.get(name)) is None:
                raise GatewayError(
                    f"{name}: not all of the time was looked at the camera, so nothing can be compared;"
                    " `citygate status` says what is wrong"
                )
            kind, _, direction = one.name.partition("_")
            found[one.place, kind, direction] = int(number)  # type: ignore[index]
        return found


def counted(socket: Path, link: str, wait: Callable[[float], None] = time.sleep) -> Totals:
    """Open the totals of *link*, tell when to count, and wait until they have ended."""
    from agent.status import ask

    told = ask(socket, {"ask": "tally", "link": link})
    begin, end = told["begin"], told["end"]
    _say(
        f"count who crosses from {_clock(begin)} to {_clock(end)} by this gateway's clock, which says"
        f" {_clock(told['now'])} now; Ctrl-C leaves, and the same command comes back"
    )
    shown = ""
    while not told["ended"]:
        left = end + 35 - told["now"]
        wait(min(_GLANCE, max(_LEAST, left)))
        told = ask(socket, {"ask": "tally", "link": link, "look": True})
        if told["begin"] != begin:
            raise GatewayError("another period has begun meanwhile: somebody else counts on this link")
        if (line := _line(told, link)) != shown:
            _say(line)
            shown = line
    return Totals(begin=begin, end=end, counts=told["counts"])


def expected_of(path: Path | None, drawn: Scene) -> Expected:
    """Give what the person counted: from the file, or asked for one by one; nothing where nobody is there."""
    from agent.cli.scene import DIRECTIONS, expected

    if path is not None:
        return expected(path, drawn)
    if not sys.stdin.isatty():
        return {}
    return {(name, None, way): _asked(f"{name} {way}") for name in drawn.lines for way in DIRECTIONS}


def _asked(what: str) -> int:
    while True:
        text = input(f"{what}: ").strip()
        if text.isdecimal():
            return int(text)
        _say("a number of passages, 0 or more")


def checked(path: Path | None) -> None:
    """Refuse a tally that can never be written, before half an hour has gone by."""
    if path is not None and not path.exists() and not path.parent.is_dir():
        raise ConfigError(f"--expect: there is no folder {path.parent}")


def _line(told: dict[str, Any], link: str) -> str:
    totals = [
        f"{name.removeprefix(f'{link}.')} {'?' if number is None else f'{number:g}'}"
        for name, number in told["counts"].items()
    ]
    return f"until {_clock(told['until'])}: {', '.join(totals)}"


def _clock(utc: float) -> str:
    return f"{datetime.fromtimestamp(utc).astimezone():%H:%M:%S}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
