"""The site that everybody reads in the comparison, and how its registers tell what was read, and when.

Two endpoints: a Modbus TCP gateway with ten units of a hundred registers, `d1` to `d10`, and a converter that
passes RTU through TCP, with five units of twice ten, `c1` to `c5`. A register holds the number of its point
and, in its five lowest bits, the second in which it was read: a value under a wrong name shows, and so does
one that is stamped long after.
"""

from __future__ import annotations

from typing import Final

UNITS: Final = {"d": 10, "c": 5}
REGISTERS: Final = 100
FEW: Final = 10
BLOCKS: Final = {"d": ((0, REGISTERS),), "c": ((0, FEW), (200, FEW))}
"""First addresses and lengths of what each unit has."""
TCP_POINTS: Final = UNITS["d"] * REGISTERS
POINTS: Final = TCP_POINTS + UNITS["c"] * len(BLOCKS["c"]) * FEW
_NOBODY: Final = POINTS
_BITS: Final = 5
_ROUND: Final = 1 << _BITS


def addrs_of(kind: str) -> list[int]:
    """Give the addresses of a unit behind the gateway, d, or behind the converter, c."""
    return [first + offset for first, count in BLOCKS[kind] for offset in range(count)]


def point_of(device: str, addr: int) -> int:
    """Give the number of the point at *addr* of a device; what lies between its registers is nobody's."""
    unit = int(device[1:]) - 1
    if device[0] == "d":
        return unit * REGISTERS + addr if addr < REGISTERS else _NOBODY
    for number, (first, count) in enumerate(BLOCKS["c"]):
        if first <= addr < first + count:
            return TCP_POINTS + (unit * len(BLOCKS["c"]) + number) * FEW + addr - first
    return _NOBODY


def points_of(device: str) -> list[int]:
    """Give the points of a device."""
    return [point_of(device, addr) for addr in addrs_of(device[0])]


def word(point: int, second: float) -> int:
    """Give what the register of *point* holds in *second*."""
    return point << _BITS | int(second) % _ROUND


def owner(raw: int) -> int:
    """Give the point that *raw* was read from."""
    return raw >> _BITS


def age(raw: int, at: float) -> int:
    """Give by how many seconds a value stamped *at* is older than its stamp, -8 to 23."""
    return (int(at) - raw + 8) % _ROUND - 8
