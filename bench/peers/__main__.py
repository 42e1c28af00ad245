"""Our gateway beside others, on equal sites with equal brokers, through the same faults at the same moments.

    python -m bench.peers                     install what is missing, run, write docs/comparison.md
    python -m bench.peers --install           only install
    python -m bench.peers --only NAME,NAME    run these sides, and leave the page as it is
    python -m bench.peers --phases calm,late  run these steps, and leave the page as it is

Each side has a field, a way and a broker of its own and works at the same time as the others. A run takes
about eleven minutes. A side that cannot be had here is left out by name, and then the page stays, too.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.peers import broker, collectd, modpoll, nodered, ours, page, thingsboard
from bench.peers.books import Value, judge
from bench.peers.page import Calm, Report, Result
from bench.peers.phases import PHASES, WARM, Phase, Seen, run
from bench.peers.sides import Side
from bench.peers.site import POINTS, TCP_POINTS
from bench.peers.stage import Seat, staged

SIDES: Final = (*ours.SIDES, *thingsboard.SIDES, nodered.SIDE, collectd.SIDE, modpoll.SIDE)
_LAST: Final = 10.0


def main() -> int:
    """Install, run, and show; 1 if a value of ours was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers")
    parser.add_argument("--install", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--phases", default="")
    args = parser.parse_args()
    missing = _install(SIDES)
    if args.install:
        return 0
    if lacks := broker.missing():
        print(lacks, file=sys.stderr)
        return 1
    names, steps = filter(None, args.only.split(",")), filter(None, args.phases.split(","))
    only, wanted = set(names), set(steps)
    sides = [one for one in SIDES if one.name not in missing and (not only or one.name in only)]
    phases = [one for one in PHASES if not wanted or one.name in wanted]
    report = _run(
        sides, phases, [f"{one.title}: {missing[one.name]}" for one in SIDES if one.name in missing]
    )
    print(page.tables(report))
    print("\n".join(page.figures(report)))
    if len(sides) == len(SIDES) and len(phases) == len(PHASES):
        page.RESULT.parent.mkdir(exist_ok=True)
        page.RESULT.write_bytes(msgspec.json.encode(report))
        page.main()
    else:
        print("this run was not whole: docs/comparison.md stays as it is")
    return 1 if _wrong(report.sides) else 0


def _wrong(sides: Sequence[Result]) -> bool:
    """Say so if a value of ours came under another point's name."""
    found = [
        f"{one.title}: {count} values under another point's name"
        for one in sides
        if one.name == ours.SIDES[0].name and (count := sum(seen.wrong for seen in one.verdicts.values()))
    ]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    return bool(found)


def _install(sides: Sequence[Side]) -> dict[str, str]:
    """Install what is missing, and say what cannot be had, by name."""
    lacking = {}
    for one in sides:
        if one.missing():
            print(f"installing {one.title} ...", flush=True)
            try:
                one.install()
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"  {error}", flush=True)
        if lacks := one.missing():
            print(f"{one.title} is left out: {lacks}", flush=True)
            lacking[one.name] = lacks
    return lacking


def _run(sides: Sequence[Side], phases: Sequence[Phase], missing: list[str]) -> Report:
    with tempfile.TemporaryDirectory(prefix="citygate-peers-") as name, staged(sides, Path(name)) as stage:
        print(f"{len(sides)} gateways start; {POINTS} registers each, once a second ...", flush=True)
        stage.start()
        stage.pause(WARM)
        seen = list(run(stage, phases, lambda line: print(line, flush=True)))
        stage.pause(_LAST)
        faults = {one.span.name: one.what for one in seen}
        return Report(
            day=time.strftime("%Y-%m-%d", time.gmtime()), computer=_computer(), faults=faults,
            missing=missing,
            sides=[_result(at, seat, seen) for at, seat in enumerate(stage.seats)],
        )  # fmt: skip


def _result(at: int, seat: Seat, seen: Sequence[Seen]) -> Result:
    """Judge one side."""
    side, spans = seat.side, [one.span for one in seen]
    values = (
        Value(point, stamp, raw, came)
        for came, topic, body in seat.city.mail
        for point, stamp, raw in side.read(topic, body)
    )
    verdicts = judge(values, spans, range(POINTS if side.rtu else TCP_POINTS))
    by_name = {one.span.name: one for one in seen}
    away = by_name.get("away")
    return Result(
        name=side.name, title=side.title, short=side.short, settings=side.settings,
        judged=side.judged, calm=_calm(at, seen[0]), ended=seat.ended,
        away_written=_written(at, away) if away else 0.0, verdicts=verdicts,
    )  # fmt: skip


def _calm(at: int, seen: Seen) -> Calm:
    before, after = seen.before[at], seen.after[at]
    span = after.asked.at - before.asked.at
    return Calm(
        requests=(after.asked.requests - before.asked.requests) / span,
        line=(after.asked.line - before.asked.line) / span,
        cpu=(after.cost.cpu - before.cost.cpu) / span,
        rss=after.cost.rss,
        written=_written(at, seen),
        carried=(after.carried - before.carried) / span,
    )


def _written(at: int, seen: Seen) -> float:
    before, after = seen.before[at], seen.after[at]
    return (after.cost.written - before.cost.written) / (after.asked.at - before.asked.at)


def _computer() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
