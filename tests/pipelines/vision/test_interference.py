"""Pixels do not matter, motion does: equal motion in other pixels leaves the same bytes."""

from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from msgspec import json

from agent.core.sight import Watch, cells
from pipelines.vision.arrays import Pixels
from pipelines.vision.clip import Clip
from pipelines.vision.eye import Eye
from pipelines.vision.models.build import opened
from pipelines.vision.wire import Wire
from tests.pipelines.vision.clips import SQUARE, across, clip, toy
from tests.pipelines.vision.watched import camera


def egress(film: Path, folder: Path) -> bytes:
    """Give every byte that leaves for one clip, which is looked at picture by picture."""
    watch = Watch(cameras=(camera(film, folder),), width=5, offset=0.0)
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.send(json.encode(watch))
    wire = Wire(far.detach())
    table = cells(watch)
    eye, detector = Eye(watch.cameras[0], table, 0.0), opened(toy().SerializeToString(), "yolox")
    left, bucket = b"", 0
    for still in Clip(film):
        if still.at >= (bucket + 1) * 5:
            wire.numbers(eye.close((bucket + 1) * 5), bucket, (bucket + 1) * 5 * 10**9)
            left += b"".join(near.recv(64) for _ in table)
            bucket += 1
        eye.look(still, detector)
    near.close()
    wire.close()
    return left


def papered(picture: Pixels, seed: int) -> Pixels:
    """Paint another face onto each square, and another wall behind it."""
    chance = np.random.default_rng(seed)
    wall = chance.integers(0, 12, (picture.shape[0] // 8, picture.shape[1] // 8, 3), dtype=np.uint8)
    face = chance.integers(0, 12, (SQUARE // 8, SQUARE // 8, 3), dtype=np.uint8)
    walls = wall.repeat(8, axis=0).repeat(8, axis=1)
    faces = np.tile(face.repeat(8, axis=0).repeat(8, axis=1), (8, 10, 1))
    return np.where(picture > 128, picture - faces, picture + walls).astype(np.uint8)


def test_other_pixels_of_the_same_motion_leave_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.pipelines.vision import clips

    plain = clips.picture
    told = []
    for seed in (1, 2):
        monkeypatch.setattr(clips, "picture", lambda *words, seed=seed: papered(plain(*words), seed))
        told.append(egress(clip(tmp_path / f"{seed}.mp4", 75, across), tmp_path))
    monkeypatch.setattr(clips, "picture", plain)
    still = egress(clip(tmp_path / "still.mp4", 75, lambda _: [(64, 64)]), tmp_path)
    assert (tmp_path / "1.mp4").read_bytes() != (tmp_path / "2.mp4").read_bytes()
    assert len(told[0]) == 2 * 7 * 32
    assert told[0] == told[1]
    assert told[0] != still
