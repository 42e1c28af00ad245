"""Whole pipelines as data: each folder of tests/cases/pipelines is one regression test, without code.

``product.toml``   what is known at the start: ``start`` (UTC), ``until`` (seconds), ``zone``, points, steps
``samples.jsonl``  what happens, by second ``at``: a sample as `citygate try` reads it (``point``, ``value``,
                   ``quality``, ``why``, and ``ago``), or ``do``: stop, crash, reboot, synced, unsynced, or
                   ``clock`` with ``by`` seconds
``expected.jsonl`` every record in order, with the second ``t`` at which it came
"""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from agent.core.point import Point
from agent.core.record import Aggregate, Record
from agent.core.sample import Quality
from agent.core.settings import decode_hook
from agent.core.step import Step
from agent.registry import plugin
from tests.pipelines.timeline import Timeline

CASES = Path(__file__).parent.parent / "cases" / "pipelines"
FOLDERS = sorted(folder for folder in CASES.iterdir() if folder.is_dir())


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_recorded_case_gives_the_recorded_records(folder: Path) -> None:
    expected = lines(folder / "expected.jsonl")
    assert replay(folder) == expected


def test_there_are_cases() -> None:
    assert len(FOLDERS) >= 10


def replay(folder: Path) -> list[dict[str, Any]]:
    """Play the case in *folder*; give its records as they stand in ``expected.jsonl``."""
    case = tomllib.loads((folder / "product.toml").read_text("utf-8"))
    time = Timeline(
        tuple(msgspec.convert(point, Point) for point in case["points"]),
        tuple(step_of(table) for table in case["steps"]),
        start=case["start"].timestamp(),
        zone=ZoneInfo(case.get("zone", "Europe/Helsinki")),
    )
    for line in lines(folder / "samples.jsonl"):
        time.until(line["at"])
        happen(time, line)
    time.until(case["until"])
    statistics = time.product.statistics
    return [written(t, record, statistics) for t, record in time.records]


def happen(time: Timeline, line: dict[str, Any]) -> None:
    """Let one line of ``samples.jsonl`` happen."""
    match line.get("do"):
        case None:
            value = None if line["value"] is None else float(line["value"])
            quality = Quality(line.get("quality", "good"))
            time.feed(
                line["point"], value, quality=quality, why=line.get("why", ""), ago=line.get("ago", 0.0)
            )
        case "clock":
            time.set_clock(line["by"])
        case "synced" | "unsynced" as word:
            time.synced = word == "synced"
        case "stop":
            time.stop()
        case "crash":
            time.crash()
        case "reboot":
            time.stop()
            time.reboot()
        case other:
            raise AssertionError(f"nobody knows how to do {other}")


def step_of(table: dict[str, Any]) -> Step:
    """Make a step of its TOML table."""
    settings = {key: value for key, value in table.items() if key != "use"}
    step: Step = msgspec.convert(settings, plugin("step", table["use"]), dec_hook=decode_hook)
    return step


def written(t: float, record: Record, statistics: tuple[str, ...]) -> dict[str, Any]:
    """Write a record as people read it: what goes without saying is left out, floats are rounded."""
    if not isinstance(record, Aggregate):
        found = {"t": t, "p": record.point, "event": record.kind, "severity": record.severity}
        found |= {"at": text(record.at), "value": record.value, "unit": record.unit, "text": record.text}
        return found | ({} if record.synced else {"synced": False})
    values = [None if value is None else round(value, 6) for value in record.values]
    found = {"t": t, "p": record.point, "start": text(record.start), "w": record.width, "n": record.n}
    found |= dict(zip(statistics, values, strict=True))
    if record.state != "ok":
        found |= {"q": str(record.state), "cov": record.coverage, "why": record.why}
    return found | ({} if record.synced else {"synced": False})


def text(utc: float) -> str:
    """Write UTC seconds as people do."""
    return datetime.fromtimestamp(utc, UTC).isoformat().replace("+00:00", "Z")


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a file of one JSON object per line."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
