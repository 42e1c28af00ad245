"""Show what privacy modes leave of a street's counts, so that k, window and mode can be chosen.

The streets are made up, with peaks and a quiet night; the modes are those that the gate applies. The same
seed gives the same table.

For example:
  citygate utility
  citygate utility --passages 12 45       an average hour of your own streets
  citygate utility --days 365 --seed 1
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from agent.cli.screen import sentence, table
from agent.core.errors import ConfigError
from agent.privacy.street import (
    QUARTER,
    Kept,
    after_holding,
    after_suppression,
    error_of_noise,
    merged,
    quarters,
)

if TYPE_CHECKING:
    import argparse

STREETS: Final = (4, 20, 100, 600)
_KS: Final = (5, 10)
_WINDOWS: Final = (("15m", 1), ("1h", 4))
_NOISE: Final = (("1", 1), ("1/2", 1), ("1", 4))


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate utility` takes."""
    parser.add_argument(
        "--passages",
        metavar="N",
        type=float,
        nargs="+",
        default=list(STREETS),
        help="an average hour's passages",
    )
    parser.add_argument(
        "--days", metavar="N", type=int, default=60, help="how long to watch each street (60)"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=7, help="another seed, other streets (7)")


def run(args: argparse.Namespace) -> int:
    """Print the table."""
    if args.days < 1 or min(args.passages) <= 0:
        raise ConfigError("citygate utility: days and passages must be above zero")
    print(report(args.passages, days=args.days, seed=args.seed))
    return 0


def report(rates: list[float], *, days: int, seed: int) -> str:
    """Give the whole text."""
    rng = random.Random(seed)
    streets = [quarters(rate, days, rng) for rate in rates]
    heads = ("mode", "", "window", *(f"{rate:g}/h" for rate in rates))
    rows = [*_thresholds(streets), *_noise([merged(one, 4) for one in streets], rng)]
    note = (
        f"{days} days, seed {seed}. suppress and hold: share of the passages that a published count covers;"
        " hold also the usual width of its cells. dp: usual error of an hour's count from 7 to 21 o'clock."
    )
    return "\n".join([table(heads, rows), sentence(note)])


def _thresholds(streets: list[list[int]]) -> list[list[str]]:
    rows = []
    for k in _KS:
        for window, by in _WINDOWS:
            width = by * QUARTER
            counts = [merged(one, by) for one in streets]
            said = [f"{after_suppression(one, k, width).share:.0%}" for one in counts]
            rows.append(["suppress", f"k={k}", window, *said])
        held = [after_holding(one, k, QUARTER) for one in streets]
        rows.append(["hold", f"k={k}", "15m", *map(_held, held)])
    return rows


def _held(kept: Kept) -> str:
    minutes = f"{kept.minutes:.0f} min" if kept.minutes < 60 else f"{kept.minutes / 60:.2g} h"
    return f"{kept.share:.0%} in {minutes}"


def _noise(streets: list[list[int]], rng: random.Random) -> list[list[str]]:
    return [
        [
            "dp",
            f"epsilon={epsilon} S={sensitivity}",
            "1h",
            *(f"{error_of_noise(one, sensitivity / Fraction(epsilon), rng):.1%}" for one in streets),
        ]
        for epsilon, sensitivity in _NOISE
    ]
