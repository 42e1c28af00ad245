"""Looks for pictures in what left and in what was kept: as they are, in hex, or in base64.

It knows pictures by the words that every file of their kind begins with; what has no such word is looked
for by bytes of which somebody knows that they were seen (``forms``).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_SIGNS: Final = {
    "JPEG": (b"\xff\xd8\xff\xe0\x00\x10JFIF", b"JFIF\x00\x01", b"Exif\x00\x00"),
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "WebP": (b"WEBPVP8",),
    "GIF": (b"GIF89a", b"GIF87a"),
    "MP4 or HEIF": (b"ftypisom", b"ftypmp42", b"ftypheic", b"ftypavif"),
    "Matroska": (b"\x42\x82\x88matroska", b"\x42\x82\x84webm"),
}
_LEAST: Final = 6  # bytes; less is in any file by chance


def forms(seen: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the ways in which *seen* could stand in a file or a message, each by its name."""
    yield "raw", seen
    yield "hex", seen.hex().encode()
    yield "HEX", seen.hex().upper().encode()
    for lead in range(3):  # base64 reads differently by the place at which it begins
        text = b64encode(bytes(lead) + seen)
        # the edges also hang on what is beside it
        yield "base64", text[-(-lead * 8 // 6) : (lead + len(seen)) * 8 // 6]


def pictures(data: bytes) -> list[str]:
    """Name the pictures in *data*, with the form in which they stand there."""
    found = [
        f"{kind}, {form}"
        for kind, signs in _SIGNS.items()
        for sign in signs
        for form, text in forms(sign)
        if len(text) >= _LEAST and text in data
    ]
    return list(dict.fromkeys(found))


def in_files(paths: Iterable[Path]) -> tuple[list[str], int]:
    """Look into files; give a sentence for each that holds a picture, and how many bytes were looked at."""
    found, many = [], 0
    for path in paths:
        data = path.read_bytes()
        many += len(data)
        found += [f"{path}: {one}" for one in pictures(data)]
    return found, many
