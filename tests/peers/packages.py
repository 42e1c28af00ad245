"""Python packages that only tests talk to: each in a folder of its own below ``build/``, never among ours.

Where peers are required (CI) a missing one is installed there; on a laptop it is used if it is there, and
the test is skipped by name if not. ``python -m tests.peers.packages REQUIREMENT`` installs one by hand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.peers import missing

_HOME: Final = Path(__file__).parents[2] / "build" / "peers"


def package(requirement: str) -> Path:
    """Give the folder that holds *requirement* (``name==version``), for a child's ``PYTHONPATH``."""
    folder = _HOME / requirement
    if not folder.is_dir():
        if os.environ.get("CITYGATE_PEERS") != "required":
            missing(requirement)
        install(requirement)
    return folder


def pages(requirement: str) -> Path:
    """Give the folder with the files of *requirement*, to be read only: this Python may be too old for it."""
    folder = _HOME / requirement
    if not folder.is_dir():
        if os.environ.get("CITYGATE_PEERS") != "required":
            missing(requirement)
        install(requirement, "--no-deps", "--ignore-requires-python")
    return folder


def install(requirement: str, *options: str) -> None:
    """Install *requirement* into its folder, whole or not at all."""
    half = _HOME / f"{requirement}.{os.getpid()}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(half), requirement]
    subprocess.run([*command, *options, "--disable-pip-version-check"], check=True)
    try:
        half.rename(_HOME / requirement)
    except OSError:  # another process was first
        shutil.rmtree(half)


if __name__ == "__main__":
    for one in sys.argv[1:]:
        install(one)
