"""A pattern in the pictures is found in nothing that leaves the gateway, and in nothing that it keeps."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from agent.prove.pictures import forms, pictures
from tests.faults.cameras import City, lossless, scene
from tests.faults.site import until
from tests.pipelines.vision.clips import HEIGHT, WIDTH

CANARY = bytes(np.random.default_rng(1).integers(0, 13, 16, dtype=np.uint8))
WALL = np.resize(np.frombuffer(CANARY, np.uint8), (HEIGHT, WIDTH))
KEPT = ("daemon.log", "config", "state", "control.sock")


def traces(data: bytes) -> list[str]:
    """Name what of the pictures is in *data*: the canary in any form, or the file of a picture."""
    return [f"canary, {form}" for form, text in forms(CANARY) if text in data] + pictures(data)


def encoded(kind: str) -> bytes:
    _, file = cv2.imencode(kind, WALL)
    return file.tobytes()


PICTURES: dict[str, Callable[[], bytes]] = {
    "raw": WALL.tobytes,
    "jpeg": lambda: encoded(".jpg"),
    "png": lambda: encoded(".png"),
    "webp": lambda: encoded(".webp"),
}
DRESSES: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "base64": b64encode,
    "hex": lambda data: data.hex().encode(),
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("before", [0, 1, 2])
def test_a_planted_picture_is_found_in_every_form(picture: str, dress: str, before: int) -> None:
    left = b'{"text":"' + DRESSES[dress](b"x" * before + PICTURES[picture]()) + b'"}'
    assert traces(left)
    assert not traces(left[: 9 + before])


def test_the_clip_holds_the_canary_as_it_is(tmp_path: Path) -> None:
    with av.open(str(lossless(tmp_path / "clip.mkv", 2, WALL))) as container:
        plane = next(container.decode(video=0)).planes[0]
        assert CANARY in bytes(plane)


def found_in(folder: Path) -> tuple[set[str], list[str]]:
    """Give the names of the files that the gateway keeps, and what of the pictures is in them."""
    kept = [one for name in KEPT for one in [folder / name, *(folder / name).rglob("*")] if one.is_file()]
    found = [f"{one}: {trace}" for one in kept for trace in traces(one.read_bytes())]
    return {one.name for one in kept}, found


def told_of(city: City) -> bool:
    """Say whether somebody was counted."""
    return any(row[2] for body in city.bodies("square-flow") for row in body["r"])


@pytest.mark.long
def test_the_pictures_are_in_nothing_that_leaves_or_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = lossless(tmp_path / "clip.mkv", 30, WALL)
    with scene(tmp_path, monkeypatch, {"square": (film, "toy", "")}) as site:
        until(lambda: told_of(site.city), seconds=30, what="a count")
        assert site.figures("square")["confined"] == "yes"
        names, found = found_in(tmp_path)
        site.daemon.stop()
        left = b"\n".join(site.city.raw)
    assert {"outbox.db", "outbox.db-wal", "daemon.log"} <= names
    assert found + found_in(tmp_path)[1] == []
    assert traces(left) == []
