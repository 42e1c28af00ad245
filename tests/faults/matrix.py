"""The matrix of faults: what may break, what comes of it, and which test shows it.

The rows are data, ``matrix.toml``. Whoever runs the tests with ``CITYGATE_FAULTS`` naming a folder finds
there what each has seen; ``python -m tests.faults.matrix FOLDER`` puts that into the page.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
PAGE: Final = _ROOT / "docs" / "reliability.md"
_BEGIN: Final = "<!-- rows of the fault matrix; `make faults` writes them -->"
_END: Final = "<!-- end of the fault matrix -->"
_HEAD: Final = "| fault | the city sees | the log says | lost | well again after |\n|---|---|---|---|---|"
_AREAS: Final = ("uplink", "modbus", "BACnet", "serial", "camera", "gateway")


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that breaks.

    ``reasons`` are those of the marks that windows must carry because of it, ``may`` those that they may
    carry besides, ``gaps`` the reasons of the gaps that must be told, ``codes`` the lines of the log that
    must come, or one of those between ``|``. At most ``lost`` windows of a product may be missing, all of
    them declared, and ``within`` so many seconds after the fault is mended a whole window arrives.
    ``cannot`` says why a row cannot be run.
    """

    name: str
    area: str
    fault: str
    test: str = ""
    reasons: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    lost: int = 0
    within: float = 10.0
    cannot: str = ""


class Seen(Struct, frozen=True, kw_only=True):
    """What a run has shown of a row."""

    name: str
    marks: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    lost: int = 0
    repeats: int = 0
    late: int = 0
    seconds: float = 0.0


def rows() -> tuple[Row, ...]:
    """Give all rows in their order."""
    told = tomllib.loads((_HERE / "matrix.toml").read_text("utf-8"))
    found = msgspec.convert(told["row"], tuple[Row, ...])
    return tuple(sorted(found, key=lambda row: (_AREAS.index(row.area), bool(row.cannot))))


def row_of(node: str) -> Row:
    """Give the row that the test with this id of pytest is bound to."""
    test = node.rpartition("/")[2]
    [found] = [row for row in rows() if row.test == test]
    return found


def keep(seen: Seen) -> None:
    """Leave what was seen where the table is made from, if somebody wants one."""
    if folder := os.environ.get("CITYGATE_FAULTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / f"{seen.name}.json").write_bytes(msgspec.json.encode(seen))


def table(found: Mapping[str, Seen]) -> str:
    """Write the table; a row that was not run keeps its promise and has no figures."""
    lines = []
    for area in _AREAS:
        mine = [row for row in rows() if row.area == area]
        lines += [f"\n### {area[0].upper()}{area[1:]}"]
        if run := [_line(row, found.get(row.name)) for row in mine if not row.cannot]:
            lines += ["", _HEAD, *run]
        if cannot := [row for row in mine if row.cannot]:
            lines += ["", "Not run:", "", *(f"- {row.fault}: {row.cannot}" for row in cannot)]
    return "\n".join(lines).strip() + "\n"


def faults_of(text: str) -> list[str]:
    """List the faults that the page has rows for."""
    inner = text.partition(_BEGIN)[2].partition(_END)[0]
    found = re.findall(r"^(?:\| (?!fault )([^|]+?) \||- ([^:]+):)", inner, re.M)
    return [run or cannot for run, cannot in found]


def renewed(page: str, new: str) -> str:
    """Put the table into the page."""
    before, _, rest = page.partition(_BEGIN)
    after = rest.partition(_END)[2]
    return f"{before}{_BEGIN}\n\n{new}\n{_END}{after}"


def _line(row: Row, seen: Seen | None) -> str:
    codes = ", ".join(f"`{one.replace('|', '` or `')}`" for one in row.codes) or "nothing"
    if seen is None:
        return (
            f"| {row.fault} | {_city(row.reasons, row.gaps)} | {codes} | at most {row.lost} | not measured |"
        )
    lost = f"{seen.lost} of at most {row.lost}" if row.lost else "0"
    city = _city(seen.marks, seen.gaps, late=seen.late, repeats=seen.repeats)
    return f"| {row.fault} | {city} | {codes} | {lost} | {seen.seconds:.1f} s |"


def _city(marks: Iterable[str], gaps: Iterable[str], *, late: int = 0, repeats: int = 0) -> str:
    words = [f"`{one}`" for one in marks]
    words += [f"gap `{one}`" for one in gaps]
    words += ["some windows late"] if late else []
    words += [f"{repeats} repeats under their old ids"] if repeats else []
    return ", ".join(words) or "every window, on time"


def main() -> int:
    """Write the table from the results in the folder that is named first."""
    folder = Path(sys.argv[1])
    results: list[dict[str, Any]] = [json.loads(one.read_bytes()) for one in folder.glob("*.json")]
    found = {one["name"]: msgspec.convert(one, Seen) for one in results}
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), table(found)), "utf-8")
    missing = [row.name for row in rows() if not row.cannot and row.name not in found]
    said = f"{len(found)} rows in {PAGE.relative_to(_ROOT)}; not run: {', '.join(missing) or 'none'}"
    sys.stdout.write(f"{said}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
