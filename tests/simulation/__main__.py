"""Simulates many seeds, and prints those that fail with what happened in them.

python -m tests.simulation [--seeds 500] [--first 0] [--hours 3]
python -m tests.simulation --first 17 --seeds 1 --history
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from multiprocessing import Pool
from pathlib import Path
from types import FrameType

from tests.simulation.run import HOURS, run

_CORES = 2
_PATIENCE = 180  # seconds of this computer for one seed: one that turns in a circle has to show


def main() -> int:
    """Simulate; 1 if a seed fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, default=500, help="how many (%(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--hours", type=float, default=HOURS, help="of trouble in each (%(default)s)")
    parser.add_argument("--history", action="store_true", help="tell what happened in each")
    args = parser.parse_args()
    wanted = [(seed, args.hours) for seed in range(args.first, args.first + args.seeds)]
    begun, bad, messages = time.monotonic(), [], 0
    with Pool(_CORES if len(wanted) > 1 else 1) as pool:
        for number, (seed, faults, history, seen) in enumerate(pool.imap_unordered(one, wanted), 1):
            messages += seen
            if faults or args.history:
                _say("\n".join((f"seed {seed}:", *history, *(f"  WRONG {fault}" for fault in faults))))
            bad += [seed] if faults else []
            if not number % 25:
                _say(f"{number} of {len(wanted)} seeds, {len(bad)} bad, {time.monotonic() - begun:.0f} s")
    took = time.monotonic() - begun
    _say(f"{len(wanted)} seeds, {messages} messages, {took:.0f} s; bad: {sorted(bad) or 'none'}")
    return 1 if bad else 0


def one(job: tuple[int, float]) -> tuple[int, list[str], list[str], int]:
    """Simulate one seed; give what is wrong, what happened, and how many messages came."""
    seed, hours = job
    signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_PATIENCE)
    with tempfile.TemporaryDirectory(prefix="citygate-sim-", dir=_memory()) as name:
        try:
            world = run(seed, Path(name), hours=hours)
        except TimeoutError as error:
            return seed, [f"it does not end: {error}"], [], 0
        except Exception as error:
            raise RuntimeError(f"seed {seed}") from error
        finally:
            signal.alarm(0)
        return seed, world.faults, world.history, sum(books.messages for books in world.books.values())


def _give_up(_number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"after {_PATIENCE} s it stood at {frame}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it


if __name__ == "__main__":
    sys.exit(main())
