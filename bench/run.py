"""Runs one or all of the measurements in this folder, and collects their JSON lines.

    python bench/run.py            everything, into build/bench.jsonl
    python bench/run.py check_cold one of them; the lines of the others stay
    python bench/run.py modbus     all whose names begin with modbus_

A measurement prints a table for people, and for each figure a line of JSON whose keys are name, value, unit,
against and ratio. Which of them miss their aim is said at the end; nothing fails for being slow: machines
differ, ratios hardly do.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import time
from pathlib import Path

KEYS = {"name", "value", "unit", "against", "ratio"}
MISSED = ", missed)"  # ends a row of a table, see _report.py
_HERE = Path(__file__).parent
_RESULTS = _HERE.parent / "build" / "bench.jsonl"


def main() -> int:
    """Run what was asked for; 1 if a measurement broke."""
    names: list[str] = []
    for asked in (word.replace("-", "_") for word in sys.argv[1:]):
        found = [asked] if asked in _all() else [name for name in _all() if name.startswith(f"{asked}_")]
        if not found:
            print(f"there is no measurement {asked}; known: {', '.join(_all())}", file=sys.stderr)
            return 2
        names += found
    names = names or _all()
    broken, missed = [], []
    begun = time.monotonic()
    for name in names:
        docstring = ast.get_docstring(ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8"))) or ""
        print(f"\n{name}: {docstring.splitlines()[0]}", flush=True)
        lines, late, status = _measure(name)
        _keep(name, lines)
        missed += late
        broken += [name] if status else []
    took = (time.monotonic() - begun) / 60
    print(f"\nThe figures are in {_RESULTS.relative_to(_HERE.parent)}; they took {took:.1f} min.")
    print("\n".join(["Missed their aim:", *missed]) if missed else "No aim was missed.")
    for name in broken:
        print(f"{name} broke", file=sys.stderr)
    return 1 if broken else 0


def _all() -> list[str]:
    found = (one.stem for one in _HERE.glob("*.py"))
    return sorted(name for name in found if name != "run" and not name.startswith("_"))


def _measure(name: str) -> tuple[list[str], list[str], int]:
    """Run one, showing its table; give its JSON lines, the rows that miss their aim, and its exit status."""
    lines, missed = [], []
    words = [sys.executable, "-m", f"bench.{name}"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, text=True, cwd=_HERE.parent, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if is_figure(line):
                lines.append(line.strip())
            else:
                print(line, end="", flush=True)
                missed += [f"  {name}: {line.strip()}"] if line.rstrip().endswith(MISSED) else []
    return lines, missed, process.returncode


def is_figure(line: str) -> bool:
    """Say whether *line* is a figure, which has exactly the agreed keys."""
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.keys() == KEYS


def _keep(name: str, lines: list[str]) -> None:
    """Put *lines* in the place of those that this measurement left before."""
    _RESULTS.parent.mkdir(exist_ok=True)
    old = _RESULTS.read_text(encoding="utf-8").splitlines() if _RESULTS.exists() else []
    kept = [one for one in old if is_figure(one) and not json.loads(one)["name"].startswith(f"{name}.")]
    _RESULTS.write_text("".join(f"{one}\n" for one in [*kept, *lines]), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
