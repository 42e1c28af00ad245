"""Turns a vendor's list of registers into a profile that a person completes.

Heads are found by their words, in any order; separators and decimal commas as they come. It guesses nothing
in silence: what a row does not say, or not in a way that is understood, stands as a comment at its point, and
every point is marked unconfirmed, because one list is one source. Rows that can only be written are left out:
the gateway reads.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from agent.core import units
from agent.core.errors import ConfigError

_HEADS: Final[dict[str, tuple[str, ...]]] = {
    "addr": ("address", "adresse", "register", "addr", "reg", "offset", "start"),
    "name": ("description", "name", "parameter", "measurand", "bezeichnung", "beschreibung", "signal"),
    "type": ("data type", "datatype", "type", "format", "typ", "datentyp"),
    "unit": ("unit", "units", "einheit"),
    "scale": ("scale", "scaling", "factor", "gain", "multiplier", "resolution", "faktor", "skalierung"),
    "function": ("function", "function code", "fc", "table", "funktion", "object type"),
    "access": ("access", "r/w", "rw", "zugriff", "read/write"),
}
_WIDTHS: Final = {
    "64": ("64", "double", "lreal", "qword", "lint", "ulint"),
    "32": ("32", "float", "real", "single", "ieee", "dword", "udint", "dint", "ulong", "long"),
    "16": ("16", "ushort", "short", "uint", "int", "word", "unsigned", "signed"),
}
_FLOATS: Final = ("float", "real", "double", "single", "ieee", "f32", "f64")
_TABLES: Final = {"1": "coil", "2": "discrete", "3": "holding", "4": "input"}
_WORDY_TABLES: Final = ("discrete", "coil", "input", "holding")
_QUANTITIES: Final = {
    "power": "active_power",
    "apparent power": "apparent_power",
    "reactive power": "reactive_power",
    "energy": "active_energy_import",
    "flow": "volume_flow",
}
_ADDRESS: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]+h\b|\d+", re.I)
_LONGEST_ADDRESS: Final = 10
_NUMBER: Final = re.compile(r"[-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?", re.I)


class Row(Struct):
    """What could be understood of one line: keys of a point, and remarks about the rest."""

    name: str
    label: str
    addr: int
    keys: dict[str, str | float] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def profile_of(file: Path, *, vendor: str = "", model: str = "", table: str | None = None) -> str:
    """Write the profile that *file* describes as TOML; raise ConfigError if no row is understood."""
    heads, lines = _read(file)
    rows, skipped = _rows(heads, lines)
    if not rows:
        raise ConfigError(f"{file}: no line has an address and a name")
    numbered = all(_is_numbered(row.addr) for row in rows)
    parts = [_head(file, vendor, model), _defaults(table, numbered=numbered)]
    parts += [_point(row) for row in rows]
    parts += [f"# line {number} is left out: {why}" for number, why in skipped]
    return "\n".join(parts).rstrip("\n") + "\n"


def _read(file: Path) -> tuple[dict[str, int], list[tuple[int, list[str]]]]:
    """Find the line of heads and what stands below it."""
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        text = file.read_text("latin-1")
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}") from error
    best = max(",;\t|", key=text.count)
    try:
        rows = list(csv.reader(text.splitlines(), delimiter=best))
    except csv.Error as error:
        raise ConfigError(f"{file}: this is no list that a spreadsheet would read: {error}") from error
    lines = [(number, row) for number, row in enumerate(rows, 1) if row]
    for index, (_, row) in enumerate(lines[:20]):
        heads = _heads(row)
        if "addr" in heads and "name" in heads:
            return heads, lines[index + 1 :]
    raise ConfigError(f"{file}: no line of heads: it needs one with an address and a name or description")


def _heads(row: Sequence[str]) -> dict[str, int]:
    """Say which column holds what; the words of a head decide, the likeliest first."""
    words = [re.sub(r"[^a-z/]+", " ", cell.casefold()).strip() for cell in row]
    found: dict[str, int] = {}
    for key, known in _HEADS.items():
        exact = [(known.index(cell), at) for at, cell in enumerate(words) if cell in known]
        partly = [
            (rank, at)
            for at, cell in enumerate(words)
            for rank, word in enumerate(known)
            if word in cell.split()
        ]
        for _, at in [*sorted(exact), *sorted(partly)]:
            if at not in found.values():
                found[key] = at
                break
    return found


def _rows(
    heads: dict[str, int], lines: Sequence[tuple[int, list[str]]]
) -> tuple[list[Row], list[tuple[int, str]]]:
    rows: list[Row] = []
    skipped: list[tuple[int, str]] = []
    names: set[str] = set()
    for number, line in lines:
        cells = {key: line[at].strip() if at < len(line) else "" for key, at in heads.items()}
        address = _address(cells["addr"])
        if address is None or not cells["name"]:
            skipped.append((number, "it has no address or no name"))
        elif re.fullmatch(r"w(o|rite( only)?)?", cells.get("access", ""), re.I):
            skipped.append((number, "it can only be written"))
        else:
            row = Row(_unique(_slug(cells["name"]), names), cells["name"], address)
            names.add(row.name)
            _understand(row, cells)
            rows.append(row)
    return rows, skipped


def _understand(row: Row, cells: dict[str, str]) -> None:
    _table(row, cells.get("function", ""))
    _type(row, cells.get("type", ""))
    _unit(row, cells.get("unit", ""))
    _scale(row, cells.get("scale", ""))


def _table(row: Row, text: str) -> None:
    low = text.casefold()
    word = next((one for one in _WORDY_TABLES if one in low), None)
    digits = re.search(r"[1-4]\b", low)
    known = word or (_TABLES[digits[0]] if digits else None)
    if known:
        row.keys["table"] = known
    elif text:
        row.remarks.append(f'table: "{text}" is not understood')


def _type(row: Row, text: str) -> None:
    known = "bool" if row.keys.get("table") in ("coil", "discrete") else _type_of(text.casefold())
    if known:
        row.keys["type"] = known
    else:
        row.remarks.append(f'type: "{text}" is not understood' if text else "type: the list does not say")


def _type_of(low: str) -> str | None:
    """Read uint16, S32, Float, signed long, DWORD and their like."""
    if any(one in low for one in ("bool", "bit field", "coil")):
        return "bool"
    bare = low.replace(" ", "").replace("_", "")
    width = next((bits for bits, words in _WIDTHS.items() if any(one in bare for one in words)), None)
    if width is None:
        return None
    if any(one in bare for one in _FLOATS):
        return f"f{width}"
    is_unsigned = bare.startswith("u") or "unsigned" in bare or "word" in bare
    return f"u{width}" if is_unsigned else f"i{width}"


def _unit(row: Row, text: str) -> None:
    bare = re.sub(r"^[\d.,]+\s*", "", text)  # "0.1 V": the number is a scale
    code = bare if units.known(bare) else next(iter(units.nearest(bare, n=1)), "") if bare else ""
    number = _NUMBER.match(text) if bare != text else None
    if number and 0 < _float(number[0]) < math.inf:
        row.keys["scale"] = _float(number[0])
    if not bare or bare == "-":
        return
    if code:
        row.keys["unit"] = code
        what = units.dimension(code)
        row.keys["quantity"] = _QUANTITIES.get(what, what.replace(" ", "_")) if what != "number" else ""
        if what in ("energy", "volume"):
            row.keys["kind"] = "counter"
    if code != bare:
        row.remarks.append(f'unit: the list writes "{bare}"')


def _scale(row: Row, text: str) -> None:
    low = text.casefold().replace(" ", "")
    if low in ("", "1", "-", "x1"):
        return
    is_divisor = low.startswith(("/", "1/", "÷"))
    if power := re.fullmatch(r"10(?:\^|(?=-))(-?\d+)", low.replace("**", "^")):
        factor = float(f"1e{power[1]}")
    elif is_divisor:
        divisors = _NUMBER.findall(low.removeprefix("1/"))
        factor = abs(_float(divisors[-1])) if divisors else 0.0
    else:
        number = _NUMBER.search(low)
        factor = _float(number[0]) if number else 0.0
    if not factor or not math.isfinite(factor):
        row.remarks.append(f'scale: "{text}" is not understood')
        return
    row.keys["scale"] = 1 / factor if is_divisor else factor
    if factor > 1 and not is_divisor and not power:
        row.remarks.append(f'scale: is "{text}" what to multiply by, or to divide by?')


def _address(text: str) -> int | None:
    found = _ADDRESS.search(text)
    if not found or len(found[0]) > _LONGEST_ADDRESS:
        return None
    word = found[0].casefold()
    if word.endswith("h"):
        return int(word[:-1], 16)
    return int(word, 16) if word.startswith("0x") else int(word)


def _is_numbered(addr: int) -> bool:
    return 30001 <= addr <= 49999 or 300001 <= addr <= 465536


def _float(text: str) -> float:
    return float(text.replace(",", "."))


def _slug(text: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_")[:60].strip("_")
    return words or "point"


def _unique(name: str, known: set[str]) -> str:
    candidates: Iterator[str] = (f"{name}_{number}" for number in count(2))
    return name if name not in known else next(one for one in candidates if one not in known)


def _head(file: Path, vendor: str, model: str) -> str:
    return "\n".join([
        "# Begun from a list of registers. Choose what the city needs, give it our words; confirm address,",
        "# type, scale and order of each point by a second source; then remove its mark.",
        "",
        "[profile]",
        f'id = "{_slug(vendor).replace("_", "-") or "vendor"}/{_slug(model).replace("_", "-") or "model"}"',
        f"vendor = {_text(vendor)}",
        f"model = {_text(model)}",
        'protocol = "modbus"',
        f"sources = [{_text(file.name)}]",
        'verified = ""',
        "",
    ])  # fmt: skip


def _defaults(table: str | None, *, numbered: bool) -> str:
    lines = ["[defaults]"]
    if numbered:
        lines.append('addressing = "40001"   # or "zero", if these are the addresses on the wire')
    else:
        lines.append('addressing = "zero"    # or "one": compare one value with the device\'s own display')
    if table and not numbered:
        lines.append(f'table = "{table}"')
    lines.append('# byte_order = "CDAB"   # if values of two registers come out wrong')
    return "\n".join([*lines, ""])


def _point(row: Row) -> str:
    remarks = (f"# {_printable(remark)}" for remark in row.remarks)
    lines = [f"[point.{row.name}]", *remarks, f"addr = {row.addr}"]
    for key in ("table", "type", "scale", "unit", "kind", "quantity"):
        value = row.keys.get(key)
        if value not in (None, ""):
            lines.append(f"{key} = {_text(value) if isinstance(value, str) else f'{value:g}'}")
    lines += [f"label = {_text(row.label)}", "unconfirmed = true", ""]
    return "\n".join(lines)


def _text(value: str) -> str:
    return '"' + _printable(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
