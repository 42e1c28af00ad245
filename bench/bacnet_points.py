"""A thousand BACnet points every 10 s: CPU and memory of our driver, against a bare bacpypes3 loop.

Each polls the same device of another stack (rusty-bacnet) in a process of its own, value, flags and
reliability of each point, for three beats. Both must get all 1,000 values of every beat.
"""

from __future__ import annotations

import json
import subprocess
import sys

from bench._bacnet import EVERY, POINTS
from bench._report import Figure, show
from tests.peers import bacnet

BEATS = 3


def main() -> None:
    """Run both, one after the other, and tell."""
    with bacnet.rusty(instance=1011, analog_input=POINTS) as device:
        ours, bare = (_run(way, device.address) for way in ("ours", "bacpypes3"))
    for found in (ours, bare):
        assert found["values"] >= POINTS / EVERY * 0.999, "values are missing"
    against = "a bare bacpypes3 loop"
    show([
        Figure(
            name="bacnet_points.cpu", what="CPU, 1,000 points every 10 s", value=ours["cpu"], unit="%",
            against=against, floor=bare["cpu"],
        ),
        Figure(
            name="bacnet_points.rss", what="memory", value=ours["rss"], unit="MB", against=against,
            floor=bare["rss"],
        ),
    ])  # fmt: skip


def _run(way: str, address: str) -> dict[str, float]:
    print(f"{way}: {BEATS * EVERY:.0f} s", flush=True)
    words = [sys.executable, "-m", "bench._bacnet", "points", way, address, str(BEATS * EVERY)]
    found: dict[str, float] = json.loads(subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout)
    return found


if __name__ == "__main__":
    main()
