"""Draws faults the way a good compiler does: file, line, column, what is wrong, and a mark under the spot.

It never prints a secret: what stands where a password would is replaced by asterisks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from agent.config.fault import Fault
from agent.config.spans import Span

_SECRETS: Final = (
    re.compile(
        r"""(?:password|passphrase|secret|token)["']?\s*=\s*(?!["']credential:)([^\s,}][^,}]*)""", re.I
    ),
    re.compile(r"(-----BEGIN.*)"),
    re.compile(r"://([^/@\s\"']*:[^/@\s\"']*)@"),
)


_WIDE: Final = 79  # of a terminal
_LONGEST: Final = 200  # of a line that is shown
_BEFORE: Final = 40  # of what is shown of a longer one before the spot


def report(faults: Iterable[Fault]) -> str:
    """Give one text with a frame for each of *faults*, by file and place, each once."""
    unique = {(one.source.name, one.path, one.message, one.spot()): one for one in faults}
    return "\n\n".join(_frame(one) for one in sorted(unique.values(), key=_order))


def sentences(warnings: Iterable[Fault]) -> tuple[str, ...]:
    """Give each warning in one line that begins with its place, by file and place."""
    return tuple(map(_sentence, sorted(warnings, key=_order)))


def _order(fault: Fault) -> tuple[int, int, int]:
    spot = fault.spot()
    return (fault.source.order, spot.line, spot.column) if spot else (fault.source.order, 0, 0)


def _sentence(fault: Fault) -> str:
    spot = fault.spot()
    place = f":{spot.line}:{spot.column}" if spot else ""
    return f"{fault.source.name}{place}: {fault.message}"


def _frame(fault: Fault) -> str:
    spot = fault.spot()
    if spot is None:
        hint = f"; {fault.hint}" if fault.hint else ""
        return printable(f"{fault.source.name}: {fault.message}{hint}")
    line = _line(fault.source.text.split("\n"), spot)
    secrets = _secrets(line)
    line, message, hint = (printable(_masked(one, secrets)) for one in (line, fault.message, fault.hint))
    gutter = " " * len(str(spot.line))
    line, column = _cut(line, spot.column)
    # a tab above stays a tab below, or the mark would stand elsewhere
    indent = "".join("\t" if one == "\t" else " " for one in line[: column - 1])
    mark = f"{gutter} | {indent}{'^' * min(spot.length, max(1, len(line) - column + 1))}"
    # a hint that would leave a narrow terminal stands in a line of its own
    fits = len(mark) + 1 + len(hint) <= _WIDE
    tail = "" if not hint else f" {hint}" if fits else f"\n{gutter} = {hint}"
    return (
        f"{fault.source.name}:{spot.line}:{spot.column}: {message}\n"
        f"{gutter} |\n{spot.line} | {line}\n{mark}{tail}"
    )


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of show; tabs and ends of lines stay."""
    return "".join(one if one.isprintable() or one in "\t\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


def _cut(line: str, column: int) -> tuple[str, int]:
    """Shorten a very long line to what stands around *column*; give the column in what is left."""
    if len(line) <= _LONGEST:
        return line, column
    begin = max(0, column - 1 - _BEFORE)
    return line[begin : begin + 2 * _BEFORE], column - begin


def _line(lines: Sequence[str], spot: Span) -> str:
    return lines[spot.line - 1] if spot.line <= len(lines) else ""


def _secrets(line: str) -> list[str]:
    """Give what stands in *line* where secrets do, the longest first."""
    found = [match.group(1) for form in _SECRETS for match in form.finditer(line)]
    return sorted((one.strip() for one in found), key=len, reverse=True)


def _masked(text: str, secrets: Sequence[str]) -> str:
    """Put asterisks over *secrets*, also where a message or a hint quotes them without their quotes."""
    for one in secrets:
        text = text.replace(one, "*" * len(one))
        bare = one.strip("\"'")
        text = text.replace(bare, "*" * len(bare)) if bare else text
    return text
