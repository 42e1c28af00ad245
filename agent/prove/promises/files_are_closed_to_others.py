"""Other users of this computer cannot read what waits to be sent, nor ask the gateway, nor change its files.

The control socket and the outbox of a gateway that lives for some seconds must be closed to others, with the
mask that the unit sets. The site's own state folder, outbox, socket and configuration are looked at as they
are: a file is open to others only if all folders above it are.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from agent.prove.outcome import Outcome, judged, unenforced
from agent.prove.scene import Scene

_READ: Final = stat.S_IROTH
_WRITE: Final = stat.S_IWOTH


def prove(scene: Scene) -> Outcome:
    """Look at the modes of files."""
    faults = [
        f"{name} of a gateway of this site has mode {mode:o}: others may use it."
        for name, mode in scene.life.modes.items()
        if mode & (_READ | _WRITE)
    ]
    faults += [
        f"Every user of this computer can reach {path}; say: chmod o= {path}"
        for path in (scene.outbox, scene.socket)
        if path.exists() and is_open(path, _READ | _WRITE)
    ]
    faults += [
        f"Every user of this computer can change {one}; say: chmod o-w {one}" for one in _writable(scene)
    ]
    if faults:
        return judged(faults)
    told = "The control socket and the outbox of a gateway of this site were closed to others."
    if not scene.outbox.exists():
        return unenforced(told, f"There is no outbox at {scene.outbox} yet that could be looked at.")
    return judged((), told, f"So is {scene.outbox}, and nobody else can change the configuration.")


def is_open(path: Path, bits: int) -> bool:
    """Say whether everybody has one of *bits* at *path*, and can come to it."""
    if not path.stat().st_mode & bits:
        return False
    return all(one.stat().st_mode & stat.S_IXOTH for one in path.absolute().parents)


def _writable(scene: Scene) -> Iterator[Path]:
    """Give the folders and files of the site that everybody can change."""
    folder = scene.folder if scene.folder.is_dir() else scene.folder.parent
    state = scene.outbox.parent
    for path in (folder, *sorted(folder.rglob("*.toml")), *([state] if state.exists() else [])):
        if is_open(path, _WRITE) and not path.stat().st_mode & stat.S_ISVTX:
            yield path
