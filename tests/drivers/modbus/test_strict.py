"""Whatever bytes come, in whatever pieces: only the right reply is taken."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from pymodbus.pdu import ReadHoldingRegistersRequest

from drivers.modbus.strict import Reply, StrictSocket

RIGHT_BODY = b"\x03\x04\x12\x34\x56\x78"


def frame(transaction: int, unit: int, body: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(body) + 1, unit) + body


RIGHT = frame(7, 1, RIGHT_BODY)
FOREIGN = st.builds(
    frame,
    st.integers(0, 9),
    st.integers(0, 3),
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.builds(lambda data: b"\x03" + bytes((len(data),)) + data, st.binary(max_size=12)),
    ),
).filter(lambda one: one[:2] != b"\0\7" or one[6] != 1)
PIECES = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def asked() -> tuple[StrictSocket, list[bytes]]:
    garbage: list[bytes] = []
    strict = StrictSocket(garbage.append)
    strict.expect(4)
    strict.buildFrame(ReadHoldingRegistersRequest(address=0, count=2, dev_id=1, transaction_id=7))
    return strict, garbage


def taken(strict: StrictSocket, stream: bytes, pieces: list[int]) -> list[Reply]:
    found, at, turn = [], 0, 0
    while at < len(stream):
        size = pieces[turn % len(pieces)]
        used, reply = strict.handleFrame(stream[at : at + size], 1, 7)
        assert used == len(stream[at : at + size])
        if reply is not None:
            assert isinstance(reply, Reply)
            found.append(reply)
        at, turn = at + size, turn + 1
    return found


@given(st.lists(FOREIGN, max_size=5), st.lists(FOREIGN, max_size=3), PIECES)
def test_the_right_reply_is_found_among_foreign_frames(
    before: list[bytes], after: list[bytes], pieces: list[int]
) -> None:
    strict, garbage = asked()
    found = taken(strict, b"".join((*before, RIGHT, *after)), pieces)
    assert [one.body for one in found] == [RIGHT_BODY]
    assert strict.refused == len(before) + len(after)
    assert not garbage


@given(st.binary(max_size=600), PIECES)
def test_any_bytes_are_borne_and_none_is_taken_for_a_reply(stream: bytes, pieces: list[int]) -> None:
    strict, _ = asked()
    assert [
        one.body for one in taken(strict, stream, pieces) if one.body[0] == 3 and len(one.body) != 6
    ] == []


@given(st.integers(0, len(RIGHT) - 1), st.integers(1, 255), PIECES)
def test_a_reply_with_one_wrong_byte_in_its_frame_is_not_taken(
    place: int, flip: int, pieces: list[int]
) -> None:
    strict, _ = asked()
    wrong = bytearray(RIGHT)
    wrong[place] ^= flip
    found = taken(strict, bytes(wrong), pieces)
    if place < 9:  # header, function or byte count; behind them are the values, which TCP guards
        assert not [one for one in found if one.body[0] == 3]


def test_a_second_copy_of_a_reply_is_not_taken() -> None:
    strict, _ = asked()
    assert len(taken(strict, RIGHT + RIGHT, [100])) == 1
    assert strict.refused == 1
