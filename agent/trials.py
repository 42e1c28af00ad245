"""What is remembered of bundles, in ``.bundle`` beside the configuration, which only root may change.

``number.json``: the highest that was ever in force, so that no older one comes back. ``trial.json``: one is
on trial, or was when the power failed. ``verdict.json``: how the last trial ended.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec
from msgspec import Struct

from agent.core.errors import ConfigError

T = TypeVar("T")

FOLDER: Final = ".bundle"
CALM: Final = 60.0
_NUMBER: Final = "number.json"
_TRIAL: Final = "trial.json"
_VERDICT: Final = "verdict.json"


class Known(Struct, frozen=True, kw_only=True):
    """A bundle that has been in force: its number, what exactly it was, who signed it."""

    number: int
    digest: str
    signer: str


class Trial(Struct, frozen=True, kw_only=True):
    """A bundle on trial: for how many seconds at most, what was well before, and which files to take back.

    ``calm`` is for how many seconds all must be well without a break. ``added`` are files that were not there
    before; ``stage`` says how far it has come.
    """

    bundle: Known
    patience: float
    stage: Literal["writing", "watching"]
    calm: float = CALM
    well: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


class Verdict(Struct, frozen=True, kw_only=True):
    """How a trial ended, and why, as a sentence."""

    number: int
    signer: str
    kept: bool
    why: str
    at: float


class Tried(Struct, frozen=True, kw_only=True):
    """What a running gateway tells of bundles: the number in force, the one on trial, how the last ended."""

    number: int | None = None
    on_trial: int | None = None
    last: Verdict | None = None
    trouble: str = ""


def tried(folder: Path) -> Tried | None:
    """Give what is remembered beside the configuration in *folder*; None: no bundle has ever come."""
    memory = Memory(folder)
    try:
        known, trial, last = memory.known(), memory.trial(), memory.verdict()
    except ConfigError as error:
        return Tried(trouble=str(error))
    if known is None and trial is None and last is None:
        return None
    number = known.number if known else None
    return Tried(number=number, on_trial=trial.bundle.number if trial else None, last=last)


class Memory:
    """The files in ``.bundle``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / FOLDER

    def known(self) -> Known | None:
        """Give the bundle with the highest number that was in force."""
        return self._read(_NUMBER, Known)

    def trial(self) -> Trial | None:
        """Give the trial that goes on; None: there is none."""
        return self._read(_TRIAL, Trial)

    def verdict(self) -> Verdict | None:
        """Give how the last trial ended."""
        return self._read(_VERDICT, Verdict)

    def begin(self, trial: Trial) -> None:
        """Write down that a trial goes on; called before anything is changed."""
        self._write(_TRIAL, trial)

    def end(self, trial: Trial, verdict: Verdict) -> None:
        """Write down how it ended: a bundle that was kept is the one that none older may follow."""
        if verdict.kept:
            self._write(_NUMBER, trial.bundle)
        self._write(_VERDICT, verdict)
        (self.folder / _TRIAL).unlink(missing_ok=True)
        sync(self.folder)

    def _read(self, name: str, kind: type[T]) -> T | None:
        place = self.folder / name
        try:
            return msgspec.json.decode(place.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"{place} cannot be read ({error}), so nobody can say which bundle was in force;"
                " remove it to begin anew"
            ) from error

    def _write(self, name: str, value: Any) -> None:  # noqa: ANN401 - one of the structs above
        self.folder.mkdir(mode=0o755, exist_ok=True)
        replace(self.folder / name, msgspec.json.encode(value) + b"\n", 0o644)


def replace(place: Path, data: bytes, mode: int) -> None:
    """Put *data* at *place*; a power cut leaves the old or the new file."""
    beside = place.with_name(f".{place.name}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)
    beside.replace(place)
    sync(place.parent)


def sync(folder: Path) -> None:
    """Bring the names in *folder* to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
