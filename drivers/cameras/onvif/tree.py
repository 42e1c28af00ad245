"""Reads XML that a stranger sent: no document types, no entities, and no more than a camera could mean.

Prefixes are taken off names: cameras are known to write wrong ones, and no two names here differ by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat  # what makes it dangerous is refused below

LARGEST: Final = 1 << 18
_DEEPEST: Final = 48
_MOST: Final = 20_000  # elements


class XmlError(Exception):
    """It is no XML that may be read; the text says why."""


class Node:
    """One element: its name without prefix, attributes, text and children."""

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] = []

    def every(self, name: str) -> Iterator[Node]:
        """Give the elements called *name*, this one too, in their order."""
        if self.name == name:
            yield self
        for one in self.children:
            yield from one.every(name)

    def find(self, *path: str) -> Node | None:
        """Give the first element below this that *path* leads to, each step at any depth."""
        here: Node | None = self
        for name in path:
            here = next((one for child in here.children for one in child.every(name)), None) if here else None
        return here

    def word(self, *path: str) -> str:
        """Give the text at *path*, on one line; empty if there is none."""
        found = self.find(*path)
        return " ".join(found.text.split()) if found else ""

    def number(self, *path: str) -> float | None:
        """Give the number at *path*; None if there is none."""
        try:
            found = float(self.word(*path)[:32])
        except ValueError:
            return None
        return found if abs(found) < 1e9 else None


def read(raw: bytes) -> Node:
    """Read *raw*; raise XmlError."""
    if len(raw) > LARGEST:
        raise XmlError(f"its answer has more than {LARGEST // 1024} kB")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    parser.ExternalEntityRefHandler = builder.refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise XmlError(f"its answer is no XML ({error})") from None
    assert builder.root is not None
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._open: list[Node] = []
        self._many = 0

    def refuse(self, *_: object) -> int:
        raise XmlError("its answer defines a document type or an entity, which ONVIF forbids")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._many += 1
        if len(self._open) >= _DEEPEST or self._many > _MOST:
            raise XmlError("its answer has too many elements")
        node = Node(name.rpartition(":")[2], attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def end(self, _: str) -> None:
        self._open.pop()

    def data(self, text: str) -> None:
        self._open[-1].text += text
