"""What growth costs: points of a link, links, recipients, cameras; each straight, or the reason why not.

A whole gateway polls registers once a second, sums them up in windows of five and sends them to a real
mosquitto; the process that sees pictures counts with it. Each size is a site of its own, looked at for ten
seconds once a window has come whole. The largest size is set against what the three smallest foretell: a
ratio above one says that it bends. Whatever else this computer does is kept behind all of it, where we may do
that. The steps are kept in build/curves.json, and
``python -m bench._cost_page`` puts them into docs/maintainer/cost.md.

    python -m bench.curves              all of them, some seven minutes
    python -m bench.curves links        one; the others stay as they were measured before
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct, convert, to_builtins

from bench._curve import CPU, RSS, WINDOWS, Step, foretold, table, told
from bench._eye import before_others
from bench._film import BUILD, film, model
from bench._growing import Scale, as_program, running
from bench._report import Figure, show

KEPT: Final = BUILD.parent / "curves.json"
_BENT: Final = 1.25  # times a straight line; more of it has a reason that has to be found
_LEAST_WINDOW: Final = 1.0  # ms


class Curve(Struct, frozen=True):
    """What grows, in which steps, and the site of a size."""

    thing: str
    sizes: tuple[int, ...]
    scale: Callable[[int], Scale]


CURVES: Final = (
    Curve("point", (1, 200, 400, 700, 1000), lambda size: Scale(points=size)),
    Curve("link", (1, 100, 200, 350, 500), lambda size: Scale(links=size)),
    Curve("recipient", (1, 2, 4, 7, 10), lambda size: Scale(recipients=size, points=200, products=50)),
    Curve("camera", (1, 2, 3, 5, 8), lambda size: Scale(cameras=size)),
)


def main() -> None:
    """Measure what was asked for, and all if nothing was."""
    known = [f"{one.thing}s" for one in CURVES]
    asked = sys.argv[1:] or known
    if unknown := set(asked) - set(known):
        sys.exit(f"there is no curve of {', '.join(unknown)}; known: {', '.join(known)}")
    before_others()
    as_program()
    found = kept()
    figures = []
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name:
        with running(Scale(), Path(name)) as scene:
            scene.settle()  # whoever is first compiles all modules
        for curve in CURVES:
            if f"{curve.thing}s" in asked:
                found[curve.thing] = _measure(curve, Path(name))
                KEPT.write_text(json.dumps(to_builtins(found)), "utf-8")
                figures += _figures(curve.thing, found[curve.thing])
    show(figures)


def kept() -> dict[str, Sequence[Step]]:
    """Give the steps of each curve that was measured here."""
    if not KEPT.exists():
        return {}
    return convert(json.loads(KEPT.read_text("utf-8")), dict[str, Sequence[Step]])


def _measure(curve: Curve, folder: Path) -> Sequence[Step]:
    """Measure one size after the other."""
    if curve.scale(1).cameras:
        model()
        film("480p")
    steps: list[Step] = []
    for size in curve.sizes:
        with running(curve.scale(size), folder) as scene:
            steps.append(scene.measured(size))
        print(f"  {size} {curve.thing}s", flush=True)
    print(f"\n{table(curve.thing, steps)}\n\n{told(curve.thing, steps)}\n", flush=True)
    return steps


def _figures(thing: str, steps: Sequence[Step]) -> list[Figure]:
    last = steps[-1]
    figures = []
    for kind in (CPU, RSS, WINDOWS):
        value, floor = kind.of(last), foretold(steps, kind)
        if kind is WINDOWS:  # noise around nothing may well foretell less than that
            floor = max(floor, _LEAST_WINDOW)
        figures.append(Figure(
            name=f"curves.{thing}s.{kind.word}", what=f"{kind.what} at {last.size} {thing}s", value=value,
            unit=kind.unit, against="the line through three small sizes", floor=floor,
            aim=None if kind is WINDOWS else _BENT * floor,
        ))  # fmt: skip
    return figures


if __name__ == "__main__":
    main()
