"""Shows how far something is, on the error output: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from typing import Final, TextIO

from agent.cli.screen import printable, span
from agent.core.search import Progress

_OFTEN, _SELDOM = 0.1, 10.0  # seconds between two looks: of a person, and of a file
_BAR: Final = 20
_NARROW: Final = 80
_MINUTES: Final = 120.0


class ProgressBar:
    """One line that is drawn again and again."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._shown = ""
        self._next = 0.0
        self._begun = False

    def show(self, progress: Progress) -> None:
        """Show how far it is, if it is time to; the first time also how long it may take."""
        now = time.monotonic()
        if not self._begun:
            self._begun = True
            if progress.seconds_left:
                self.say(f"looking at {progress.what}: {_about(progress.seconds_left)} at most")
        elif now < self._next:
            return
        self._next = now + (_OFTEN if self._is_terminal else _SELDOM)
        if self._is_terminal:
            self._draw(_line(progress))
        elif progress.done:
            self.say(_line(progress))

    def say(self, text: str) -> None:
        """Write a line that stays, above the bar."""
        shown, self._shown = self._shown, ""
        self._wipe(shown)
        self._out.write(f"{printable(text)}\n")
        self._draw(shown)
        self._out.flush()

    def end(self) -> None:
        """Take the bar away."""
        self._wipe(self._shown)
        self._shown = ""
        self._out.flush()

    def _draw(self, text: str) -> None:
        if not self._is_terminal or not text:
            return
        text = printable(text)[: self._width() - 1]
        self._wipe(self._shown)
        self._out.write(text)
        self._out.flush()
        self._shown = text

    def _wipe(self, shown: str) -> None:
        if shown:
            self._out.write("\r" + " " * len(shown) + "\r")

    def _width(self) -> int:
        try:
            return os.get_terminal_size(self._out.fileno()).columns or _NARROW
        except (OSError, ValueError):
            return _NARROW


def _line(progress: Progress) -> str:
    if not progress.of:
        return f"{progress.what} ..."
    part = min(1.0, progress.done / progress.of)
    bar = "#" * int(part * _BAR)
    left = f", {_about(progress.seconds_left)} left" if progress.seconds_left else ""
    return f"[{bar:<{_BAR}}] {part:4.0%}{left}  {progress.what}"


def _about(seconds: float) -> str:
    few = seconds < _MINUTES
    return f"about {max(1.0, seconds):.0f} s" if few else f"about {span(60 * round(seconds / 60))}"
