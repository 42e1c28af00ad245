"""Simulates many seeds, and prints those that fail with what happened in them.

python -m tests.simulation [--seeds 500] [--first 0] [--hours 3]
python -m tests.simulation --first 17 --seeds 1 --history
python -m tests.simulation --planted [--seeds 200]
python -m tests.simulation --year [--days 365] [--first 1]
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

from tests.simulation.planted import PLANTED, seed_that_finds
from tests.simulation.run import HOURS, run, year

_CORES = 2
_SEEDS = 500
_FOUND_WITHIN = 200
_PATIENCE = 180  # seconds of this computer for one seed: one that turns in a circle has to show


def main() -> int:
    """Simulate; 1 if a seed fails."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--seeds", type=int, help="how many (500; 200 for planted defects)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (%(default)s)")
    parser.add_argument("--hours", type=float, default=HOURS, help="of trouble in each (%(default)s)")
    parser.add_argument("--history", action="store_true", help="tell what happened in each")
    parser.add_argument(
        "--planted", action="store_true", help="tell which seed is the first to find each planted defect"
    )
    parser.add_argument("--year", action="store_true", help="simulate a year of twenty devices")
    parser.add_argument("--days", type=float, default=365.0, help="of that year (%(default)s)")
    args = parser.parse_args()
    if args.planted:
        return _plant(args.seeds or _FOUND_WITHIN)
    return _live_a_year(args) if args.year else _simulate(args)


def _simulate(args: argparse.Namespace) -> int:
    wanted = [(seed, args.hours) for seed in range(args.first, args.first + (args.seeds or _SEEDS))]
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


def _plant(within: int) -> int:
    """Write a table of the planted defects; 1 if one is not found *within* so many seeds."""
    _say("| defect | found by seed |\n|---|--:|")
    missed = 0
    with Pool(_CORES) as pool:
        for defect, seed in pool.imap(planted, [(defect, within) for defect in PLANTED], chunksize=1):
            missed += seed is None
            _say(f"| {defect} | {'none' if seed is None else seed} |")
    return 1 if missed else 0


def _live_a_year(args: argparse.Namespace) -> int:
    """Simulate a year; 1 if something is wrong with it."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="citygate-sim-", dir=_memory()) as name:
        world = year(args.first, Path(name), days=args.days)
    messages = sum(books.messages for books in world.books.values())
    most = max(world.sizes, default=0) / 1e6
    _say("\n".join((*world.history[-50:] * bool(world.faults), *(f"  WRONG {one}" for one in world.faults))))
    _say(
        f"{args.days:g} days, seed {args.first}: {messages} messages, {len(world.sizes)} troubles, the outbox"
        f" {most:.1f} MB at most, {time.monotonic() - begun:.0f} s; faults: {len(world.faults) or 'none'}"
    )
    return 1 if world.faults else 0


def planted(job: tuple[str, int]) -> tuple[str, int | None]:
    """Give the first seed that finds one defect."""
    defect, within = job
    with tempfile.TemporaryDirectory(prefix="citygate-sim-", dir=_memory()) as name:
        return defect, seed_that_finds(defect, Path(name), within=within)


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
