"""``python -m release lock`` writes the lock; ``deb [TARGET...]`` makes packages into dist/."""

from __future__ import annotations

import argparse
import shutil

from release import lock
from release.deb import build
from release.targets import ROOT, TARGETS


def main() -> None:
    """Do what the words say."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    ways = parser.add_subparsers(dest="way", required=True)
    ways.add_parser("lock", help="look for the newest wheels, and write their hashes to release/lock/")
    deb = ways.add_parser("deb", help="make packages into dist/TARGET/")
    deb.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; default: all")
    args = parser.parse_args()
    if args.way == "lock":
        lock.write()
        return
    if unknown := set(args.targets) - TARGETS.keys():
        parser.error(f"unknown target {', '.join(sorted(unknown))}; known: {', '.join(TARGETS)}")
    for name in args.targets or TARGETS:
        out = ROOT / "dist" / name
        shutil.rmtree(out, ignore_errors=True)
        for path in build(TARGETS[name], out):
            print(f"{path.relative_to(ROOT)}  {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
