"""Tells at which line and column of a TOML text each key and each value stands.

``tomllib`` gives values without their places. This reader goes through the same text once more and
notes only places. It refuses nothing: the text must be one that ``tomllib`` has accepted.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from typing import Final

from agent.config.spans import Path, Place, Span


def locate(text: str) -> dict[Path, Place]:
    """Map the path of every table, key and list element in *text* to its place."""
    reader = _Reader(text)
    table: Path = ()
    while not reader.at_end():
        if reader.sees("["):
            table = reader.header()
        else:
            reader.pair(table)
    return reader.places


# between two elements anything blank may stand; around the dots of a key only spaces and tabs
_GAP: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_KEY: Final = re.compile(r"""[ \t]*([A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')[ \t]*""")
_TEXT: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*\'''', re.DOTALL
)
_PLAIN: Final = re.compile(r"[^,\]}\n#]*[^,\]}\n# \t\r]")


class _Reader:
    """A position in the text, and the places found so far."""

    def __init__(self, text: str) -> None:
        self.places: dict[Path, Place] = {}
        self._text = text
        self._at = 0
        self._newest: dict[Path, int] = {}  # of each array of tables, the index of its latest element
        self._line_starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def at_end(self) -> bool:
        self._take(_GAP)
        return self._at >= len(self._text)

    def sees(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def header(self) -> Path:
        """Read ``[a.b]`` or ``[[a.b]]``; give the path of the table that begins."""
        start = self._at
        width = 2 if self.sees("[[") else 1
        self._at += width
        keys = self._keys()
        self._at += width
        path = self._enter((), keys)
        span = keys[-1][1]
        if width == 2:
            self.places.setdefault(path, Place(span, span))
            self._newest[path] = self._newest.get(path, -1) + 1
            path = (*path, self._newest[path])
        self.places[path] = Place(span, self._span(start))
        return path

    def pair(self, table: Path) -> None:
        """Read ``a.b = value`` that stands in *table*."""
        keys = self._keys()
        self._at += 1  # the equals sign
        path = self._enter(table, keys)
        self.places[path] = Place(keys[-1][1], self._value(path))

    def _keys(self) -> list[tuple[str, Span]]:
        keys: list[tuple[str, Span]] = []
        while True:
            found = _KEY.match(self._text, self._at)
            assert found is not None
            keys.append((_plain_key(found[1]), self._span(found.start(1), found.end(1))))
            self._at = found.end()
            if not self.sees("."):
                return keys
            self._at += 1

    def _enter(self, path: Path, keys: list[tuple[str, Span]]) -> Path:
        """Go along *keys* from *path*, into the latest element of every array of tables on the way."""
        for name, span in keys[:-1]:
            path = (*path, name)
            self.places.setdefault(path, Place(span, span))
            if path in self._newest:
                path = (*path, self._newest[path])
        return (*path, keys[-1][0])

    def _value(self, path: Path) -> Span:
        self._take(_GAP)
        start = self._at
        if self.sees("["):
            self._list(path)
        elif self.sees("{"):
            self._inline_table(path)
        else:
            self._take(_TEXT if self._text[start] in "\"'" else _PLAIN)
        return self._span(start)

    def _list(self, path: Path) -> None:
        index = 0
        self._at += 1
        while not self._closes("]"):
            span = self._value((*path, index))
            self.places[(*path, index)] = Place(span, span)
            index += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        while not self._closes("}"):
            self.pair(path)

    def _closes(self, bracket: str) -> bool:
        """Pass blanks and a comma; say whether *bracket* ends the list or table, and pass it too."""
        self._take(_GAP)
        if self.sees(","):
            self._at += 1
            self._take(_GAP)
        closes = self.sees(bracket)
        self._at += closes
        return closes

    def _take(self, form: re.Pattern[str]) -> None:
        found = form.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _span(self, start: int, end: int | None = None) -> Span:
        """Give the part from *start* on that stands on its first line."""
        line = bisect_right(self._line_starts, start)
        stop = self._text.find("\n", start)
        stop = len(self._text) if stop < 0 else stop
        stop = min(stop, self._at if end is None else end)
        return Span(line, start - self._line_starts[line - 1] + 1, max(1, stop - start))


def _plain_key(raw: str) -> str:
    if raw[0] == '"':
        return str(tomllib.loads(f"key = {raw}")["key"])
    return raw.strip("'")
