"""What the last proof of a site found, kept in its state folder for the report; never sent anywhere."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from agent.prove.outcome import State
from agent.prove.run import Proof
from agent.registry import strangers

FILE: Final = "proofs.json"


class Record(Struct, frozen=True, kw_only=True):
    """Proofs of one plan: where, under which policy, when (UTC, ISO 8601) and by which release.

    ``strangers`` are plugins of others, for which no proof speaks.
    """

    place: str
    policy: str
    at: str
    software: str
    proofs: tuple[Proof, ...]
    strangers: tuple[str, ...] = ()

    def count(self, state: State) -> int:
        """Say how many proofs came to *state*."""
        return sum(one.state is state for one in self.proofs)


def keep(record: Record, folder: Path) -> bool:
    """Write *record* into *folder*, whole or not at all; say whether that was possible."""
    part = folder / f"{FILE}.part"
    try:
        line = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        with os.fdopen(line, "wb") as file:
            file.write(text(record))
        part.replace(folder / FILE)
    except OSError:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


def kept(folder: Path) -> Record | None:
    """Read what was kept in *folder*; None if there is nothing, or nothing that can be read."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Record)
    except (OSError, ValueError):
        return None


def text(record: Record) -> bytes:
    """Write *record* as JSON for people and scripts."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def of(place: Sequence[str], policy: str, at: str, software: str, proofs: Sequence[Proof]) -> Record:
    """Make a record of *proofs*."""
    return Record(
        place="/".join(place),
        policy=policy,
        at=at,
        software=software,
        proofs=tuple(proofs),
        strangers=tuple(one.sentence() for one in strangers()),
    )
