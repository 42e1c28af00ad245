"""Runs the real ``citygate-vision watch`` and hears what it says, as the agent would."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import convert, json

from agent.core.scene import Scene
from agent.core.sight import RECORD, UNCONFINED, Camera, Watch, What, cells
from agent.core.vision import About, Manifest
from pipelines.vision.models.bundle import Bundle, digest, write
from tests.pipelines.vision.clips import toy

GATE = convert({"lines": {"gate": {"from": [0.5, 0.95], "to": [0.5, 0.05]}}}, Scene)
PROGRAM = Path(sys.executable).with_name("citygate-vision")


class Said(NamedTuple):
    """One record, read."""

    what: What
    value: int
    cell: int
    bucket: int
    unconfined: bool


class Watching:
    """One process, from the plan to its end."""

    def __init__(self, process: subprocess.Popen[bytes], near: socket.socket, watch: Watch) -> None:
        self.process = process
        self.raw: list[bytes] = []
        self._near = near
        self._table = cells(watch)

    def hear(self, seconds: float = 10.0) -> Said | None:
        """Give the next record; None when the process has hung up."""
        self._near.settimeout(seconds)
        packet = self._near.recv(64)
        if not packet:
            return None
        self.raw.append(packet)
        _, kind, cell, bucket, _, value, _, _ = RECORD.unpack(packet)
        return Said(What(kind & ~UNCONFINED), value, cell, bucket, bool(kind & UNCONFINED))

    def until(self, *what: What, value: int | None = None, seconds: float = 15.0) -> Said:
        """Give the next record of one of these kinds, with this value if any."""
        end = time.monotonic() + seconds
        while (said := self.hear(end - time.monotonic())) is not None:
            if said.what in what and value in (None, said.value):
                return said
        raise AssertionError(f"it ended with {self.process.wait(10)} before it said {what}")

    def numbers(self) -> dict[str, float | None]:
        """Give all numbers of the next bucket by name, of several cameras those of the last one."""
        told: dict[str, float | None] = {}
        for _ in self._table:
            said = self.until(What.NUMBER, What.UNKNOWN)
            cell = self._table[said.cell]
            told[cell.name] = said.value / cell.scale if said.what is What.NUMBER else None
        return told


@contextmanager
def watching(
    cameras: Sequence[Camera], *, width: int = 1, words: Sequence[str] = (), before: Sequence[str] = ()
) -> Iterator[Watching]:
    """Run the process for as long as the block lasts."""
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    watch = Watch(cameras=tuple(cameras), width=width, offset=offset)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    process = subprocess.Popen(
        [*before, str(PROGRAM), "watch", "--fd", str(far.fileno()), *words],
        pass_fds=[far.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, env={**environment, "HOME": "/nonexistent"},
    )  # fmt: skip
    far.close()
    with process, near:
        try:
            near.send(json.encode(watch))
            yield Watching(process, near, watch)
        finally:
            near.close()
            try:
                process.wait(10)
            finally:
                process.kill()


def bundle(folder: Path, model: bytes | None = None) -> Path:
    """Install a network that takes white squares for people."""
    data = toy().SerializeToString() if model is None else model
    about = About(family="yolox", label="Toy", classes=("person",), licence="none")
    manifest = Manifest(
        name="toy", about=about, source="here", size=(256, 320), int8=False,
        sha256=digest(data), reference_sha256=digest(data),
    )  # fmt: skip
    write(Bundle(manifest, data, data), folder / "toy.citymodel")
    return folder / "toy.citymodel"


def camera(source: str | Path, model: Path, **more: Any) -> Camera:  # noqa: ANN401 - fields of a camera
    """Give a camera with one line in its middle."""
    where = source if isinstance(source, str) else f"file:{source}"
    return Camera(name="square", source=where, model=str(model), scene=GATE, **more)
