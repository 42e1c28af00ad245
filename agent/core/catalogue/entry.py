"""One line that the log can hold, for the log, the journal's catalogue and the page for maintainers.

Codes and so the journal's ids are for ever: whoever filters by them must not be surprised. What stands
between two ``@`` in an explanation is a field of the journal's record.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from agent.core.errors import GatewayError

_WIDTH: Final = 80  # characters of a value that a driver or a broker chose
_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class Entry(Struct, frozen=True, kw_only=True):
    """What happened (*title*), why it *matters*, what to do next (*act*), and the *text* of the line.

    *level* follows from the consequence: INFO an act of somebody took effect, WARNING unexpected but nothing
    is lost, ERROR something is lost or a person must act. *error* is the type of error that is told so.
    """

    code: str
    level: int
    text: str
    title: str
    matters: str
    act: str
    error: type[GatewayError] | None = None

    @property
    def id(self) -> str:
        """The journal's MESSAGE_ID: 128 bits that follow from the code."""
        return hashlib.sha256(f"citygate/{self.code}".encode()).hexdigest()[:32]

    def line(self, *values: object) -> str:
        """Give the line for who has only its standard error: behind sd-daemon(3)'s ``<N>``, with the code."""
        text = f"{self.text % values} ({self.code})"
        return "".join(f"<{priority(self.level)}>{one}\n" for one in text.splitlines())

    def tell(self, log: logging.Logger, *values: object, more: str = "", **fields: str) -> None:
        """Write the line with *values*; *fields* go to the journal, *more* is said after the text."""
        text = self.text if not more else f"{self.text}{more.replace('%', '%%')}"
        log.log(self.level, text, *values, extra=self._extra(fields))

    def tell_crash(self, log: logging.Logger, failure: BaseException, *values: object, **fields: str) -> None:
        """Write the line with the traceback of *failure*."""
        log.log(self.level, self.text, *values, exc_info=failure, extra=self._extra(fields))

    def _extra(self, fields: Mapping[str, str]) -> dict[str, dict[str, str]]:
        return {"fields": {"MESSAGE_ID": self.id, "CODE": self.code, **fields}}


def priority(level: int) -> int:
    """Give syslog's priority of a *level* of logging."""
    return next((number for least, number in _PRIORITIES if level >= least), 7)


def cut(text: str) -> str:
    """Give *text* of somebody else's as far as a line has room for it."""
    return text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
