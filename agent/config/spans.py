"""The places of keys and values in a file, as people see them."""

from __future__ import annotations

from msgspec import Struct

Path = tuple[str | int, ...]


class Span(Struct, frozen=True, gc=False):
    """A stretch of one line; lines and columns are counted from 1, as editors do."""

    line: int
    column: int
    length: int


class Place(Struct, frozen=True, gc=False):
    """Where one key stands, and where its value does."""

    key: Span
    value: Span
