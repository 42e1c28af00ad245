"""Reads the files of a configuration: one file, or every ``*.toml`` of a folder and of its ``site.d``.

It refuses what cannot be read, is not UTF-8 or is no TOML, each in the same frame as any other fault.
"""

from __future__ import annotations

import re
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from agent.config.spans import Path as KeyPath
from agent.config.spans import Place, Span, locate

DROP_INS: Final = "site.d"
_DEEPEST: Final = 40
_TOO_DEEP: Final = ("too many nested lists or tables", "", None)
_AT: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_DOUBLE: Final = re.compile(r"Cannot declare \((.*?),?\) twice")
_BARE_TEXT: Final = re.compile(r"\s*[\w.\"'-]+\s*=\s*([^\s#=\"'\[{][^#=\"'\[{]*)")
_KEY: Final = re.compile(r"\s*([\w.\"'-]+?)\s*=")
_NO_EQUALS: Final = re.compile(r"\s*([\w-]+)\s*(?::|\s)\s*([^\s#].*?)\s*(?:#.*)?")
_CURLY: Final = str.maketrans(
    dict.fromkeys("“”„‟″", '"') | dict.fromkeys("‘’‚′", "'")  # noqa: RUF001 - those of word processors
)


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
    try:
        text = raw.decode("utf-8-sig")  # Windows editors begin a file with a mark
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        message = f"not UTF-8: byte 0x{raw[error.start]:02x}"
        source.wrong = (message, "save the file as UTF-8", Span(line, column, 1))
        text = raw.decode("utf-8-sig", "replace")
    source.text = text.replace("\r\n", "\n")


def _parse(source: Source) -> None:
    try:
        tables = tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        source.wrong = _explained(str(error), source.text)
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


def _explained(message: str, text: str) -> tuple[str, str, Span]:
    """Bring tomllib's message and place into our form."""
    lines = text.split("\n")
    found = _AT.search(message)
    message = _AT.sub("", message)
    if found and found[1]:
        line, column = int(found[1]), int(found[2])
    else:
        line = max((n for n, one in enumerate(lines, 1) if one.strip()), default=1)
        column = len(lines[line - 1]) + 1
    whole = lines[line - 1]
    if double := _DOUBLE.search(message):
        name = ".".join(part.strip(" '\"") for part in double[1].split(","))
        column = len(whole) - len(whole.lstrip()) + 1
        return (f"table [{name}] stands twice", "", Span(line, column, max(1, len(whole.strip()))))
    if message == "Cannot overwrite a value" and (key := _KEY.match(whole)):
        return (f'key "{key[1]}" stands twice', "take one away", Span(line, key.start(1) + 1, len(key[1])))
    hint = _meant(message, whole, column)
    return (f"not TOML: {message[:1].lower()}{message[1:]}", hint, Span(line, column, 1))


def _meant(message: str, line: str, column: int) -> str:  # noqa: PLR0911 - one for each mistake
    """Guess how *line*, which is no TOML from *column* on, was meant."""
    straight = line.translate(_CURLY)
    if straight != line:
        return f"use straight quotes: {straight.strip()}"
    if line[column - 1 : column] in (";", ","):
        return f'take away "{line[column - 1]}"'
    if message.startswith("Expected ']' at the end of a table"):
        name = line.strip().lstrip("[").partition("#")[0].partition("]")[0].strip()
        return f"write [{name.replace(' ', '-')}]"
    if message.startswith("Expected '='") and (pair := _NO_EQUALS.fullmatch(line)):
        return f"write {pair[1]} = {pair[2]}"
    if message.startswith("Illegal character '\\n'") and line.count('"') % 2:
        return "the closing quote is missing"
    if bare := _BARE_TEXT.match(line):
        return f'text stands in quotes: "{bare[1].strip()}"'
    return ""
