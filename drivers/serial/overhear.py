"""Recognises who speaks on a serial line by listening alone: not one byte is sent.

A line that is silent at one speed is silent at all: at a wrong one bytes arrive too, as nonsense. So it
listens at one setting first, and goes through the others only where somebody speaks. Text lines are believed
last, since other devices send text as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from agent.core.clock import Clock
from drivers.serial.hear import Parser
from drivers.serial.settings import Frame
from drivers.serial.source import Opener
from drivers.serial.text import Line, LineParser

Setting = tuple[int, Frame]
Foreign = Callable[[bytes], bool]
"""Says whether bytes are the traffic of a bus on which somebody else is master."""

SETTINGS: Final[tuple[Setting, ...]] = (
    (9600, "8N1"),
    (115_200, "8N1"),
    (19_200, "8E1"),
    (9600, "8E1"),
    (19_200, "8N1"),
    (9600, "7E1"),
    (38_400, "8N1"),
    (57_600, "8N1"),
    (4800, "8N1"),
    (2400, "8E1"),
)
"""At which a line is listened to, the likeliest first."""

BUS: Final = "bus"
LINES: Final = "lines"
_SLICE: Final = 11.0  # seconds at each setting: meters before DSMR 5 speak every 10 s
_STRAY: Final = 4  # fewer bytes are a disturbance
_KEPT: Final = 1024
_ENOUGH: Final = {"p1": 1, "pms": 1, "sds011": 2}
_SHORTEST: Final = 3


class Voice(Struct, frozen=True):
    """Somebody who speaks: what is it (empty: nobody knows), at which setting, and its latest text lines."""

    kind: str
    setting: Setting
    lines: tuple[str, ...] = ()


class Ears:
    """Listens to the bytes of one setting. Pure."""

    def __init__(self, foreign: Foreign) -> None:
        from drivers.serial.dust import pms_parser, sds011_parser
        from drivers.serial.telegram import TelegramParser

        self.count = 0
        self._foreign, self._latest, self._unseen = foreign, b"", 0
        self._parsers: dict[str, Parser[Any]] = {
            "p1": TelegramParser(),
            "sds011": sds011_parser(),
            "pms": pms_parser(),
        }
        self._text = LineParser(1024, "utf-8")
        self._lines: list[Line] = []

    def feed(self, data: bytes) -> str:
        """Take bytes; say who speaks as soon as that is certain."""
        self.count += len(data)
        self._latest, self._unseen = (self._latest + data)[-_KEPT:], self._unseen + len(data)
        self._lines = [*self._lines, *self._text.feed(data)][-8:]
        for kind, parser in self._parsers.items():
            parser.feed(data)
            if parser.counts.frames >= _ENOUGH[kind]:
                return kind
        if self._unseen < len(self._latest) // 4:
            return ""  # frames have no beginning, so each look costs; what is new must be worth it
        return self.bus()

    def bus(self) -> str:
        """Say whether what was heard last is the traffic of a bus."""
        self._unseen = 0
        return BUS if self._foreign(self._latest) else ""

    def lines(self) -> tuple[str, ...]:
        """Give the text lines heard, if text is what it is: two whole ones, and hardly anything else."""
        whole = [one.text for one in self._lines if one.whole and len(one.text) >= _SHORTEST]
        is_text = self._text.counts.malformed <= 1 and all(one.isprintable() for one in whole)
        return tuple(whole) if is_text and len(whole) > 1 else ()


async def overhear(
    opener: Callable[[int, Frame], Opener],
    settings: Sequence[Setting],
    clock: Clock,
    *,
    seconds: float,
    foreign: Foreign,
) -> Voice | None:
    """Listen for *seconds*, and longer where somebody speaks; None: the line is silent. Raise DriverError."""
    first, *others = settings
    heard = await _listen(opener(*first), first, clock, seconds, foreign)
    if heard is None or heard.kind:
        return heard
    for setting in others:
        again = await _listen(opener(*setting), setting, clock, max(seconds, _SLICE), foreign)
        if again is not None and again.kind:
            return again
    return heard


async def _listen(
    opened: Opener, setting: Setting, clock: Clock, seconds: float, foreign: Foreign
) -> Voice | None:
    ears, source, until = Ears(foreign), await opened(), clock.boot() + seconds
    try:
        while (left := until - clock.boot()) > 0:
            async with asyncio.timeout(left):
                if kind := ears.feed(await source.read()):
                    return Voice(kind, setting)
    except TimeoutError:
        pass
    finally:
        source.close()
    if ears.bus():
        return Voice(BUS, setting)
    if lines := ears.lines():
        return Voice(LINES, setting, lines)
    return Voice("", setting) if ears.count >= _STRAY else None
