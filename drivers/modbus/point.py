"""What a Modbus point is: where its registers lie and how they become a number.

It refuses types that do not fit their table, and addresses that no request can carry. Sources: MODBUS
Application Protocol Specification V1.1b3, §4.3-4.4 (tables and addresses); SunSpec Device Information
Model Specification (values that mean "not available").
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from agent.core.driver import PointSettings

Table = Literal["input", "holding", "coil", "discrete"]
Type = Literal[
    "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64", "bool", "bit", "bcd16", "bcd32"
]  # fmt: skip
ByteOrder = Literal["ABCD", "CDAB", "BADC", "DCBA"]
Addressing = Literal["zero", "one", "40001"]
Sentinel = Literal["sunspec", "highest", "none"]

WORDS: Final[dict[Type, int]] = {
    "u16": 1, "i16": 1, "bool": 1, "bit": 1, "bcd16": 1,
    "u32": 2, "i32": 2, "f32": 2, "bcd32": 2,
    "u64": 4, "i64": 4, "f64": 4,
}  # fmt: skip
BIT_TABLES: Final[frozenset[Table]] = frozenset(("coil", "discrete"))
_LAST: Final = 0xFFFF
_TABLE_OF_DIGIT: Final[dict[int, Table]] = {0: "coil", 1: "discrete", 3: "input", 4: "holding"}


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
    bit: Annotated[int | None, Meta(description="Which bit of the register: 0 (lowest) to 15.")] = None
    scale: Annotated[float, Meta(description="Raw value times this gives the unit.")] = 1.0
    offset: Annotated[float, Meta(description="Added after scaling.")] = 0.0
    sentinel: Annotated[
        Sentinel,
        Meta(
            description="Raw values that mean not available, by type and width: sunspec (unsigned: all ones, "
            "signed: the lowest), highest (of the type), or none. NaN of a float always means it."
        ),
    ] = "sunspec"
    nan: Annotated[
        tuple[int, ...],
        Meta(description="More raw values that mean not available, as unsigned numbers of full width."),
    ] = ()

    def __post_init__(self) -> None:
        if self.table in BIT_TABLES and self.type != "bool":
            raise ValueError(f'a {self.table} is one bit: write type = "bool", not "{self.type}"')
        if (self.type == "bit") != (self.bit is not None):
            raise ValueError('type = "bit" and a bit number go together: write both or none')
        if self.bit is not None and not 0 <= self.bit <= 15:
            raise ValueError(f"bit {self.bit} is none of a register: they are 0 to 15")
        if not self.scale:
            raise ValueError("scale is 0, so every value would be the same")
        if any(not 0 <= raw < 1 << 16 * self.words for raw in self.nan):
            raise ValueError(f"a nan value does not fit {self.type}: it has {16 * self.words} bits")

    @property
    def words(self) -> int:
        """How many registers (for coils and discrete inputs: bits) the value takes."""
        return WORDS[self.type]

    def place(self, addressing: Addressing) -> tuple[Table, int]:
        """Give table and address from zero; *addressing* is the device's. Raise ValueError if impossible."""
        table, start = self.table, self.addr
        match self.addressing or addressing:
            case "one":
                start -= 1
            case "40001":
                table, start = self._numbered()
        if not 0 <= start <= _LAST + 1 - self.words:
            raise ValueError(f"address {self.addr} lies outside of 0 to {_LAST}")
        return table, start

    def _numbered(self) -> tuple[Table, int]:
        """Read 30071 or 400071: the first digit is the table, the rest counts from one."""
        digit, number = divmod(self.addr, 100_000 if self.addr >= 100_000 else 10_000)
        table = _TABLE_OF_DIGIT.get(digit)
        if table is None or not number:
            raise ValueError(f"{self.addr} is no 40001-style number: they begin with 0, 1, 3 or 4")
        if self.table not in ("holding", table):
            raise ValueError(f"{self.addr} is a number of the table {table}, but table says {self.table}")
        if table in BIT_TABLES and self.type != "bool":
            raise ValueError(f'a {table} is one bit: write type = "bool", not "{self.type}"')
        return table, number - 1
