"""Registers that are no number: they tell who a device is, and are compared as they stand."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from agent.core.settings import Settings
from drivers.modbus.plan import Block


class Registers(Settings):
    """Where a device says its serial number, or its firmware."""

    addr: Annotated[int, Meta(description="Address, always counted from zero.", ge=0, le=0xFFFF)]
    table: Annotated[Literal["holding", "input"], Meta(description="Which table holds it.")] = "holding"
    words: Annotated[int, Meta(description="How many registers it takes.", ge=1, le=32)] = 2

    @property
    def block(self) -> Block:
        """The request for it, of exactly its own width: some devices give another value to a wider one."""
        return Block(self.table, self.addr, self.words, ())
