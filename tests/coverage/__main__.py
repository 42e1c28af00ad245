"""Measures which statements and branches the tests reach, daemons in processes of their own included.

python -m tests.coverage [--only agent/outbox] [TESTS ...]

Everything that is not reached stands in ``build/coverage/uncovered.md``, with the reason where there is
one. A measurement takes twice as long as the tests do; where none are named, the everyday ones are run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.coverage.reasons import Stretch, reasons, stretches

_FOLDER: Final = Path("build/coverage")
_REPORT: Final = _FOLDER / "report.json"
_PAGE: Final = _FOLDER / "uncovered.md"


def main() -> int:
    """Measure; the status is that of the tests, or 1 where a reason is no longer needed."""
    parser = argparse.ArgumentParser(prog="python -m tests.coverage", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "tests", nargs="*", metavar="TESTS", help="files and folders; else all everyday tests"
    )
    parser.add_argument("--only", action="append", default=[], metavar="PLACE", help="tell of this alone")
    args = parser.parse_args()
    status = _run(args.tests)
    files = {
        name: found
        for name, found in json.loads(_REPORT.read_text("utf-8"))["files"].items()
        if not args.only or name.startswith(tuple(args.only))
    }
    known = reasons()
    found = list(stretches(files, known))
    _PAGE.write_text(page(found), "utf-8")
    sys.stdout.write(
        table(files) + f"\n\n{sum(bool(one.why) for one in found)} of {len(found)} stretches that no "
    )
    sys.stdout.write(f"test reaches have a reason; all stand in {_PAGE}\n")
    needed = {one.why for one in found}
    stale = [one for one in known if one.file in files and one.why not in needed]
    for one in stale:
        sys.stderr.write(f"{one.file}: reached now, so it needs no reason any more: {one.text.strip()}\n")
    return status or bool(stale)


def _run(tests: list[str]) -> int:
    _FOLDER.mkdir(parents=True, exist_ok=True)
    for left in _FOLDER.glob("data*"):
        left.unlink()
    measure = [sys.executable, "-m", "coverage"]
    done = subprocess.run([*measure, "run", "-m", "pytest", "-q", "-m", "not long", *tests], check=False)
    subprocess.run([*measure, "combine", "-q"], check=True)
    subprocess.run([*measure, "json", "-q", "-o", str(_REPORT)], check=True)
    return done.returncode


def table(files: Mapping[str, Any]) -> str:
    """Write how much of each folder is reached."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for name, found in files.items():
        told = found["summary"]
        keys = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        for at, key in enumerate(keys):
            sums[name.rpartition("/")[0]][at] += told[key]
    lines = [
        "| folder | statements | of these reached | branches | of these taken |",
        "|---|--:|--:|--:|--:|",
    ]
    for folder, (reached, all_, taken, ways) in sorted(sums.items()):
        lines.append(
            f"| `{folder}` | {all_:,} | {_share(reached, all_)} | {ways:,} | {_share(taken, ways)} |"
        )
    return "\n".join(lines)


def page(found: Iterable[Stretch]) -> str:
    """Write down what is not reached."""
    lines = ["| where | what | why |", "|---|---|---|"]
    for one in found:
        place = f"{one.first}" if one.first == one.last else f"{one.first}-{one.last}"
        text = one.text.replace("|", "\\|")
        what = f"a way out of `{text}`" if one.way else f"`{text}`"
        lines.append(f"| {one.file}:{place} | {what} | {one.why or 'nobody has said'} |")
    return "\n".join([*lines, ""])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


if __name__ == "__main__":
    sys.exit(main())
