"""A million rows of backlog on their way to a broker that is back: pace, memory, and what live windows wait.

`make bench-drain` drains a million, which takes some minutes; `python -m bench.drain 40000` fewer. A window
is published each second meanwhile; it is committed within a second, and must not wait for the backlog.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from bench._report import Figure, show
from tests.faults.test_backlog import GROWTH, WINDOW, drain

ROWS = 1_000_000


def main() -> None:
    """Print the figures."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name:
        found = asyncio.run(drain(Path(name), rows))
    print(f"{rows} rows, {found.rate:.0f} a second")
    show([
        Figure(name="drain.row_time", what="time a row, its broker on the same processors",
               value=1e6 / found.rate, unit="us", against="the rate of a recipient, 50/s", floor=20_000.0),
        Figure(name="drain.rss_growth", what=f"memory that {rows} rows cost", value=found.growth, unit="MB",
               against="what is allowed", floor=GROWTH, aim=GROWTH),
        Figure(name="drain.live_delay", what="the latest live window meanwhile", value=found.latest, unit="s",
               against="commit and window", floor=WINDOW + 1.0, aim=WINDOW + 1.0),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
