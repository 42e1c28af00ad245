"""Names the bytes on a serial line that were not the reply.

Whole frames with a right checksum are told from noise; among them our own echo, late answers of our own
devices, and traffic that only another master can have caused.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from drivers.modbus.crc import is_sound
from drivers.modbus.frames import EXCEPTION, Tally

_READS: Final = frozenset((1, 2, 3, 4))
_SINGLE_WRITES: Final = frozenset((5, 6))
_MULTIPLE_WRITES: Final = frozenset((15, 16))
_HIGHEST_UNIT: Final = 247
_NO_CHANCE: Final = 2  # one sound checksum among many bytes may be chance


def sort(data: bytes, sent: Collection[bytes], ours: Collection[int], tally: Tally) -> bool:
    """Count what *data* is made of; say whether there was anything but our own echo.

    *sent* are our latest requests, *ours* the unit numbers that we ask.
    """
    at = noise = 0
    only_echo = True
    while at < len(data):
        frame = next((one for one in _candidates(data, at) if is_sound(one)), b"")
        if frame in sent and frame:
            tally.echoes += 1
        elif frame:
            only_echo = False
            if _is_foreign(frame, ours):
                tally.foreign += 1
            else:
                tally.stale += 1
        else:
            noise += 1
        at += len(frame) or 1
    tally.noise += noise
    return bool(noise) or not only_echo


def is_foreign(data: bytes) -> bool:
    """Say whether *data*, heard while nothing was asked, holds frames of a master and its devices."""
    tally = Tally()
    sort(data, (), (), tally)
    return tally.foreign >= _NO_CHANCE


def _candidates(data: bytes, at: int) -> list[bytes]:
    """List the stretches from *at* on that have the shape of a frame, replies before requests."""
    left = len(data) - at
    if left < 4 or data[at] > _HIGHEST_UNIT:
        return []
    function = data[at + 1]
    sizes: tuple[int, ...] = ()
    if function in _READS:
        sizes = (5 + data[at + 2], 8)
    elif function in _SINGLE_WRITES:
        sizes = (8,)
    elif function in _MULTIPLE_WRITES:
        sizes = (8, 9 + data[at + 6]) if left >= 7 else ()
    elif function & EXCEPTION and function & 0x7F in _READS | _SINGLE_WRITES | _MULTIPLE_WRITES:
        sizes = (5,)
    return [data[at : at + size] for size in sizes if size <= left]


def _is_foreign(frame: bytes, ours: Collection[int]) -> bool:
    """Say whether only another master explains *frame*: a unit or a request that is not ours."""
    if frame[0] not in ours:
        return True
    function = frame[1]
    if function & EXCEPTION:
        return function & 0x7F not in _READS
    return function not in _READS or len(frame) != 5 + frame[2]
