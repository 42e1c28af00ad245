"""Lets a small real site break at random for hours, and judges what grew and what was lost.

python -m tests.soak [--hours 1] [--seed 1]

Samples and troubles go to build/soak/, a line of JSON each; the last line is the verdict.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest

from tests.soak.samples import Sample, look
from tests.soak.site import Scene, asked, scene
from tests.soak.troubles import TROUBLES, killed, restarted
from tests.soak.verdict import Soaked, Verdict, judge, spoken

_BEAT = 10.0  # seconds between two samples
_CALM = (5.0, 25.0)  # seconds between two troubles
_LONG = (3.0, 45.0)  # seconds that a trouble lasts
_RESTS = 90.0  # seconds of calm at the end
_PATIENCE = 180.0  # seconds in which all must be well again
_PROGRESS = 60.0
_DAY = 24  # hours
_ENDS = ((300.0, killed), (600.0, restarted))  # in each day; what follows is one long run
_FOLDER = Path("build") / "soak"


def main() -> int:
    """Soak; 1 if something is wrong or not shown, 2 if it cannot be done here."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=1.0, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="what decides the troubles (%(default)s)")
    args = parser.parse_args()
    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}-seed{args.seed}.jsonl"
    try:
        with (
            path.open("w", encoding="utf-8") as file,
            tempfile.TemporaryDirectory(prefix="citygate-") as name,
        ):
            verdict = asyncio.run(Soak(file, args.hours, args.seed).run(Path(name)))
    except pytest.skip.Exception as error:
        _say(f"cannot soak here: {error}")
        return 2
    _say(f"{spoken(verdict)}\n{path}")
    return 1 if verdict.faults or verdict.doubts else 0


class Soak:
    """One run: troubles and samples side by side, then the verdict."""

    def __init__(self, file: IO[str], hours: float, seed: int) -> None:
        self._file = file
        self._hours = hours
        self._seed = seed
        self._chance = random.Random(seed)
        self._begun = time.monotonic()
        self._life = 1
        self._samples: list[Sample] = []
        self._counts: Counter[str] = Counter()

    async def run(self, room: Path) -> Verdict:
        """Soak in *room*."""
        async with scene(room) as site:
            sampling = asyncio.create_task(self._sample(site))
            await self._ready(site)
            await self._trouble(site)
            await asyncio.sleep(_RESTS)
            left = await self._recovered(site)
            sampling.cancel()
            await asyncio.gather(sampling, return_exceptions=True)
            what = Soaked(self._hours, self._seed, tuple(self._samples), dict(self._counts), left)
            verdict = judge(site, what)
        self._line("verdict", msgspec.to_builtins(verdict))
        return verdict

    async def _trouble(self, site: Scene) -> None:
        """Let one thing after the other break; at the beginning of each day the gateway dies twice."""
        share = min(1.0, self._hours)
        days = range(0, max(1, round(self._hours)), _DAY)
        ends = [(3600 * hour + share * at, how) for hour in days for at, how in _ENDS]
        while (now := self._now()) < self._hours * 3600 - _RESTS:
            await asyncio.sleep(self._chance.uniform(*_CALM))
            if ends and now >= ends[0][0]:
                _, end = ends.pop(0)
                self._note(end.__name__, 0.0)
                self._life += 1
                await end(site)
                await self._ready(site)
                continue
            trouble, seconds = self._chance.choice(TROUBLES), self._chance.uniform(*_LONG)
            self._note(trouble.__name__, seconds)
            await trouble(site, seconds)

    async def _sample(self, site: Scene) -> None:
        told = 0.0
        while True:
            await asyncio.sleep(_BEAT)
            found = await asyncio.to_thread(look, site, self._now(), self._life)
            if found is None:
                continue
            self._samples.append(found)
            self._line("sample", msgspec.to_builtins(found))
            if found.at - told >= _PROGRESS:
                told = found.at
                _say(
                    f"{found.at / 60:5.1f} min  {found.rss / 1e6:5.1f} MB  {found.handles} handles"
                    f"  lag {found.lag:g} ms  queue {found.queue}  {found.windows} messages  {found.state}"
                    f"  {sum(self._counts.values())} troubles"
                )

    async def _ready(self, site: Scene) -> None:
        begun = time.monotonic()
        while not await asyncio.to_thread(asked, site.daemon.socket):
            assert time.monotonic() - begun < _PATIENCE, site.journal.text()
            await asyncio.sleep(0.2)

    async def _recovered(self, site: Scene) -> str:
        """Wait until all is well; else say what is not."""
        begun = time.monotonic()
        while left := await asyncio.to_thread(self._left, site):
            if time.monotonic() - begun > _PATIENCE:
                return left
            await asyncio.sleep(1.0)
        return ""

    def _left(self, site: Scene) -> str:
        told: Any = asked(site.daemon.socket)
        if not told:
            return "the gateway does not answer"
        if told["state"] != "online":
            return f"minutes after the last trouble: {told['sentence']}"
        if missing := site.books.undeclared():
            return f"{len(missing)} windows neither came nor are declared"
        return ""

    def _note(self, name: str, seconds: float) -> None:
        self._counts[name] += 1
        self._line("trouble", {"at": self._now(), "name": name, "seconds": round(seconds, 1)})

    def _line(self, kind: str, what: dict[str, Any]) -> None:
        self._file.write(msgspec.json.encode({"kind": kind, **what}).decode() + "\n")
        self._file.flush()

    def _now(self) -> float:
        return round(time.monotonic() - self._begun, 1)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
