"""Gets a plan's cameras ready before the process is locked in: models loaded once each, secrets read.

What is missing for one camera is that camera's fault alone; the others are counted.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from agent.core.errors import GatewayError
from agent.core.sight import Camera, Sight
from agent.core.stream import Stream, parse
from pipelines.vision.credentials import credential
from pipelines.vision.detector import Detector
from pipelines.vision.models.build import opened
from pipelines.vision.models.bundle import read


class Outfit(NamedTuple):
    """All that one camera needs."""

    stream: Stream
    user: str
    password: str
    detector: Detector


class FaultError(Exception):
    """A camera cannot be counted by this plan: ``sight`` in one word, the text for the log."""

    def __init__(self, sight: Sight, text: object) -> None:
        super().__init__(str(text))
        self.sight = sight


class Store:
    """The models, loaded once each."""

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[str, Detector]] = {}

    def outfit(self, camera: Camera) -> Outfit:
        """Get one camera ready; raise FaultError when something is missing."""
        stream = parse(camera.source)
        try:
            user, password = credential(camera.user), credential(camera.password)
        except GatewayError as error:
            raise FaultError(Sight.NO_CREDENTIAL, error) from error
        return Outfit(stream, user, password, self._detector(camera))

    def _detector(self, camera: Camera) -> Detector:
        if not Path(camera.model).exists():
            raise FaultError(Sight.NO_MODEL, f"{camera.model}: there is no such file")
        if camera.model not in self._loaded:
            try:
                bundle = read(Path(camera.model))
                detector = opened(bundle.model, bundle.manifest.about.family)
            except (GatewayError, OSError) as error:
                raise FaultError(Sight.BAD_MODEL, error) from error
            self._loaded[camera.model] = bundle.manifest.sha256, detector
        sha256, detector = self._loaded[camera.model]
        if camera.model_sha256 not in ("", sha256):
            raise FaultError(Sight.OTHER_MODEL, f"{camera.model} holds the model {sha256}")
        return detector
