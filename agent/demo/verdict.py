"""Judges what left against the truth: each window's figures, and the demo as a whole.

Counters must be exact: ``last`` is a value that the meter served within the window, ``delta`` the difference
of two lasts. A mean may differ from the true mean by what power can change between two polls.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from agent.demo.books import Books
from agent.demo.load import STEEPEST, mean_power

POWER: Final = "main-meter.active_power"
ENERGY: Final = "main-meter.import_energy"
PRODUCT: Final = "energy"
WANTED: Final = 3
_POLL: Final = 1.0  # seconds between two polls, as the template says
_EDGE: Final = 0.3  # a reply is stamped when it arrives, a moment after it was served
_SAME: Final = 0.003  # kWh: less than the meter's smallest step, more than a single's rounding
_IN_KILO: Final = {"W": 1e-3, "W.h": 1e-3, "kW": 1.0, "kW.h": 1.0}

_NOT_OK: Final = {
    "partial": "seen in part",
    "no_data": "no data",
}

Served = tuple[float, float]
"""UTC seconds and the counter value that the meter gave then."""


class Judged(Struct, frozen=True, kw_only=True):
    """One window beside the truth; ``faults`` are sentences, none when all agrees."""

    seq: int
    start: float
    mean: float | None
    true_mean: float
    last: float | None
    delta: float | None
    polls: int | None
    faults: tuple[str, ...]


def judge(batches: Sequence[dict[str, Any]], birth: dict[str, Any], served: Sequence[Served]) -> list[Judged]:
    """Judge each batch message in order of arrival."""
    judged: list[Judged] = []
    for batch in batches:
        judged.append(_window(batch, birth, served, judged[-1] if judged else None))
    return judged


def longest_run(judged: Sequence[Judged]) -> int:
    """Count the longest run of messages numbered without a hole whose figures all agree."""
    best = run = 0
    before: Judged | None = None
    for one in judged:
        follows = before is not None and one.seq == before.seq + 1
        run = 0 if one.faults else run + 1 if follows else 1
        best, before = max(best, run), one
    return best


def missing(books: Books, judged: Sequence[Judged]) -> list[str]:
    """Say what the demo was to show and did not; nothing: all is well."""
    said = [f"a message broke the schema: {one}" for one in books.faults[:3]]
    if PRODUCT not in books.births:
        said.append(f'no birth of the product "{PRODUCT}" arrived')
    if books.holes:
        said.append(f"{books.holes} numbered messages never arrived and no gap declared them")
    if (run := longest_run(judged)) < WANTED:
        said.append(f"{run} consecutive messages agree with the meter, {WANTED} are needed")
        said += [f"window {clock(one.start)}: {fault}" for one in judged for fault in one.faults][:6]
    return said


def clock(utc: float) -> str:
    """Write a time of day as this computer's owner reads it."""
    return datetime.fromtimestamp(utc).astimezone().strftime("%H:%M:%S")


def _window(
    batch: dict[str, Any], birth: dict[str, Any], served: Sequence[Served], before: Judged | None
) -> Judged:
    rows = {row[0]: dict(zip(batch["c"], row, strict=False)) for row in batch["r"]}
    power, energy = rows.get(POWER, {}), rows.get(ENERGY, {})
    start, width = datetime.fromisoformat(batch["t"]).timestamp(), float(batch["w"])
    mean = _kilo(power.get("mean"), birth, POWER)
    last, delta = _kilo(energy.get("last"), birth, ENERGY), _kilo(energy.get("delta"), birth, ENERGY)
    truth = mean_power(start, start + width)
    follows = before is not None and batch["s"] == before.seq + 1
    words = {one["q"] for point, one in batch.get("x", {}).items() if point in rows}
    faults = [_NOT_OK.get(word, f"it is {word}") for word in sorted(words)]
    if not faults:
        faults += _mean_faults(mean, truth) + _last_faults(last, start, width, served)
        faults += _delta_faults(delta, last, before.last if follows and before else None)
    return Judged(
        seq=batch["s"], start=start, mean=mean, true_mean=truth, last=last, delta=delta,
        polls=power.get("n"), faults=tuple(faults),
    )  # fmt: skip


def _kilo(value: float | None, birth: dict[str, Any], point: str) -> float | None:
    unit = birth.get("points", {}).get(point, {}).get("u", "kW")
    return None if value is None else value * _IN_KILO.get(unit, 1.0)


def _mean_faults(mean: float | None, truth: float) -> list[str]:
    if mean is None:
        return ["the mean power is missing"]
    allowed = STEEPEST * _POLL + 0.05
    if abs(mean - truth) <= allowed:
        return []
    return [f"mean power {mean:.2f} kW, truth {truth:.2f} kW: polling allows {allowed:.2f} kW"]


def _last_faults(last: float | None, start: float, width: float, served: Sequence[Served]) -> list[str]:
    if last is None:
        return ["the counter's last value is missing"]
    inside = (value for at, value in served if start - _EDGE <= at < start + width + _EDGE)
    if any(abs(_as_single(value) - last) <= _SAME for value in inside):
        return []
    return [f"counter {last} kWh was never served within the window"]


def _delta_faults(delta: float | None, last: float | None, before: float | None) -> list[str]:
    if last is None or before is None:
        return []
    if delta is not None and abs(delta - (last - before)) < 1e-6:
        return []
    return [f"delta {delta} kWh, yet the counter went from {before} to {last}"]


def _as_single(value: float) -> float:
    return float(struct.unpack(">f", struct.pack(">f", value))[0])
