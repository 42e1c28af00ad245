"""How a measurement tells its figures: a table for people, then one JSON line for each.

A line has exactly the keys name, value, unit, against, ratio; the ratio is ours over what it is measured
against in the same run, so that less is better and machines can be compared. Aims stand in the table only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

MISSED: Final = ", missed)"
"""How the row of a figure ends that is worse than its aim; run.py looks for it."""


class Figure(Struct, frozen=True, kw_only=True):
    """One measured value: ``name`` is ``FILE.what``, ``floor`` what ``against`` needs, in the same unit."""

    name: str
    what: str
    value: float
    unit: str
    against: str
    floor: float
    aim: float | None = None

    @property
    def ratio(self) -> float:
        """Ours over the floor."""
        return self.value / self.floor

    def line(self) -> str:
        """Give the JSON line."""
        return json.dumps(
            {
                "name": self.name,
                "value": float(f"{self.value:.4g}"),
                "unit": self.unit,
                "against": self.against,
                "ratio": round(self.ratio, 3),
            }
        )


def show(figures: Sequence[Figure]) -> None:
    """Print the table and the lines."""
    wide = max(len(one.what) for one in figures)
    print(f"{'':<{wide}} {'ours':>10} {'floor':>10} {'ratio':>7}  against")
    for one in figures:
        aim = "" if one.aim is None else f"; aim {one.aim:g}"
        end = ")" if one.aim is None or one.value <= one.aim else MISSED
        print(
            f"{one.what:<{wide}} {one.value:>10.4g} {one.floor:>10.4g} {one.ratio:>7.2f}"
            f"  {one.against} ({one.unit}{aim}{end}"
        )
    for one in figures:
        print(one.line(), flush=True)
