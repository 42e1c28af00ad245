"""Takes a table apart as spreadsheets of many countries write it: letters, separators, decimal commas.

It loses nothing in silence: what is no number is None for its caller to tell.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Final

_SEPARATORS: Final = ";,\t|"
_FORMULA: Final = ("=", "+", "-", "@", "#", "'")
_YES: Final = ("y", "yes", "j", "ja", "x", "1", "true", "oui", "o", "si", "kyllä", "k")
_NO: Final = ("n", "no", "nein", "0", "false", "non", "ei", "e")
_NUMBER: Final = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.I)


def decoded(data: bytes) -> str:
    """Turn bytes into text: UTF-8 or UTF-16 where the bytes say so, else what Windows writes in the West."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    if data[1::2].count(0) > len(data) // 4:
        return data.decode("utf-16-le", "replace")
    if data[::2].count(0) > len(data) // 4:
        return data.decode("utf-16-be", "replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """Give the rows that are not empty, each with the number of its first line; cells are clean.

    A quote that never ends would swallow what follows: then each line is read by itself.
    """
    try:
        found = list(_records(io.StringIO(text, newline=""), separator))
    except csv.Error:
        lines = enumerate(text.splitlines(), 1)
        found = [(at, line.replace('"', "").split(separator)) for at, line in lines]
    cleaned = ((at, [_bare(cell) for cell in row]) for at, row in found)
    return [(at, row) for at, row in cleaned if any(row)]


def separators(text: str) -> list[str]:
    """List the separators that *text* may use, the likeliest first."""
    head = text[:4000]
    said = re.match(r"\s*\"?sep=(.)", head, re.I)
    likely = sorted(_SEPARATORS, key=head.count, reverse=True)
    return [said[1], *likely] if said else likely


def whole(cell: str) -> int | None:
    """Read a whole number, also one that a spreadsheet has given a fraction of zero; None if it is none."""
    found = number(cell)
    return int(found) if found is not None and found.is_integer() and abs(found) < 1 << 53 else None


def number(cell: str) -> float | None:
    """Read ``21.5``, ``21,5``, ``1.021,5`` or ``1 021.5``; None if it is no number."""
    bare = cell.replace(" ", "").replace("\N{NO-BREAK SPACE}", "").replace("'", "")
    if "," in bare and "." in bare:
        thousands = "," if bare.rfind(".") > bare.rfind(",") else "."
        bare = bare.replace(thousands, "")
    bare = bare.replace(",", ".")
    if not _NUMBER.fullmatch(bare):
        return None
    value = float(bare)
    return value if abs(value) < float("inf") else None


def yes(cell: str) -> bool | None:
    """Read yes or no; None if it says neither."""
    word = cell.casefold()
    return True if word in _YES else False if word in _NO else None


def written(rows_: list[list[str]]) -> bytes:
    """Write a table as spreadsheets open it at a double click: semicolons, UTF-8 with its mark.

    A cell that a spreadsheet would take for a formula, or a reader for a remark, gets an apostrophe before
    it, which `rows` takes away: what is in these cells was said by devices.
    """
    sheet = io.StringIO(newline="")
    csv.writer(sheet, delimiter=";", lineterminator="\r\n").writerows(rows_)
    return b"\xef\xbb\xbf" + sheet.getvalue().encode()


def guarded(text: str) -> str:
    """Make *text* one cell: a single line that no spreadsheet computes."""
    bare = clean(text)
    return "'" + bare if bare.startswith(_FORMULA) else bare


def clean(text: str) -> str:
    """Make *text* a single line without signs that nobody can see."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _records(lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    at = 1
    for row in reader:
        yield at, row
        at = reader.line_num + 1


def _bare(cell: str) -> str:
    bare = clean(cell.strip("\N{BYTE ORDER MARK}"))
    return bare[1:] if bare[:1] == "'" and bare[1:].startswith(_FORMULA) else bare
