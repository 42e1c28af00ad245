"""Bytes that were no reply are named: our echo, late answers, another master, noise."""

from __future__ import annotations

import pytest

from drivers.modbus.crc import crc
from drivers.modbus.frames import Tally
from drivers.modbus.strays import is_foreign, sort

OURS = (1, 2)


def framed(unit: int, body: bytes) -> bytes:
    frame = bytes((unit,)) + body
    return frame + crc(frame)


READ = framed(1, b"\x03\0\0\0\1")
REPLY = framed(1, b"\x03\x02\0\7")
FOREIGN = framed(9, b"\x03\x02\0\7")
NAMED = {
    "a late reply": (REPLY, "stale"),
    "a late reply of the other unit": (framed(2, b"\x04\x04\0\7\0\7"), "stale"),
    "a late exception": (framed(1, b"\x83\x02"), "stale"),
    "a request that could be a reply": (framed(1, b"\x03\x03\0\0\1"), "stale"),
    "a reply of a unit that is not ours": (FOREIGN, "foreign"),
    "of the highest unit": (framed(247, b"\x03\x02\0\7"), "foreign"),
    "an exception of a unit that is not ours": (framed(9, b"\x83\x02"), "foreign"),
    "a request to our unit that we did not send": (framed(1, b"\x03\0\7\0\1"), "foreign"),
    "a coil that is written": (framed(1, b"\x05\0\7\xff\0"), "foreign"),
    "a register that is written": (framed(1, b"\x06\0\7\0\1"), "foreign"),
    "coils that are written": (framed(1, b"\x0f\0\7\0\x09\x02\xff\1"), "foreign"),
    "registers that are written": (framed(1, b"\x10\0\7\0\2\x04\0\1\0\2"), "foreign"),
    "the reply to that": (framed(1, b"\x10\0\7\0\2"), "foreign"),
    "a refused write": (framed(1, b"\x86\x02"), "foreign"),
    "refused writes": (framed(1, b"\x90\x02"), "foreign"),
}


def counts(data: bytes, sent: tuple[bytes, ...] = (READ,)) -> tuple[dict[str, int], bool]:
    tally = Tally()
    more = sort(data, sent, OURS, tally)
    told = {name: getattr(tally, name) for name in ("stale", "foreign", "noise", "echoes")}
    return {name: count for name, count in told.items() if count}, more


@pytest.mark.parametrize("what", NAMED)
def test_a_whole_frame_is_named(what: str) -> None:
    frame, name = NAMED[what]
    assert counts(frame) == ({name: 1}, True)
    assert counts(frame + frame) == ({name: 2}, True)
    assert counts(b"\xff" + frame + b"\xff\xff") == ({name: 1, "noise": 3}, True)


@pytest.mark.parametrize("what", NAMED)
def test_a_frame_that_is_cut_short_is_noise(what: str) -> None:
    frame, _ = NAMED[what]
    for size in range(1, len(frame)):
        assert counts(frame[:size]) == ({"noise": size}, True)


@pytest.mark.parametrize("what", NAMED)
def test_a_frame_with_a_wrong_checksum_is_noise(what: str) -> None:
    frame, _ = NAMED[what]
    assert counts(frame[:-1] + bytes((frame[-1] ^ 1,))) == ({"noise": len(frame)}, True)


@pytest.mark.parametrize("frame", [framed(248, b"\x03\x02\0\7"), framed(1, b"\x07\0"), framed(1, b"\x87\1")])
def test_what_no_unit_or_function_explains_is_noise(frame: bytes) -> None:
    assert counts(frame) == ({"noise": len(frame)}, True)


def test_our_own_echo_is_nothing_to_speak_of() -> None:
    assert counts(READ) == ({"echoes": 1}, False)
    assert counts(READ + READ) == ({"echoes": 2}, False)
    assert counts(READ + b"\0") == ({"echoes": 1, "noise": 1}, True)
    assert counts(READ + REPLY) == ({"echoes": 1, "stale": 1}, True)
    assert counts(READ, sent=()) == ({"foreign": 1}, True)
    assert counts(b"", sent=(b"",)) == ({}, False)
    assert counts(b"\0", sent=(b"",)) == ({"noise": 1}, True)


def test_two_sound_frames_are_no_chance() -> None:
    assert not is_foreign(FOREIGN)
    assert not is_foreign(b"\0" * 40)
    assert is_foreign(FOREIGN + b"\0" + FOREIGN)
    assert is_foreign(READ + REPLY), "nobody is ours while nothing was asked"
