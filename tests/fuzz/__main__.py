"""Fuzzes all targets in turn, each turn in a process of its own, and says what was found.

python -m tests.fuzz [--minutes 60] [--turn 30] [TARGET ...]

Turns with a guide (atheris, which sees what the code does with an input) and without one, which are faster,
follow each other. What was found is written as a case for ``tests/fuzz/cases.toml``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct, json

from tests.fuzz.cases import written
from tests.fuzz.catalogue import NAMES, target
from tests.fuzz.engine import Finding
from tests.fuzz.slate import Slate
from tests.fuzz.worker import FOUND

_FOLDER: Final = Path("build/fuzz")
_GRACE: Final = 60.0  # seconds more than its turn for a process that starts, and tries one slow input
_LEAK: Final = 96 << 20


class _Turn(NamedTuple):
    seconds: float
    seed: int
    guided: bool


class Score(Struct):
    """What came of one target in all its turns."""

    about: str
    executions: int = 0
    seconds: float = 0.0
    growth: int = 0  # bytes of memory, the most of any turn
    findings: list[str] = []


def main() -> int:
    """Fuzz; 1 if something was found."""
    args = _arguments()
    scores = {name: Score(about) for name, about in _targets(args.targets).items()}
    end, turn, guide = time.monotonic() + 60 * args.minutes, 0, find_spec("atheris") is not None
    if not guide:
        _say("atheris is not installed: all turns go without a guide")
    while time.monotonic() < end:
        lap, place = divmod(turn, len(scores))
        name = list(scores)[place]
        # each target has turns of both kinds, however many there are
        guided = guide and (lap + place) % 2 == 0
        seconds = min(args.turn, max(1.0, end - time.monotonic()))
        told = _turn(name, scores[name], _Turn(seconds, turn + args.seed, guided))
        _say(f"{told}; {_total(scores):,} in all")
        turn += 1
    _say(table(scores))
    return 1 if any(one.findings for one in scores.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="which; all if none is named")
    parser.add_argument("--minutes", type=float, default=60.0, help="how long in all (%(default)s)")
    parser.add_argument("--turn", type=float, default=30.0, help="seconds of one turn (%(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of the first turn")
    return parser.parse_args()


def _targets(wanted: list[str]) -> dict[str, str]:
    return {name: target(name).about for name in wanted or NAMES}


def _turn(name: str, score: Score, turn: _Turn) -> str:
    """Let *name* have its turn; say how it went."""
    folder = _FOLDER / name
    (folder / "corpus").mkdir(parents=True, exist_ok=True)
    for left in (folder / "slate", folder / "finding.json"):
        left.unlink(missing_ok=True)
    words = [
        sys.executable,
        "-m",
        "tests.fuzz.worker",
        name,
        str(folder),
        "--seconds",
        str(turn.seconds),
        "--seed",
        str(turn.seed),
    ]
    begun = time.monotonic()
    with (folder / "log").open("wb") as log:
        try:
            done = subprocess.run(
                words + ["--guided"] * turn.guided,
                stdout=log,
                stderr=log,
                timeout=turn.seconds + _GRACE,
                check=False,
            )
            status: int | None = done.returncode
        except subprocess.TimeoutExpired:
            status = None
    slate = Slate(folder / "slate")
    growth = max(0, slate.now - slate.warm)
    score.executions += slate.executions
    score.seconds += time.monotonic() - begun
    score.growth = max(score.growth, growth)
    if what := _judged(folder, status, slate, growth, name):
        score.findings.append(what)
    how = "guided" if turn.guided else "blind"
    return (
        f"{name:17} {how:6} {slate.executions:8,} tried, {growth / 1e6:+5.1f} MB, {what or 'nothing found'}"
    )


def _judged(folder: Path, status: int | None, slate: Slate, growth: int, name: str) -> str:
    """Say what was found, if anything, and keep it."""
    finding, data = folder / "finding.json", slate.last
    if finding.exists():
        found = json.decode(finding.read_bytes(), type=Finding)
        what, data = found.what, found.data
    elif status is None:
        what = "it does not come to an end"
    elif status not in (0, FOUND):
        what = f"the process ended with status {status}; see {folder / 'log'}"
    elif growth > _LEAK:
        what = f"memory grew by {growth / 1e6:.0f} MB"
    else:
        return ""
    with (_FOLDER / "cases.toml").open("a", encoding="utf-8") as cases:
        cases.write(written(name, what, data) + "\n")
    return what


def table(scores: dict[str, Score]) -> str:
    """Write the results as a page does."""
    lines = ["| target | what | tried | a second | memory | found |", "|---|---|--:|--:|--:|---|"]
    for name, one in scores.items():
        rate = one.executions / max(one.seconds, 1e-9)
        found = "; ".join(dict.fromkeys(one.findings)) or "nothing"
        figures = f"{one.executions:,} | {rate:,.0f} | +{one.growth / 1e6:.0f} MB"
        lines.append(f"| {name} | {one.about} | {figures} | {found} |")
    lines.append(f"| | **all** | **{_total(scores):,}** | | | |")
    return "\n".join(lines)


def _total(scores: dict[str, Score]) -> int:
    return sum(one.executions for one in scores.values())


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
