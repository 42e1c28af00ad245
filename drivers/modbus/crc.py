"""The checksum at the end of a frame on a serial line.

Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, §6.2.2 (CRC generation).
"""

from __future__ import annotations

from typing import Final

_POLYNOMIAL: Final = 0xA001


def _entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE: Final = tuple(_entry(byte) for byte in range(256))


def crc(data: bytes) -> bytes:
    """Give the two bytes that follow *data* on the line, low byte first."""
    value, table = 0xFFFF, _TABLE
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value.to_bytes(2, "little")


def is_sound(frame: bytes) -> bool:
    """Say whether a whole frame ends with its own checksum."""
    return len(frame) >= 4 and crc(frame[:-2]) == frame[-2:]
