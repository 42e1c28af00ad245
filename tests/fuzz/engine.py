"""Tries mutants of a target's seeds one after the other, and says which of them do what must not happen."""

from __future__ import annotations

import logging
import signal
import time
import traceback
from pathlib import Path
from random import Random
from types import FrameType
from typing import Final

from msgspec import Struct

from tests.fuzz.mutate import Mutator
from tests.fuzz.target import SEEDS, Run, Target

PATIENCE: Final = 10.0  # seconds for one input, on a computer that others use as well
_PAGE: Final = 4096


class Finding(Struct, frozen=True):
    """Bytes that do what must not happen, and what that is."""

    data: bytes
    what: str
    trace: str


class HangError(BaseException):
    """The reader does not come to an end; nothing that it catches may hide this."""


class Engine:
    """One target under trial; the same seed tries the same bytes."""

    def __init__(self, target: Target, folder: Path, seed: int = 0) -> None:
        self.executions = 0
        self.run: Run = target.prepare(folder)
        self.seeds = seeds_of(target, folder)
        self._rng = Random(seed)
        self._mutator = Mutator(self._rng, target.words, target.longest)

    def seeded(self) -> Finding | None:
        """Try the seeds as they are."""
        return next((found for one in self.seeds if (found := self.tried(one))), None)

    def some(self, executions: int) -> Finding | None:
        """Try *executions* mutants, or fewer where one is a finding."""
        for _ in range(executions):
            parent, other = self._rng.choice(self.seeds), self._rng.choice(self.seeds)
            if found := self.tried(self._mutator.mutant(parent, other)):
                return found
        return None

    def during(self, seconds: float) -> Finding | None:
        """Try mutants for *seconds*, or until one is a finding."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if found := self.some(20):
                return found
        return None

    def tried(self, data: bytes) -> Finding | None:
        """Try *data*."""
        self.executions += 1
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            self.run(data)
        except (Exception, HangError) as error:  # noqa: BLE001 - whatever escapes a reader is the finding
            return Finding(data, f"{type(error).__name__}: {str(error)[:300]}", traceback.format_exc())
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return None

    def __enter__(self) -> Engine:
        self._before = signal.signal(signal.SIGALRM, _give_up)
        logging.disable()  # what readers tell of damage, by the million
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGALRM, self._before)
        logging.disable(logging.NOTSET)


def seeds_of(target: Target, folder: Path) -> list[bytes]:
    """Give what *target* is known to understand; *folder* is the one that it was prepared with."""
    made = folder / SEEDS
    return [*target.seeds(), *(one.read_bytes() for one in sorted(made.glob("*")))]


def resident() -> int:
    """Give the bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE


def _give_up(_number: int, frame: FrameType | None) -> None:
    raise HangError(f"more than {PATIENCE:g} s; it stood at {frame}")
