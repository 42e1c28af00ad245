"""Keeps how right a line counts where the gateway publishes it from: a file of its own in ``site.d``.

It refuses to keep what too few passages say.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import convert, to_builtins

from agent.cli.accuracy import accuracy
from agent.core.errors import ConfigError, GatewayError
from agent.core.measured import Measured

if TYPE_CHECKING:
    from agent.cli.accuracy import Compared
    from agent.core.driver import CanBeMeasured

FEWEST: Final = 20
_HEAD: Final = "# Written by `citygate validate`. Delete a table, and nothing of it is published any more.\n"


def measured_camera(folder: Path, link: str | None) -> CanBeMeasured:
    """Give the camera called *link* in the configuration; raise ConfigError."""
    from agent.config.hints import nearest
    from agent.config.load import load
    from agent.core.driver import CanBeMeasured

    cameras = {one.name: one.driver for one in load(folder).links if isinstance(one.driver, CanBeMeasured)}
    if link in cameras:
        return cameras[link]
    known = ", ".join(cameras) or "there is none"
    if link is None:
        raise ConfigError(f"citygate validate: name the camera to be counted; cameras of this site: {known}")
    hint = nearest(link, list(cameras)) or f"cameras of this site: {known}"
    raise ConfigError(f'no camera is called "{link}"; {hint}')


def results(rows: list[Compared], camera: CanBeMeasured, day: str) -> dict[str, Measured]:
    """Give what may be published of each line: where a person counted enough."""
    found = {}
    for line in dict.fromkeys(one.line for one in rows):
        share = accuracy([one for one in rows if one.line == line])
        if share is not None and share.passages >= FEWEST:
            found[line] = Measured(
                accuracy=round(max(0.0, share.share), 4),
                low=round(share.low, 4),
                high=round(share.high, 4),
                passages=share.passages,
                on=day,
                of=camera.about(line),
            )
    return found


def publish(folder: Path, link: str, found: dict[str, Measured]) -> Path:
    """Write *found* beside what was kept of other lines; raise GatewayError with the tables."""
    if not folder.is_dir():
        raise ConfigError(
            f"{folder} is one file and has no site.d; write this into it:\n{tables(link, found)}"
        )
    path = folder / "site.d" / f"measured-{link}.toml"
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(exist_ok=True)
        before = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        kept = convert(before.get("link", {}).get(link, {}).get("measured", {}), dict[str, Measured])
        part.write_text(_HEAD + tables(link, kept | found), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise GatewayError(
            f"{path} cannot be written ({error.strerror}); use sudo, or write it yourself:\n"
            f"{tables(link, found)}"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{path} cannot be read ({error}); delete it and try again") from error
    return path


def tables(link: str, found: dict[str, Measured]) -> str:
    """Write the tables of *found*."""
    return "".join(f"\n[link.{link}.measured.{name}]\n{_lines(one)}" for name, one in sorted(found.items()))


def _lines(one: Measured) -> str:
    plain: dict[str, Any] = to_builtins(one)
    words = {key: f'"{value}"' if isinstance(value, str) else str(value) for key, value in plain.items()}
    return "".join(f"{key} = {word}\n" for key, word in words.items())
