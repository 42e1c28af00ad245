"""Resolves ``credential:NAME``: a file that systemd hands over, or one that only root can read.

It refuses a credential that everybody on this computer can read, and never shows a value.
"""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

from agent.core.errors import ConfigError
from agent.core.folders import USUAL, config_folder, credential_folders

PREFIX: Final = "credential:"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def secret(reference: str) -> str:
    """Give the text behind *reference*, without one newline at its end; plain text is its own value."""
    if not reference.startswith(PREFIX):
        return reference
    path = secret_file(reference)
    try:
        value = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: a credential is text in UTF-8, and this is not") from error
    return value.removesuffix("\n").removesuffix("\r")


def name_of(reference: str) -> str:
    """Give the name in *reference*; raise ConfigError when it is none."""
    name = reference.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise ConfigError(f'"{reference}" names no credential: letters, digits, ".", "_" and "-" do')
    return name


def sealed_folder() -> Path:
    """Give the folder of secrets that systemd alone can open, for a unit that asks for them."""
    return config_folder() / "sealed"


def is_sealed(reference: str) -> bool:
    """Say whether the secret behind *reference* is one that systemd hands over."""
    return (sealed_folder() / name_of(reference)).is_file()


def secret_file(reference: str) -> Path:
    """Give the file behind *reference*; anything but ``credential:NAME`` is a path itself."""
    if not reference.startswith(PREFIX):
        return Path(reference)
    name = name_of(reference)
    folders = credential_folders()
    for index, folder in enumerate(folders):
        path = folder / name
        try:
            mode = path.stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        # systemd keeps its own folder closed, and gives the files in it a mode that says nothing
        is_ours = index == len(folders) - 1
        if is_ours and mode & stat.S_IROTH:
            raise ConfigError(f"{path}: everybody can read this credential; chmod 600 it")
        return path
    if is_sealed(reference):
        raise ConfigError(
            f'credential "{name}" is sealed for the services, and was not handed to this one; '
            "`sudo citygate apply` does that"
        )
    raise ConfigError(f'credential "{name}" is missing: `{_keeping(name)}` asks for it')


def _keeping(name: str) -> str:
    """Give the command that keeps *name* for these very files; systemd's sealing is the gateway's own."""
    folder = config_folder()
    if folder == USUAL:
        return f"sudo citygate secret set {name}"
    return f"citygate secret set {name} --plain --config {folder}"
