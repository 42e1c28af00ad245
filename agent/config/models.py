"""Reads the catalogue of camera models: those that ship, and those of the configuration's own ``models/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.config.explain import flaws
from agent.config.fault import Fault
from agent.config.hints import nearest
from agent.config.report import report
from agent.config.sources import read
from agent.core.errors import ConfigError
from agent.core.vision import Entry
from agent.resources import resource

if TYPE_CHECKING:
    from agent.config.sources import Source

FOLDER: Final = "models"
SHIPPED: Final = "config/models"


def models(folder: Path | None = None) -> list[str]:
    """List the names in the catalogue."""
    places = [resource(SHIPPED), *([folder / FOLDER] if folder is not None else [])]
    return sorted({one.stem for place in places if place.is_dir() for one in place.glob("*.toml")})


def model(name: str, folder: Path | None = None) -> Entry:
    """Give the entry called *name*; raise ConfigError with the nearest name, or with all that is wrong."""
    own = folder / FOLDER / f"{name}.toml" if folder is not None else None
    if name not in models(folder):
        raise ConfigError(f'no model is called "{name}"{_hint(name, folder)}')
    place = own if own is not None and own.is_file() else resource(f"{SHIPPED}/{name}.toml")
    source = read(f"{FOLDER}/{name}.toml", place, 0)
    try:
        if source.wrong is None:
            return msgspec.convert(source.tables, Entry)
    except msgspec.ValidationError:
        pass  # explained below, with the places
    raise ConfigError(report(_faults(source)))


def _hint(name: str, folder: Path | None) -> str:
    known = models(folder)
    return f"; {nearest(name, known) or 'known: ' + ', '.join(known)}"


def _faults(source: Source) -> list[Fault]:
    if source.wrong is not None:
        message, hint, span = source.wrong
        return [Fault(source, (), message, hint, span=span)]
    return [
        Fault(source, one.path, one.message, one.hint, at_key=one.at_key)
        for one in flaws(source.tables, Entry)
    ]
