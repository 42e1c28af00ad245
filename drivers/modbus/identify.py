"""Says whether a device is of a profile's type, from what it answers to a few harmless reads.

Pure. Each check of a profile's ``[identify]`` is one request of exactly its own width: some devices answer
the same address with a part of another value when more is asked. A check that nothing could fail is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agent.core.settings import Settings
from drivers.modbus.codec import decoder
from drivers.modbus.point import WORDS, ByteOrder, ModbusPoint, Table, Type

_LONGEST: Final = 32


class Check(Settings):
    """What stands in one place of every device of a type: one of some numbers, or a text's beginning."""

    addr: Annotated[int, Meta(description="Address, always counted from zero.", ge=0, le=0xFFFF)]
    table: Annotated[Table, Meta(description="Which table holds it.")] = "holding"
    type: Annotated[Type, Meta(description="Type of the number.")] = "u16"
    byte_order: Annotated[ByteOrder, Meta(description="Order of bytes, of a number or a text.")] = "ABCD"
    values: Annotated[tuple[float, ...], Meta(description="The numbers that it may be.")] = ()
    text: Annotated[tuple[str, ...], Meta(description="How the text may begin; case does not matter.")] = ()
    words: Annotated[int, Meta(description="How many registers the text takes.", ge=1, le=_LONGEST)] = 1

    def __post_init__(self) -> None:
        if bool(self.values) == bool(self.text):
            raise ValueError("write values or text, and one of them only")
        if any(not one.strip() for one in self.text):
            raise ValueError("every text begins with an empty one: write what it begins with")

    @property
    def count(self) -> int:
        """How many registers are read, no more and no less."""
        return self.words if self.text else WORDS[self.type]

    def fits(self, data: bytes) -> bool:
        """Say whether *data*, the bytes of the reply, are what is expected."""
        if len(data) != 2 * self.count:
            return False
        if self.text:
            found = text_of(data, self.byte_order).casefold()
            return any(found.startswith(one.casefold()) for one in self.text)
        point = ModbusPoint(addr=self.addr, type=self.type, byte_order=self.byte_order, sentinel="none")
        value, _ = decoder(point)(data)
        return value in self.values


def checks(identify: Mapping[str, Mapping[str, Any]]) -> tuple[Check, ...]:
    """Read a profile's ``[identify]``; raise ValueError (msgspec's own is one) with what is wrong."""
    return tuple(msgspec.convert(dict(one), Check) for one in identify.values())


def text_of(data: bytes, order: ByteOrder = "ABCD") -> str:
    """Read text out of registers: without padding, and with what no screen shows as a question mark."""
    if order in ("BADC", "DCBA"):
        data = bytes(data[index ^ 1] for index in range(len(data)))
    text = data.partition(b"\0")[0].decode("ascii", "replace").strip()
    return "".join(sign if sign.isprintable() and sign.isascii() else "?" for sign in text)
