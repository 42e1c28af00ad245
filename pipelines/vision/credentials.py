"""Reads what ``credential:NAME`` stands for, from this process's own credentials."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError

PREFIX: Final = "credential:"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")


def credential(reference: str) -> str:
    """Give the text behind *reference*, plain text as it is; raise GatewayError when it is missing."""
    if not reference.startswith(PREFIX):
        return reference
    name = reference.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise GatewayError(f'"{reference}" names no credential')
    handed = os.environ.get("CREDENTIALS_DIRECTORY")
    own = os.environ.get("CONFIGURATION_DIRECTORY", "/etc/citygate").split(":")[0]
    for folder, is_ours in ((handed, False), (f"{own}/credentials", True)):
        path = Path(folder or "/nonexistent") / name
        try:
            if is_ours and path.stat().st_mode & stat.S_IROTH:
                raise GatewayError(f"{path}: everybody can read this credential; chmod 600 it")
            return path.read_text(encoding="utf-8").removesuffix("\n")
        except OSError:
            continue
    raise GatewayError(f'credential "{name}" is missing: hand it to the unit with LoadCredential={name}:FILE')
