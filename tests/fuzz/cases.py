"""Bytes that once did what must not happen, kept in ``cases.toml``: written as text where they are some."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

FILE: Final = Path(__file__).with_name("cases.toml")


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What *target* was given, as ``text`` or as ``hex``, ``times`` in a row, and what came of it.

    ``head`` and ``tail``, in hex, stand once before and behind.
    """

    target: str
    was: str
    text: str = ""
    hex: str = ""
    times: int = 1
    head: str = ""
    tail: str = ""

    @property
    def data(self) -> bytes:
        """The bytes, all together."""
        body = (self.text.encode() + bytes.fromhex(self.hex)) * self.times
        return bytes.fromhex(self.head) + body + bytes.fromhex(self.tail)


def cases() -> list[Case]:
    """Read them all."""
    return msgspec.convert(tomllib.loads(FILE.read_text("utf-8")).get("case", []), list[Case])


def written(target: str, was: str, data: bytes) -> str:
    """Write a case as it stands in the file."""
    lines = ["[[case]]", f"target = {_quoted(target)}", f"was = {_quoted(was)}", f'hex = "{data.hex()}"']
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return msgspec.json.encode("".join(one if one.isprintable() else "?" for one in text)).decode()
