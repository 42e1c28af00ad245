"""A private disk: an image file behind a loop device, so that it can be filled up or cut off from power."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """An ext4 file system on an image, mounted at ``path``; ``device`` names its loop device."""

    def __init__(self, image: Path, path: Path, device: str) -> None:
        self.image = image
        self.path = path
        self.device = device

    def copy(self, to: Path) -> None:
        """Take what the disk holds at this moment: what a cut of power would leave."""
        shutil.copyfile(self.image, to)

    def fill(self) -> Path:
        """Write until not a byte is free; give the file that takes it all."""
        path = self.path / "filler"
        with path.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 64):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    os.sync()
        return path


def need_root() -> None:
    """Skip where loop devices cannot be made."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("needs root on Linux: makes a disk of its own on a loop device")


@contextmanager
def new_disk(folder: Path, megabytes: int) -> Iterator[Disk]:
    """Make and mount a fresh disk."""
    image = folder / "disk.img"
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
    with mounted(image, folder / "disk") as disk:
        yield disk


@contextmanager
def mounted(image: Path, path: Path) -> Iterator[Disk]:
    """Mount *image*, replaying its journal as after a cut of power."""
    path.mkdir()
    try:
        device = _run("losetup", "--find", "--show", str(image))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs loop devices: {error.stderr.strip()}")
    try:
        _run("mount", "-o", "noatime", device, str(path))
        try:
            yield Disk(image, path, Path(device).name)
        finally:
            _unmount(path)
    finally:
        _run("losetup", "--detach", device)
        path.rmdir()


def _unmount(path: Path) -> None:
    try:
        _run("umount", str(path))
    except subprocess.CalledProcessError:
        _run("umount", "--lazy", str(path))  # a failing test may still hold files open


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
