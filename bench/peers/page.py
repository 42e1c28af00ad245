"""The tables of the comparison: of one run, for a terminal and for docs/comparison.md, between its markers.

python -m bench.peers.page      write them again from the last run's build/peers.json
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from bench.peers.books import Verdict

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "comparison.md"
NONE: Final = "No whole run on a quiet computer has been written here yet."
RESULT: Final = ROOT / "build" / "peers.json"
BEGIN: Final = "<!-- figures of one run; `make bench-peers` writes them -->"
END: Final = "<!-- end of the figures -->"
DAY: Final = 86_400
_JUDGED: Final = ("wrong", "lost", "back")


class Calm(Struct, frozen=True, kw_only=True):
    """What a side asked, cost and sent in a second in which nothing happens, and memory in MB."""

    requests: float
    line: float
    cpu: float
    rss: float
    written: float
    carried: float


class Result(Struct, frozen=True, kw_only=True):
    """All figures of one side."""

    name: str
    title: str
    short: str
    settings: str
    judged: bool
    calm: Calm
    away_written: float
    ended: int
    verdicts: dict[str, Verdict]


class Report(Struct, frozen=True, kw_only=True):
    """One run: when, on what, all sides, what was not run and why, and the faults by name."""

    day: str
    computer: str
    faults: dict[str, str]
    sides: list[Result]
    missing: list[str]


def tables(report: Report) -> str:
    """Write all tables in Markdown."""
    sides, heads = report.sides, [one.short for one in report.sides]
    lines = [f"Run on {report.day}, {report.computer}.", ""]
    lines += ["| column | what it is | how it is set up |", "|---|---|---|"]
    lines += [f"| {one.short} | {one.title} | {one.settings} |" for one in sides]
    lines += [""] + [f"Not run: {one}." for one in report.missing] if report.missing else []
    lines += ["", "### While nothing happens", "", *_grid("", heads, _calm_rows(sides))]
    for title, cell in (("Values lost", _lost), ("Seconds until every point is fresh again", _back)):
        lines += ["", f"### {title}", "", *_grid("what happens", heads, _fault_rows(report, cell))]
    lines += [
        "",
        "### Values that are not what they seem",
        "",
        *_grid("in the whole run", heads, _odd_rows(sides)),
    ]
    return "\n".join(lines) + "\n"


def figures(report: Report) -> list[str]:
    """Give the lines of JSON: the first side's figures against those of each other one."""
    ours, *others = report.sides
    return [
        json.dumps({
            "name": f"peers.{name}", "value": float(f"{value:.4g}"), "unit": unit,
            "against": other.short, "ratio": round(value / theirs, 3),
        })
        for other in others
        for (name, unit, value), (_, _, theirs) in zip(_all(ours), _all(other), strict=True)
        if theirs and (other.judged or not name.endswith(_JUDGED))
    ]  # fmt: skip


def renewed(page: str, new: str) -> str:
    """Put the tables into the page."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{new}\n{END}{after}"


def shape(text: str) -> list[str]:
    """Give what stays the same from run to run: headings, heads of tables, names of rows."""
    lines = text.partition(BEGIN)[2].partition(END)[0].splitlines()
    heads = [one for one, after in pairwise([*lines, ""]) if one.startswith("#") or after.startswith("|---")]
    return heads + [one.split("|")[1].strip() for one in lines if one.startswith("| ")]


def _all(one: Result) -> Iterator[tuple[str, str, float]]:
    calm = one.calm
    yield "requests", "1/s", calm.requests
    yield "cpu", "%", calm.cpu * 100
    yield "rss", "MB", calm.rss
    yield "written", "MB a day", calm.written * DAY / 1e6
    yield "carried", "kB/s", calm.carried / 1e3
    for name, verdict in one.verdicts.items():
        yield f"{name}.wrong", "values", verdict.wrong
        yield f"{name}.lost", "values", verdict.lost
        yield f"{name}.back", "s", verdict.back or 0.0


def _grid(corner: str, heads: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> list[str]:
    lines = [f"| {corner} | {' | '.join(heads)} |", "|---|" + "--:|" * len(heads)]
    return lines + [f"| {name} | {' | '.join(cells)} |" for name, cells in rows]


def _calm_rows(sides: Sequence[Result]) -> list[tuple[str, list[str]]]:
    tells: tuple[tuple[str, Callable[[Result], float]], ...] = (
        ("requests a second", lambda one: one.calm.requests),
        ("they take of a line with 115,200 baud, %", lambda one: one.calm.line * 100),
        ("values that arrive, %", _share),
        ("CPU, % of one core", lambda one: one.calm.cpu * 100),
        ("memory (RSS), MB", lambda one: one.calm.rss),
        ("written to disk, MB a day", lambda one: one.calm.written * DAY / 1e6),
        ("the same while the broker is away", lambda one: one.away_written * DAY / 1e6),
        ("to and from the broker, kB a second", lambda one: one.calm.carried / 1e3),
    )
    return [(name, [_number(tell(one)) for one in sides]) for name, tell in tells]


def _fault_rows(report: Report, cell: Callable[[Verdict], str]) -> list[tuple[str, list[str]]]:
    return [
        (what, [cell(one.verdicts[name]) if one.judged else "-" for one in report.sides])
        for name, what in report.faults.items()
        if name != "calm"
    ]


def _odd_rows(sides: Sequence[Result]) -> list[tuple[str, list[str]]]:
    tells: tuple[tuple[str, Callable[[Verdict], int]], ...] = (
        ("values under another point's name", lambda one: one.wrong),
        ("values stamped more than 3 s after they were read", lambda one: one.old),
        ("values that came twice", lambda one: one.twice),
    )
    rows = [
        (name, [str(sum(map(tell, one.verdicts.values()))) if one.judged else "-" for one in sides])
        for name, tell in tells
    ]
    return [*rows, ("times that the gateway ended by itself", [str(one.ended) for one in sides])]


def _lost(one: Verdict) -> str:
    return f"{one.lost:,} ({_number(100 * one.lost / max(1, one.wanted))} %)" if one.lost else "0"


def _back(one: Verdict) -> str:
    return f"above {one.watched:.0f}" if one.back is None else _number(one.back)


def _share(one: Result) -> float:
    calm = one.verdicts.get("calm", Verdict())
    return min(100.0, 100 * calm.arrived / max(1, calm.wanted)) if one.judged else math.nan


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def main() -> int:
    """Write the last run's tables into the page."""
    report = msgspec.json.decode(RESULT.read_bytes(), type=Report)
    PAGE.write_text(renewed(PAGE.read_text("utf-8"), tables(report)), "utf-8")
    sys.stdout.write(f"the tables are in {PAGE.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
