"""What a Modbus point is: where its registers lie and how they become a number.

It refuses types that do not fit their table, and addresses that no request can carry. A value and the
register that holds its power of ten are one point: they are read in one request or not at all. Sources:
MODBUS Application Protocol Specification V1.1b3, §4.3-4.4 (tables and addresses); SunSpec Device
Information Model Specification (scale factors, and values that mean "not available").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, field

from agent.core.driver import PointSettings, Stretch
from agent.core.duration import Duration

Table = Literal["input", "holding", "coil", "discrete"]
Type = Literal[
    "u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64", "bool", "bit", "bit32",
    "bcd16", "bcd32", "bcd64", "u24e8", "i24e8",
]  # fmt: skip
ByteOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Addressing = Literal["zero", "one", "40001"]
Sentinel = Literal["sunspec", "highest", "none"]

WORDS: Final[dict[Type, int]] = {
    "u16": 1, "i16": 1, "f16": 1, "bool": 1, "bit": 1, "bcd16": 1,
    "u32": 2, "i32": 2, "f32": 2, "bit32": 2, "bcd32": 2, "u24e8": 2, "i24e8": 2,
    "u64": 4, "i64": 4, "f64": 4, "bcd64": 4,
}  # fmt: skip
"""How many registers a value of each type takes."""
BIT_TABLES: Final[frozenset[Table]] = frozenset(("coil", "discrete"))
_LAST: Final = 0xFFFF
_BITS: Final = ("bit", "bit32")
_INTEGER: Final = re.compile(r"-?\d{1,20}")
_TABLE_OF_DIGIT: Final[dict[int, Table]] = {0: "coil", 1: "discrete", 3: "input", 4: "holding"}


class HasAddressing(Protocol):
    """What a point must know of its device to be found in recorded words."""

    @property
    def addressing(self) -> Addressing:
        """How addresses count."""
        ...


class ModbusPoint(PointSettings, kw_only=True):
    """One value of a Modbus device, in one or more neighbouring registers."""

    addr: Annotated[
        int, Meta(description="Address as `addressing` counts it; by default from zero.", ge=0, le=465536)
    ]
    table: Annotated[Table, Meta(description="Which of the device's four tables holds it.")] = "holding"
    addressing: Annotated[
        Addressing | None,
        Meta(description="How `addr` counts: zero, one, or 40001 (first digit = table); else as the device."),
    ] = None
    type: Annotated[
        Type, Meta(description="Type of the raw value; coils and discrete inputs are `bool`.")
    ] = "u16"
    byte_order: Annotated[
        ByteOrder, Meta(description="Order of bytes: ABCD high first, CDAB low word first.")
    ] = "ABCD"
    bit: Annotated[
        int | None, Meta(description="Lowest bit of `bit` (0 to 15) or of `bit32` (0 to 31) that counts.")
    ] = None
    bits: Annotated[int, Meta(description="How many bits from `bit` upward make the number.", ge=1)] = 1
    codes: Annotated[
        dict[str, float],
        Meta(description='What raw numbers stand for, such as { "4" = 1 }; others are `unknown_code`.'),
    ] = field(default_factory=dict)
    scale: Annotated[float, Meta(description="Raw value times this gives the unit.")] = 1.0
    scale_addr: Annotated[
        int | None,
        Meta(description="Register with the power of ten of the raw value (a SunSpec scale factor)."),
    ] = None
    offset: Annotated[float, Meta(description="Added after scaling.")] = 0.0
    sentinel: Annotated[
        Sentinel,
        Meta(
            description="Raw values that mean not available, by type and width: sunspec (unsigned: all ones, "
            "signed: the lowest), highest (of the type), or none. NaN of a float always means it."
        ),
    ] = "sunspec"
    every: Annotated[
        Duration | None,
        Meta(description="Time between two reads, where it is not the device's.", extra={"least": "100ms"}),
    ] = None
    group: Annotated[
        str, Meta(description="Points with the same word here are read in one request, or not at all.")
    ] = ""
    nan: Annotated[
        tuple[int, ...],
        Meta(description="More raw values that mean not available, as unsigned numbers of full width."),
    ] = ()

    def __post_init__(self) -> None:
        if self.table in BIT_TABLES and self.type != "bool":
            raise ValueError(f'a {self.table} is one bit: write type = "bool", not "{self.type}"')
        self._check_bits()
        self._check_numbers()

    def _check_bits(self) -> None:
        if (self.type in _BITS) != (self.bit is not None):
            raise ValueError('type = "bit" and a bit number go together: write both or none')
        if self.bit is None:
            if self.bits != 1:
                raise ValueError('bits are taken of type = "bit" or "bit32": write that, and the lowest bit')
            return
        most = 16 * WORDS[self.type]
        if not 0 <= self.bit < most:
            raise ValueError(f"bit {self.bit} is none of a register: they are 0 to {most - 1}")
        if self.bit + self.bits > most:
            raise ValueError(f"{self.bits} bits from bit {self.bit} on do not fit {most} bits")

    def _check_numbers(self) -> None:
        if not self.scale:
            raise ValueError("scale is 0, so every value would be the same")
        width = 16 * WORDS[self.type]
        if any(not 0 <= raw < 1 << width for raw in self.nan):
            raise ValueError(f"a nan value does not fit {self.type}: it has {width} bits")
        if wrong := [code for code in self.codes if not _INTEGER.fullmatch(code)]:
            raise ValueError(f'codes are whole numbers in quotes, not "{wrong[0]}"')
        if self.codes and (self.type.startswith("f") or self.scale_addr is not None):
            raise ValueError("codes are for whole numbers without a power of ten")
        if self.scale_addr is None:
            return
        if self.table in BIT_TABLES or self.type in ("bool", *_BITS):
            raise ValueError(f"a {self.type} has no power of ten: leave scale_addr out")
        if self.addr <= self.scale_addr < self.addr + WORDS[self.type]:
            raise ValueError("scale_addr lies within the value itself")

    @property
    def words(self) -> int:
        """How many registers (or bits) are read for it: the value, and up to its power of ten."""
        size = WORDS[self.type]
        if self.scale_addr is None:
            return size
        return max(self.addr + size, self.scale_addr + 1) - min(self.addr, self.scale_addr)

    def place(self, addressing: Addressing) -> tuple[Table, int]:
        """Give table and address from zero; *addressing* is the device's. Raise ValueError if impossible."""
        table, start = self.table, self._first
        match self.addressing or addressing:
            case "one":
                start -= 1
            case "40001":
                table, start = self._numbered()
        if not 0 <= start <= _LAST + 1 - self.words:
            raise ValueError(f"address {self.addr} lies outside of 0 to {_LAST}")
        return table, start

    @property
    def _first(self) -> int:
        """The lower of its address and that of its power of ten."""
        return self.addr if self.scale_addr is None else min(self.addr, self.scale_addr)

    def replay(self, device: HasAddressing, stretches: Sequence[Stretch]) -> tuple[float | None, str] | None:
        """Decode it out of recorded words: the value, or why there is none; None if they lack a part."""
        from drivers.modbus.codec import decoder

        table, start = self.place(device.addressing)
        for one in stretches:
            at = start - one.addr
            if one.table == table and at >= 0 and at + self.words <= len(one.words):
                words = one.words[at : at + self.words]
                return decoder(self)(b"".join(word.to_bytes(2, "big") for word in words))
        return None

    def _numbered(self) -> tuple[Table, int]:
        """Read 30071 or 400071: the first digit is the table, the rest counts from one."""
        digit, number = divmod(self._first, 100_000 if self._first >= 100_000 else 10_000)
        table = _TABLE_OF_DIGIT.get(digit)
        if table is None or not number:
            raise ValueError(f"{self.addr} is no 40001-style number: they begin with 0, 1, 3 or 4")
        if self.table not in ("holding", table):
            raise ValueError(f"{self.addr} is a number of the table {table}, but table says {self.table}")
        if table in BIT_TABLES and self.type != "bool":
            raise ValueError(f'a {table} is one bit: write type = "bool", not "{self.type}"')
        return table, number - 1
