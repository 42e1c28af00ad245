"""Tries one target for a while in a process of its own; a guide sees what the code does with each input.

python -m tests.fuzz.worker modbus-rtu build/fuzz/modbus-rtu --seconds 10 --seed 7 [--guided]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec import json

from tests.fuzz.catalogue import target
from tests.fuzz.engine import Engine, Finding, resident, seeds_of
from tests.fuzz.slate import Slate

FOUND: Final = 77
"""The status of a process that has found something; libFuzzer's own."""
_WEIGHED: Final = 512
_PATIENCE: Final = 10
_MOST_MEMORY: Final = 2000


def main() -> int:
    """Try; FOUND if something was found, which stands in ``finding.json`` of the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.worker", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("target")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guided", action="store_true")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with TemporaryDirectory(prefix="citygate-fuzz-", dir=_memory()) as scratch:
        return (_guided if args.guided else _blind)(args, Path(scratch))


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of our own in it


def _blind(args: argparse.Namespace, scratch: Path) -> int:
    slate = Slate(args.folder / "slate")
    with Engine(target(args.target), scratch, args.seed) as engine:
        engine.seeds += [one.read_bytes() for one in sorted((args.folder / "corpus").glob("*"))]
        run = engine.run

        def noted(data: bytes) -> None:
            slate.note(data)
            if not slate.executions % _WEIGHED:
                slate.weigh(resident())
            run(data)

        engine.run = noted
        found = engine.seeded() or engine.during(args.seconds)
    if found:
        _keep(args.folder, found)
    return FOUND if found else 0


def _guided(args: argparse.Namespace, scratch: Path) -> int:
    """Hand over to libFuzzer, which does not come back."""
    import atheris

    with atheris.instrument_imports(include=["agent", "drivers", "pipelines"]):
        chosen = target(args.target)
    slate, engine = Slate(args.folder / "slate"), Engine(chosen, scratch)
    engine.__enter__()
    seeds = scratch / "handed"
    seeds.mkdir()
    for number, seed in enumerate(seeds_of(chosen, scratch)):
        (seeds / str(number)).write_bytes(seed)

    def noted(data: bytes) -> None:
        slate.note(data)
        if not slate.executions % _WEIGHED:
            slate.weigh(resident())
        if found := engine.tried(data):
            _keep(args.folder, found)
            raise AssertionError(found.what)

    (scratch / "words").write_text("".join(map(_word, chosen.words)), "ascii")
    atheris.Setup(
        [sys.argv[0], *_options(args, scratch, chosen.longest), str(args.folder / "corpus"), str(seeds)],
        noted,
    )
    atheris.Fuzz()
    return 0


def _word(word: bytes) -> str:
    """Write a word as libFuzzer's dictionaries do."""
    return '"' + "".join(rf"\x{byte:02x}" for byte in word) + '"\n'


def _options(args: argparse.Namespace, scratch: Path, longest: int) -> list[str]:
    given: dict[str, Any] = {
        "max_total_time": round(args.seconds),
        "max_len": longest,
        "timeout": _PATIENCE,
        "rss_limit_mb": _MOST_MEMORY,
        "seed": args.seed or 1,
        "artifact_prefix": f"{args.folder}/",
        "print_final_stats": 1,
    }
    if (scratch / "words").stat().st_size:
        given["dict"] = scratch / "words"
    return [f"-{name}={value}" for name, value in given.items()]


def _keep(folder: Path, found: Finding) -> None:
    (folder / "finding.json").write_bytes(json.encode(found))


if __name__ == "__main__":
    sys.exit(main())
