"""Text for people: tables that line up and keep to the screen, spans of time and sizes that read well.

It knows no colours and moves no cursor, and it shows nothing that a terminal would obey.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

_SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_HUGE: Final = 1e15
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Draw *rows* below *heads*; columns that hold only numbers stand right."""
    if not rows:
        return f"{indent}(none)"
    return "\n".join(chain.from_iterable(blocks(heads, rows, indent=indent)))


def blocks(heads: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "  ") -> list[list[str]]:
    """Give the lines of the heads and of each row: one each, or more where the screen is too narrow.

    Columns that do not fit go on in a second line, set in, below heads of their own.
    """
    shown = [[printable(cell) for cell in row] for row in (heads, *rows)]
    columns = list(zip(*shown, strict=True))
    widths = [max(map(len, column)) for column in columns]
    right = [all(map(_is_number, column[1:])) for column in columns]
    parts = list(_folded(widths, len(indent), screen_width()))
    return [
        [
            indent + "  ".join(_cell(row[n], widths[n], to_right=right[n]) for n in part).rstrip()
            for part, indent in zip(parts, (indent, *[f"{indent}    "] * len(parts)), strict=False)
        ]
        for row in shown
    ]


def screen_width() -> int | None:
    """Give the columns of the terminal, or $COLUMNS; None where nobody looks: a pipe, a file."""
    if given := os.environ.get("COLUMNS", ""):
        return int(given) if given.isdecimal() and int(given) else None
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return None


def wrapped(words: Sequence[str], *, indent: str = "  ") -> str:
    """Put *words* side by side, two spaces between them, in as many lines as the screen needs."""
    width = screen_width()
    lines, line = [], ""
    for word in map(printable, words):
        if line and width and len(indent) + len(line) + 2 + len(word) > width:
            lines.append(line)
            line = ""
        line += f"  {word}" if line else word
    return "\n".join(indent + one for one in [*lines, line])


def sentence(text: str, *, indent: str = "  ") -> str:
    """Set a sentence in, and break it where the screen ends."""
    width = screen_width()
    if not width:
        return indent + text
    return textwrap.fill(
        text, max(width, 20), initial_indent=indent, subsequent_indent=f"{indent}  ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def printable(text: str) -> str:
    """Replace what a terminal would obey instead of show."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def span(seconds: float) -> str:
    """Write a stretch of time in its largest fitting unit: ``3.2 d``, ``45 s``."""
    for size, unit in _SPANS:
        if seconds >= size:
            return f"{_short(seconds / size)} {unit}"
    return f"{seconds * 1000:.0f} ms" if seconds else "0 s"


def size(count: float) -> str:
    """Write a number of bytes: ``1.7 MB``."""
    for step, unit in _SIZES:
        if count >= step:
            return f"{_short(count / step)} {unit}"
    return f"{count:.0f} B"


def figure(value: float | None, places: int = 3) -> str:
    """Write a number without needless zeros, a dash for none."""
    if value is None:
        return "-"
    if abs(value) >= _HUGE:
        return f"{value:.6g}"
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _folded(widths: Sequence[int], indent: int, most: int | None) -> Iterator[list[int]]:
    """Divide columns among lines of at most *most* characters; a single column may be wider."""
    part: list[int] = []
    used = indent
    for number, width in enumerate(widths):
        if part and most and used + width > most:
            yield part
            part, used = [], indent + 4
        part.append(number)
        used += width + 2
    yield part


def _cell(text: str, width: int, *, to_right: bool) -> str:
    return text.rjust(width) if to_right else text.ljust(width)


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _is_number(cell: str) -> bool:
    return not cell or cell == "-" or cell.replace(",", "").lstrip("+-").replace(".", "", 1).isdigit()
