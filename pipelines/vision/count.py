"""Counts a clip from its first picture to its last."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError
from agent.core.scene import is_odd
from agent.core.vision import Count, Counted
from pipelines.vision.clip import Clip
from pipelines.vision.models.build import opened
from pipelines.vision.models.bundle import read
from pipelines.vision.models.pictures import Tell
from pipelines.vision.picture import Picture
from pipelines.vision.tally import Tally

_OFTEN: Final = 25  # pictures between two words of progress


def count(request: Count, tell: Tell) -> Counted:
    """Count what *request* asks for."""
    bundle = read(Path(request.path))
    detector = opened(bundle.model, bundle.manifest.about.family)
    clip = Clip(Path(request.clip), every=request.every, rate=request.rate)
    tally: Tally | None = None
    first = last = 0.0
    for number, picture in enumerate(clip):
        if tally is None:
            _fits(request, picture)
            first = picture.at
            tally = Tally(request.scene, picture.width / picture.height, first)
        tally.take(detector.find(picture), picture.at)
        last = picture.at
        if number % _OFTEN == 0:
            tell(_progress(clip))
    if tally is None:
        raise GatewayError(f"{request.clip} holds no picture")
    cell = tally.close(last)
    return Counted(seconds=last - first, observed=cell.observed, pictures=cell.pictures, numbers=cell.numbers)


def _fits(request: Count, picture: Picture) -> None:
    """Refuse a clip of another shape than the still: what was drawn would lie elsewhere on it."""
    if request.picture is not None and is_odd(request.picture, picture.width, picture.height):
        wide, high = request.picture
        raise GatewayError(
            f"{request.clip} shows {picture.width} x {picture.height}, and the lines were drawn over"
            f" {wide} x {high}, which is another shape: take a clip of the same stream, or draw anew"
        )


def _progress(clip: Clip) -> str:
    if not clip.frames:
        return f"frame {clip.done}"
    return f"frame {clip.done} of {clip.frames}, {clip.done * 100 // clip.frames} %"
