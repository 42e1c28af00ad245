"""Where things lie on this computer: as systemd or the command line says, else where systemd would."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

USUAL: Final = Path("/etc/citygate")


def config_folder() -> Path:
    """Give the folder of ``*.toml`` files: ``$CONFIGURATION_DIRECTORY`` or ``/etc/citygate``."""
    return _folder("CONFIGURATION_DIRECTORY", str(USUAL))


def look_beside(path: Path) -> None:
    """Take *path*, a folder or a file in one, for the configuration: its ``credentials/`` holds from now on.

    For a process as a whole, before anything is read: what looks for a credential does so much later, and
    the credentials of ``/etc/citygate`` must not answer for another site's.
    """
    folder = path if path.is_dir() else path.parent
    os.environ["CONFIGURATION_DIRECTORY"] = str(folder.absolute())


def state_folder() -> Path:
    """Give the folder of the outbox: ``$STATE_DIRECTORY`` or ``/var/lib/citygate``."""
    return _folder("STATE_DIRECTORY", "/var/lib/citygate")


def control_socket() -> Path:
    """Give the Unix socket of the running daemon, in ``$RUNTIME_DIRECTORY`` or ``/run/citygate``."""
    return _folder("RUNTIME_DIRECTORY", "/run/citygate") / "control.sock"


def credential_folders() -> tuple[Path, ...]:
    """Give the places where ``credential:NAME`` is looked for, first match wins."""
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    own = config_folder() / "credentials"
    return (Path(given), own) if given else (own,)


def _folder(variable: str, usual: str) -> Path:
    # systemd separates several folders by colons; the first one is ours
    return Path(os.environ.get(variable, usual).split(":")[0])
