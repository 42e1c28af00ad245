"""Looks whether the credentials that a table names are there.

A missing one is told and is no fault: it may be put in place later, and is looked up anew where it is used.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.config.draft import Draft
from agent.config.spans import Path
from agent.core.errors import ConfigError
from agent.core.secrets import PREFIX, is_sealed, name_of, secret_file


def check_references(draft: Draft, path: Path, value: object) -> None:
    """Note each ``credential:NAME`` at or below *path* that names none, or one that can be found nowhere."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            check_references(draft, (*path, key), one)
    elif isinstance(value, str) and value.startswith(PREFIX):
        _check(draft, path, value)


def _check(draft: Draft, path: Path, reference: str) -> None:
    try:
        name_of(reference)
    except ConfigError as error:
        draft.fault(path, str(error))
        return
    if is_sealed(reference):
        return  # systemd hands it to the service, and to nobody else
    try:
        secret_file(reference)
    except ConfigError as error:
        draft.warn(path, str(error))
