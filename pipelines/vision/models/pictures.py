"""A few pictures of some clips, spread over their length: to calibrate a model with and to compare it on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pipelines.vision.arrays import Pixels
from pipelines.vision.clip import Clip
from pipelines.vision.picture import Picture

_PER_CLIP: Final = 24
_WIDEST: Final = 640  # pixels; no model here takes more, and full frames would fill the memory
_USUAL: Final = 300  # frames, where a file does not say how many it holds

Tell = Callable[[str], None]


class Kept:
    """A picture that is held in memory, scaled down."""

    def __init__(self, pixels: Pixels, at: float) -> None:
        self.at = at
        self.height, self.width = pixels.shape[:2]
        self._pixels = pixels

    def bgr(self, width: int, height: int) -> Pixels:
        """Scale it."""
        import cv2

        area = cv2.INTER_AREA if width < self.width else cv2.INTER_LINEAR
        scaled: Pixels = cv2.resize(self._pixels, (width, height), interpolation=area)  # type: ignore[assignment]
        return scaled


def some(clips: Sequence[str], tell: Tell) -> list[Picture]:
    """Read the pictures of all *clips*."""
    kept: list[Picture] = []
    for name in clips:
        tell(f"reading pictures of {Path(name).name}")
        clip = Clip(Path(name))
        step = first = 0
        for number, picture in enumerate(clip):
            if not step:
                step = max(1, (clip.frames or _USUAL) // _PER_CLIP)
                first = step // 2
            if number % step == first:
                scale = min(1.0, _WIDEST / picture.width)
                size = round(picture.width * scale), round(picture.height * scale)
                kept.append(Kept(picture.bgr(*size), picture.at))
    return kept
