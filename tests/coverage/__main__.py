"""Measures which statements and branches the tests reach, daemons in processes of their own included.

python -m tests.coverage [--more | --again] [--only agent/outbox] [TESTS ...]

Everything that is not reached stands in ``build/coverage/uncovered.md``, with the reason where there is
one. A measurement takes twice as long as the tests do. Where no tests are named, all everyday ones are run;
``--more`` adds what is named to the measurement before. Once all have been run on the same code, all of them
green, the sums of the folders go into the docs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from tests.coverage.collecting import collecting
from tests.coverage.page import PAGE, missing, renewed, table, verdict
from tests.coverage.reasons import ROOT, Reason, Stretch, is_needed, reasons, stretches

_FOLDER: Final = Path("build/coverage")
_REPORT: Final = _FOLDER / "report.json"
_LIST: Final = _FOLDER / "uncovered.md"
_GREEN: Final = _FOLDER / "green"
"""Which tests the report is of, as far as they were green."""


def main() -> int:
    """Measure; the status is that of the tests, or 1 where a reason is no longer needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "tests", nargs="*", metavar="TESTS", help="files and folders; else all everyday tests"
    )
    parser.add_argument("--only", action="append", default=[], metavar="PLACE", help="tell of this alone")
    parser.add_argument("--more", action="store_true", help="add to the last measurement")
    parser.add_argument("--again", action="store_true", help="tell of the last measurement, run no test")
    args = parser.parse_args()
    status = 0 if args.again else _run(args.tests, more=args.more)
    told: dict[str, Any] = json.loads(_REPORT.read_text("utf-8"))["files"]
    files = {name: one for name, one in told.items() if not args.only or name.startswith(tuple(args.only))}
    known = reasons()
    found = list(stretches(files, known))
    _LIST.write_text(missing(found), "utf-8")
    sys.stdout.write(f"{table(files)}\n\n{verdict(found)}; all stand in {_LIST}\n")
    if not args.only and _is_whole():
        PAGE.write_text(renewed(PAGE.read_text("utf-8"), _said(files, found)), "utf-8")
    if args.again:
        _changed(files)
    return status or _needless([one for one in known if one.file in files], files)


def _run(tests: list[str], *, more: bool) -> int:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for left in _FOLDER.glob("data.*" if more else "data*"):
        left.unlink()
    if not more:
        _GREEN.unlink(missing_ok=True)
    measure = [sys.executable, "-m", "coverage"]
    words = [*measure, "run", "-m", "pytest", "-q", "-m", "not long", *tests]
    with collecting(_FOLDER / "data") as place:
        done = subprocess.run(words, check=False, env={**os.environ, **place})
    subprocess.run([*measure, "combine", "-q", *(["--append"] if more else [])], check=True)
    subprocess.run([*measure, "json", "-q", "-o", str(_REPORT)], check=True)
    if not done.returncode:
        with _GREEN.open("a", encoding="utf-8") as green:
            green.writelines(f"{one.rstrip('/')}\n" for one in tests or ["tests"])
    return done.returncode


def _is_whole() -> bool:
    """Say whether every file of tests is in the measurement."""
    if not _GREEN.exists():
        return False
    green = {Path(one) for one in _GREEN.read_text("utf-8").splitlines()}
    return all(not green.isdisjoint((one, *one.parents)) for one in Path("tests").rglob("test_*.py"))


def _said(files: dict[str, Any], found: Sequence[Stretch]) -> str:
    day = datetime.fromtimestamp(_REPORT.stat().st_mtime, UTC).date()
    return f"{table(files)}\n\nMeasured on {day}: {verdict(found)}."


def _changed(files: dict[str, Any]) -> None:
    """Name the files whose lines may be others by now."""
    at = _REPORT.stat().st_mtime
    for name in files:
        if (ROOT / name).stat().st_mtime > at:
            sys.stderr.write(f"{name}: changed since it was measured\n")


def _needless(known: Sequence[Reason], files: dict[str, Any]) -> bool:
    """Name the reasons of lines that are reached; say whether there are any."""
    needless = [one for one in known if not one.chance and not is_needed(one, files[one.file])]
    for one in needless:
        sys.stderr.write(f"{one.file}: reached now, so it needs no reason any more: {one.text.strip()}\n")
    return bool(needless)


if __name__ == "__main__":
    sys.exit(main())
