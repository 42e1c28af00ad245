"""Text for people: tables that line up, spans of time and sizes that read well. No colours, no cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_SPANS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "KB"))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, indent: str = "  ") -> str:
    """Draw *rows* below *heads*; columns that hold only numbers stand right."""
    if not rows:
        return f"{indent}(none)"
    columns = list(zip(heads, *rows, strict=True))
    widths = [max(len(cell) for cell in column) for column in columns]
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    lines = []
    for row in (heads, *rows):
        cells = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        lines.append(indent + "  ".join(cells).rstrip())
    return "\n".join(lines)


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
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _is_number(cell: str) -> bool:
    return not cell or cell == "-" or cell.replace(",", "").lstrip("+-").replace(".", "", 1).isdigit()
