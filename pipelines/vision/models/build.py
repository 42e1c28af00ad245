"""Makes a bundle of weights: converts, fits, turns into whole numbers if wanted, compares, then writes.

A model that lost what its float reference finds is refused; what stood at that place before stays.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from agent.core.errors import GatewayError
from agent.core.vision import Agreement, Build, Install, Manifest, Verify
from pipelines.vision.detector import Detector
from pipelines.vision.models.agreement import agreement
from pipelines.vision.models.bundle import Bundle, digest, read, write
from pipelines.vision.models.fit import load
from pipelines.vision.models.pictures import Kept, Tell, some
from pipelines.vision.models.quantise import quantise
from pipelines.vision.picture import Picture
from pipelines.vision.runtime import Session

_PARTS: Final = 2  # of the pictures, every second one calibrates and the others compare


def build(request: Build, tell: Tell) -> Manifest:
    """Make the bundle that *request* asks for."""
    path, family = Path(request.path), request.about.family
    if request.int8 and not request.clips:
        raise GatewayError("int8 needs clips to be calibrated and compared with: give --clip FILE")
    tell(f"reading {path.name}")
    reference = load(path, family, None)
    fitted = load(path, family, request.size) if request.size else reference
    pictures = some(request.clips, tell)
    model = fitted
    if request.int8:
        tell("turning it into whole numbers")
        model = quantise(fitted, opened(fitted, family), pictures[::_PARTS])
        pictures = pictures[1::_PARTS]
    detector = opened(model, family)
    bundle = Bundle(
        Manifest(
            name=request.name,
            about=request.about,
            source=request.source,
            size=(detector.family.height, detector.family.width),
            int8=request.int8,
            sha256=digest(model),
            reference_sha256=digest(reference),
            agreement=_compared(family, reference, model, pictures, tell),
        ),
        model,
        reference,
    )
    tell(f"writing {request.to}")
    write(bundle, Path(request.to))
    return bundle.manifest


def install(request: Install, tell: Tell) -> Manifest:
    """Put a bundle where the gateway looks for it, once it has shown that it is whole and runs here."""
    bundle = read(Path(request.path))
    family = bundle.manifest.about.family
    opened(bundle.model, family)
    told = bundle.manifest.agreement
    if told is not None and not told.good:
        raise GatewayError(f"{request.path}: its maker found that {told.why}")
    if request.clips:
        _compared(family, bundle.reference, bundle.model, some(request.clips, tell), tell)
    write(bundle, Path(request.to))
    return bundle.manifest


def verify(request: Verify, tell: Tell) -> Agreement:
    """Compare an installed model with its reference."""
    bundle = read(Path(request.path))
    family = bundle.manifest.about.family
    pictures = some(request.clips, tell)
    tell(f"comparing on {len(pictures)} pictures")
    return agreement(opened(bundle.reference, family), opened(bundle.model, family), pictures)


def opened(model: bytes, family: str) -> Detector:
    """Load a model and let it look at a grey picture, in which it must see nothing."""
    detector = Detector(Session(model, "the model"), family)
    try:
        seen = detector.find(Kept(np.full((480, 640, 3), 114, np.uint8), 0.0), least=0.5)
    except (IndexError, StopIteration, ValueError) as error:
        raise GatewayError(f"the model does not answer as a {family} does; of which family is it?") from error
    if len(seen.scores):
        raise GatewayError("the model sees things in an empty grey picture; is its family the right one?")
    return detector


def _compared(
    family: str, reference: bytes, model: bytes, pictures: list[Picture], tell: Tell
) -> Agreement | None:
    """Compare the two; raise GatewayError when the model must not be used. None without pictures."""
    if not pictures:
        return None
    tell(f"comparing on {len(pictures)} pictures")
    found = agreement(opened(reference, family), opened(model, family), pictures)
    if not found.good:
        raise GatewayError(f"the model is refused: {found.why}; nothing was changed")
    return found
