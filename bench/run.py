"""Runs one or all of the measurements in this folder; each prints JSON lines, which are collected.

    python bench/run.py            everything, into build/bench.jsonl
    python bench/run.py check_cold one of them

A line is {"bench", "what", "value", "unit", "aim"}; an aim that is missed is marked, but fails nothing:
machines differ.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_RESULTS = _HERE.parent / "build" / "bench.jsonl"


def main() -> int:
    """Run what was asked for; 1 if a measurement broke."""
    names = [name.replace("-", "_") for name in sys.argv[1:]] or _all()
    if unknown := [name for name in names if name not in _all()]:
        print(f"there is no measurement {unknown[0]}; known: {', '.join(_all())}", file=sys.stderr)
        return 2
    broken = []
    _RESULTS.parent.mkdir(exist_ok=True)
    with _RESULTS.open("a", encoding="utf-8") as results:
        for name in names:
            words = [sys.executable, "-m", f"bench.{name}"]
            done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False, cwd=_HERE.parent)
            broken += [name] if done.returncode else []
            for line in done.stdout.splitlines():
                _show(line, results)
    for name in broken:
        print(f"{name} broke", file=sys.stderr)
    return 1 if broken else 0


def _all() -> list[str]:
    found = (one.stem for one in _HERE.glob("*.py"))
    return sorted(name for name in found if name != "run" and not name.startswith("_"))


def _show(line: str, results: Any) -> None:  # noqa: ANN401 - any text file
    try:
        found = json.loads(line)
    except ValueError:
        print(line)
        return
    print(json.dumps(found), file=results)
    if not isinstance(found, dict) or "what" not in found:
        print(line)
        return
    aim = found.get("aim")
    note = f"  (aim {aim:g}{'' if found['value'] <= aim else ', missed'})" if aim is not None else ""
    print(f"{found.get('bench', ''):<14} {found['what']:<52} {found['value']:>10.4g} {found['unit']}{note}")


if __name__ == "__main__":
    raise SystemExit(main())
