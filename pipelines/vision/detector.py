"""Finds people and vehicles in a picture: scales it for the model, runs that, and reads the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from agent.core.errors import GatewayError
from pipelines.vision.arrays import Floats, Pixels, Tensor
from pipelines.vision.boxes import Found, strongest
from pipelines.vision.families.family import Family, Rows, Shape
from pipelines.vision.families.nanodet import Nanodet
from pipelines.vision.families.ssd import Ssd
from pipelines.vision.families.yolox import Yolox
from pipelines.vision.picture import Picture
from pipelines.vision.runtime import Session
from pipelines.vision.tracker import WEAK

_FAMILIES: Final[dict[str, type[Yolox | Nanodet | Ssd]]] = {"yolox": Yolox, "nanodet": Nanodet, "ssd": Ssd}
_GREY: Final = 114  # what the networks were taught to see around a picture


class Answer(NamedTuple):
    """What a model told of one picture, as little of it as is needed to read it later."""

    rows: Rows
    least: float
    scale: Floats  # from pixels of the input to heights of the picture


class Detector:
    """One model for all cameras in turn."""

    def __init__(self, session: Session, family: str) -> None:
        self._session = session
        self.input = session.input
        self.family = family_of(family, session.shape)
        # each colour by itself, as the models take it
        self._planes: Pixels = np.full((3, self.family.height, self.family.width), _GREY, np.uint8)
        self._filled = (0, 0)

    def find(self, picture: Picture, least: float = WEAK) -> Found:
        """Give what is in the picture, in heights of it."""
        return self.read(self.ask(picture, least))

    def ask(self, picture: Picture, least: float = WEAK) -> Answer:
        """Run the model on *picture*; ``read`` makes boxes of the answer."""
        rows = self.family.sift(self.run(self.prepare(picture)), least)
        width, height = self.room(picture)
        aspect = picture.width / picture.height
        return Answer(rows, least, np.array([aspect / width, 1 / height] * 2))

    def run(self, tensor: Tensor) -> Sequence[Tensor]:
        """Run the model alone."""
        return self._session.run(tensor)

    def prepare(self, picture: Picture) -> Tensor:
        """Make the model's input of a picture; the next one may take its place."""
        import cv2

        width, height = self.room(picture)
        canvas = self._planes.transpose(1, 2, 0)
        if (width, height) != self._filled:  # another camera, or its stream has changed
            self._planes[:] = _GREY
            self.family.prepare(canvas)
            self._filled = width, height
        cv2.split(picture.bgr(width, height), [one[:height, :width] for one in self._planes])
        return self.family.prepare(canvas[:height, :width])

    def read(self, answer: Answer) -> Found:
        """Give what the model found, in heights of the picture."""
        found = self.family.decode(answer.rows, answer.least)
        return strongest(Found(found.boxes * answer.scale, found.scores, found.kinds))

    def room(self, picture: Picture) -> tuple[int, int]:
        """Give width and height that the picture gets within the input."""
        family = self.family
        if family.stretched:
            return family.width, family.height
        scale = min(family.width / picture.width, family.height / picture.height)
        return round(picture.width * scale), round(picture.height * scale)


def family_of(name: str, shape: Shape) -> Family:
    """Make the family called *name* for a model with an input of this *shape*."""
    if len(shape) != 4 or not all(isinstance(one, int) and one > 0 for one in shape):
        raise GatewayError(f"a model's input must be four fixed sizes, and this one has {list(shape)}")
    return _FAMILIES[name](shape)
