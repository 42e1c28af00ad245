"""CPU time of commands in a fresh process, against bare interpreters that do the least.

For `check` the least is to import what reads TOML, for `--help` nothing.
The first run of each, which is not counted, leaves compiled modules in a folder of its own, as an
installation has them; a variable that forbids to write them is not passed on. Runs alternate, the smallest
counts: what the machine adds is not ours.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from bench._report import Figure, show
from bench._site import as_installed

_SITE = Path(__file__).parent.parent / "config" / "templates" / "demo"
_FLOORS = {"check": "import msgspec, tomllib", "help": "pass"}
_RUNS = 9


def cpu_seconds(environment: dict[str, str], *words: str) -> float:
    """Give user and system time of one run of the interpreter."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-P", *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure the commands that people wait for."""
    cases = {
        **{f"floor of {name}": ("-c", code) for name, code in _FLOORS.items()},
        "check": ("-m", "agent", "check", str(_SITE)),
        "help": ("-m", "agent", "--help"),
    }
    best = dict.fromkeys(cases, float("inf"))
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as compiled:
        environment = as_installed(Path(compiled))
        for number in range(_RUNS + 1):
            for name, words in cases.items():
                taken = cpu_seconds(environment, *words)
                best[name] = min(best[name], taken) if number else best[name]
    show([
        Figure(
            name=f"check_cold.{name}", what=f"CPU of a cold `citygate {word}`", value=best[name], unit="s",
            against=f'python -c "{_FLOORS[name]}"', floor=best[f"floor of {name}"],
            aim=0.15 if name == "check" else None,
        )
        for name, word in (("check", "check"), ("help", "--help"))
    ])  # fmt: skip


if __name__ == "__main__":
    main()
