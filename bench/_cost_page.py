"""Puts the cost curves that were measured last into docs/maintainer/cost.md, and draws them beside it.

    python -m bench._cost_page

The plot is drawn from the page's own tables, so that one cannot say what the other does not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench._curve import Step, read, rounded, table, told
from bench._plot import drawn
from bench.curves import CURVES, kept

_ROOT: Final = Path(__file__).parent.parent
PAGE: Final = _ROOT / "docs" / "maintainer" / "cost.md"
PLOT: Final = PAGE.with_name("curves.svg")
_END: Final = "<!-- end of the curve -->"


def main() -> None:
    """Renew both."""
    found = kept()
    if missing := [f"{one.thing}s" for one in CURVES if one.thing not in found]:
        sys.exit(f"not measured yet: {', '.join(missing)}; make bench-curves does it")
    page = renewed(PAGE.read_text("utf-8"), found)
    PAGE.write_text(page, "utf-8")
    PLOT.write_text(drawn(steps_of(page)), "utf-8")


def renewed(page: str, curves: Mapping[str, Sequence[Step]]) -> str:
    """Put the tables of *curves* into *page*."""
    for thing, steps in curves.items():
        before, begin, rest = page.partition(_begin(thing))
        after = rest.partition(_END)[2]
        exact = rounded(steps)
        page = f"{before}{begin}\n\n{table(thing, exact)}\n\n{told(thing, exact)}\n\n{_END}{after}"
    return page


def steps_of(page: str) -> dict[str, tuple[Step, ...]]:
    """Read the curves of the page, in its order."""
    things = re.findall(re.escape(_begin("THING")).replace("THING", r"(\w+)"), page)
    return {thing: read(page.partition(_begin(thing))[2].partition(_END)[0]) for thing in things}


def _begin(thing: str) -> str:
    return f"<!-- cost of a {thing}; `python -m bench._cost_page` writes it -->"


if __name__ == "__main__":
    main()
