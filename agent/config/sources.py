"""Reads the files of a configuration: one file, or every ``*.toml`` of a folder and of its ``site.d``.

It refuses what cannot be read, is not UTF-8 or is no TOML, each in the same frame as any other fault.
"""

from __future__ import annotations

import tomllib
from codecs import BOM_UTF8
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from agent.config.spans import Path as KeyPath
from agent.config.spans import Place, Span

DROP_INS: Final = "site.d"
_DEEPEST: Final = 40
_TOO_DEEP: Final = ("too many nested lists or tables", "", None)


class Source:
    """One file: its name for people, its text and its tables.

    ``order`` is its rank in reports, ``is_drop_in`` whether it lies in ``site.d``. ``wrong`` is set when the
    file gave no tables: a message, a hint and, if known, the spot. ``raw`` is what was read, byte for byte.
    """

    def __init__(self, name: str, order: int, *, is_drop_in: bool = False) -> None:
        self.name = name
        self.order = order
        self.is_drop_in = is_drop_in
        self.raw = b""
        self.text = ""
        self.tables: dict[str, Any] = {}
        self.wrong: tuple[str, str, Span | None] | None = None

    @cached_property
    def places(self) -> dict[KeyPath, Place]:
        """Map every key path of this file to its place; costs a second reading, so only when asked."""
        from agent.config.locate import locate

        return {} if self.wrong else locate(self.text)


def find(path: Path) -> list[tuple[str, Path]]:
    """List the files of the configuration at *path* with their names in reports; OSError if there is none."""
    if not path.is_dir():
        return [(path.name, path)]
    top = [(one.name, one) for one in sorted(path.glob("*.toml"))]
    drop_ins = [(f"{DROP_INS}/{one.name}", one) for one in sorted((path / DROP_INS).glob("*.toml"))]
    return top + drop_ins


def read(name: str, path: Any, order: int) -> Source:  # noqa: ANN401 - a Path or a resource
    """Read one file; whatever is wrong with it stands in ``wrong``."""
    source = Source(name, order, is_drop_in=name.startswith(f"{DROP_INS}/"))
    try:
        raw: bytes = path.read_bytes()
    except OSError as error:
        source.wrong = (f"cannot be read: {error.strerror}", "", None)
        return source
    source.raw = raw
    _decode(source, raw)
    if source.wrong is None:
        _parse(source)
    return source


def _decode(source: Source, raw: bytes) -> None:
    raw = raw.removeprefix(BOM_UTF8)  # Windows editors begin a file with a mark
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode(errors="replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        source.wrong = (message, "save the file as UTF-8", Span(line, column, 1))
        text = raw.decode(errors="replace")
    source.text = text.replace("\r\n", "\n")


def _parse(source: Source) -> None:
    try:
        tables = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        from agent.config.malformed import explained  # only somebody who made a mistake waits for it

        source.wrong = explained(str(error), source.text)
    except RecursionError:
        source.wrong = _TOO_DEEP
    except ValueError:  # of its own tomllib does not say which number has thousands of digits
        source.wrong = ("a number in this file has too many digits", "", None)
    else:
        if _is_too_deep(tables):
            source.wrong = _TOO_DEEP
        else:
            source.tables = tables


def _is_too_deep(tables: dict[str, Any]) -> bool:
    """Say whether tables and lists lie in each other more often than any that we know."""
    level: list[Any] = [tables]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
    return bool(level)
