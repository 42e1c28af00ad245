"""Brings the locked wheels of a target here, and makes our own; only this step needs a network, and once."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from release import lock
from release.targets import BUILD, ROOT, Target


def locked(name: str, target: Target) -> list[Path]:
    """Give the wheels of the lock *name* for *target*, bringing those that are not here yet."""
    folder = BUILD / "wheels" / target.name / name
    wishes = lock.read(name)
    if not _complete(folder, wishes):
        shutil.rmtree(folder, ignore_errors=True)
        file = lock.FOLDER / f"{name}.txt"
        words = ["--quiet", "--no-deps", "--require-hashes", *target.pip(), "--dest", str(folder)]
        lock.pip("download", *words, "--requirement", str(file))
    return sorted(folder.glob("*.whl"))


def _complete(folder: Path, wishes: lock.Lock) -> bool:
    here = {hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.whl")}
    return len(here) == len(wishes) and all(here & hashes for hashes in wishes.values())


def own(epoch: int) -> Path:
    """Build the wheel of this source with the locked tools: the same bytes for the same *epoch*."""
    out = BUILD / "own"
    shutil.rmtree(out, ignore_errors=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "PYTHONPATH": str(_tools())}
    lock.pip(
        "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(out), str(ROOT),
        environment=environment,
    )  # fmt: skip
    [found] = out.glob("citygate-*.whl")
    return found


def _tools() -> Path:
    """Give the folder of the tools that make a wheel; installed anew when the lock names others."""
    file = lock.FOLDER / "build.txt"
    folder = BUILD / "tools" / hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    if not folder.is_dir():
        shutil.rmtree(folder.parent, ignore_errors=True)
        words = ["--quiet", "--no-deps", "--require-hashes", "--no-compile", "--requirement", str(file)]
        half = folder.with_suffix(".half")
        lock.pip("install", *words, "--target", str(half))
        half.rename(folder)
    return folder


def epoch() -> int:
    """Give the second that all files of a release carry: SOURCE_DATE_EPOCH, or the last commit's."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    words = ["git", "log", "-1", "--format=%ct"]
    return int(subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
