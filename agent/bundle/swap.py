"""Puts the files of a bundle into place, and takes them back; both survive a power cut in the middle.

The files before lie in ``.bundle/before`` until the next bundle. Who owns a file and who may read it stays as
it is; new ones are whose the folder is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agent.config.seal import TRUSTED
from agent.core.errors import ConfigError
from agent.policy.edition import FILE as EDITION
from agent.trials import FOLDER, replace, sync

_BEFORE: Final = "before"
_MODELS_BEFORE: Final = "models-before"
_PARTS: Final = (
    "*.toml",
    "*.toml.sig",
    "*.toml.minisig",
    "site.d/*.toml",
    "profiles/*/*.toml",
    "models/*.toml",
)


class Places:
    """Where a bundle's files go: the folder of the configuration, and that of the camera models."""

    def __init__(self, folder: Path, models: Path, state: Path) -> None:
        self.folder = folder
        self.models = models
        self._edition = state / EDITION
        self._edition_before = folder / FOLDER / EDITION
        self._before = folder / FOLDER / _BEFORE
        self._models_before = folder / FOLDER / _MODELS_BEFORE

    def staged(self, files: Mapping[str, bytes], stage: Path) -> None:
        """Lay the configuration out in *stage*, for the compiler, with the keys that verify a policy."""
        for name, data in files.items():
            if name.startswith("config/"):
                path = stage / name.removeprefix("config/")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        for name in TRUSTED:
            if os.path.lexists(self.folder / name):
                shutil.copyfile(self.folder / name, stage / name)

    def keep_before(self, files: Mapping[str, bytes]) -> None:
        """Copy aside what is in force: the configuration, and the models that *files* will replace."""
        for one in (self._before, self._models_before):
            if one.exists():
                shutil.rmtree(one)
            one.mkdir(parents=True)
        for path in self._present():
            _copy(path, self._before / path.relative_to(self.folder))
        for name in files:
            if name.startswith("models/") and self._place(name).is_file():
                _copy(self._place(name), self._models_before / self._place(name).name)
        sync(self._before)
        self._edition_before.unlink(missing_ok=True)
        if self._edition.is_file():
            replace(self._edition_before, self._edition.read_bytes(), 0o644)

    def added(self, files: Mapping[str, bytes]) -> tuple[str, ...]:
        """Name the files of a bundle that are not there yet."""
        return tuple(name for name in files if not self._place(name).exists())

    def put(self, files: Mapping[str, bytes]) -> None:
        """Make the files of the bundle the ones that are there; models come first, since files name them."""
        for name in sorted(files, key=lambda one: not one.startswith("models/")):
            self._write(self._place(name), files[name])
        wanted = {self._place(name) for name in files}
        for path in list(self._present()):
            if path not in wanted:
                path.unlink()
        sync(self.folder)

    def take_back(self, added: tuple[str, ...]) -> None:
        """Make the files before the ones that are there; a model that came with the bundle goes again."""
        if not self._before.is_dir():
            raise ConfigError(f"{self._before} is missing: the configuration before cannot be put back")
        kept = {path.relative_to(self._before) for path in self._before.rglob("*") if path.is_file()}
        for path in kept:
            self._write(self.folder / path, (self._before / path).read_bytes())
        for path in list(self._present()):
            if path.relative_to(self.folder) not in kept:
                path.unlink()
        self._take_back_models(added)
        self._sweep()
        # the policy before has a lower number, and would be taken for an old one
        if self._edition_before.is_file():
            self._write(self._edition, self._edition_before.read_bytes())
        else:
            self._edition.unlink(missing_ok=True)
        sync(self.folder)

    def _take_back_models(self, added: tuple[str, ...]) -> None:
        for path in self._models_before.glob("*"):
            self._write(self.models / path.name, path.read_bytes())
        for name in added:
            if name.startswith("models/"):
                self._place(name).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what a power cut has left half written."""
        for place in (self.folder, self.models):
            for half in place.rglob(".*.new"):
                half.unlink()

    def _present(self) -> Iterator[Path]:
        for pattern in _PARTS:
            for path in self.folder.glob(pattern):
                if path.is_file() and FOLDER not in path.parts:
                    yield path

    def _place(self, name: str) -> Path:
        part, _, rest = name.partition("/")
        return (self.folder if part == "config" else self.models) / rest

    def _write(self, place: Path, data: bytes) -> None:
        if place.is_file() and place.read_bytes() == data:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        like = place if place.exists() else place.parent
        owner = like.stat()
        replace(place, data, owner.st_mode & 0o777 if place.exists() else 0o644)
        if os.geteuid() == 0:
            os.chown(place, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())
