"""No password and no key stands in a configuration file, and no refusal shows one.

Made-up configurations with a password, with one in an address and with a key must be refused, and the report
must not show them. The credentials that lie beside the site's files must be closed to other users.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from agent.prove import planted
from agent.prove.outcome import Outcome, judged
from agent.prove.scene import Scene

_FAMILIES = ("password", "key")


def prove(scene: Scene) -> Outcome:
    """Plant secrets, and look at who may read the site's credentials."""
    folder = scene.folder if scene.folder.is_dir() else scene.folder.parent
    faults = [*planted.let_in(scene.parts, *_FAMILIES), *_open_to_all(folder / "credentials")]
    return judged(faults, f"{planted.count(*_FAMILIES)} configurations with a secret in them were refused.")


def _open_to_all(credentials: Path) -> Iterator[str]:
    if not credentials.is_dir():
        return
    for path in sorted(credentials.iterdir()):
        if path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield f"Every user of this computer can read {path}; say: chmod 600 {path}"
