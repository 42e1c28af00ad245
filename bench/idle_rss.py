"""Memory of a whole gateway with one Modbus link and one broker, against a bare process that holds both.

The bare one polls with pymodbus and keeps an aiomqtt session, no more (`bench/_bare.py`). RSS counts shared
libraries in full, PSS their share; ``/proc/PID/smaps_rollup`` tells both, after both have settled.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

from bench._report import Figure, show
from bench._site import as_installed, gateway, meter_port, peers, start, wait_for, warm

_SETTLE = 12.0
_AIMS = {"Rss": 35.0, "Pss": None}


def memory(process: int) -> dict[str, float]:
    """Give RSS and PSS of *process* in MB."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    fields = (line.split() for line in text.splitlines()[1:])
    return {field[0].rstrip(":"): int(field[1]) * 1024 / 1e6 for field in fields}


def main() -> None:
    """Let both settle beside each other, and look."""
    with peers() as (site, port), ExitStack() as stack:
        warm(site)
        words = ("bench._bare", str(meter_port(site)), str(port))
        bare = start(stack, *words, environment=as_installed(site.folder / "compiled"))
        assert bare.stdout is not None
        assert bare.stdout.readline() == "ready\n"
        with gateway(site) as process:
            wait_for(site.socket)
            time.sleep(_SETTLE)
            ours, floor = memory(process.pid), memory(bare.pid)
    show([
        Figure(
            name=f"idle_rss.{word.lower()}", what=f"{word.upper()} of an idle gateway", value=ours[word],
            unit="MB", against="bare aiomqtt and pymodbus", floor=floor[word], aim=aim,
        )
        for word, aim in _AIMS.items()
    ])  # fmt: skip


if __name__ == "__main__":
    main()
