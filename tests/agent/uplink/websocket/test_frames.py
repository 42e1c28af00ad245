"""Frames of WebSocket: what others read of ours, what we read of theirs, and what we refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode

from agent.uplink.websocket.frames import BINARY, CLOSE, PING, BadFrameError, Heard, Reader, closing, frame

MASK = b"\x11\x22\x33\x44"
SIZES = [0, 1, 4, 125, 126, 127, 65_535, 65_536, 70_001]


def told(data: bytes | bytearray, *, step: int = 0) -> list[Heard]:
    """Read *data* cut into pieces of *step* bytes; neighbours of the same message are put together."""
    reader, found, data = Reader(), list[Heard](), bytes(data)
    for at in range(0, len(data), step or len(data)):
        found += reader.feed(data[at : at + (step or len(data))])
    return found


def payload(found: list[Heard]) -> bytes:
    return b"".join(one.data for one in found if one.kind == BINARY)


@pytest.mark.parametrize("size", SIZES)
def test_what_we_write_another_implementation_reads(size: int) -> None:
    body = bytes(n % 251 for n in range(size))
    theirs = FrameProtocol(client=False, extensions=[])
    theirs.receive_bytes(frame(BINARY, body, MASK) + frame(PING, b"ping", MASK))
    got = list(theirs.received_frames())
    heard = [(one.opcode, one.payload) for one in got]
    assert all(isinstance(one, bytes | bytearray) for _, one in heard)
    assert (
        b"".join(one for kind, one in heard if kind is Opcode.BINARY and not isinstance(one, str | tuple))
        == body
    )
    assert heard[-1] == (Opcode.PING, b"ping")


def test_a_mask_hides_what_is_sent() -> None:
    assert frame(BINARY, b"secret", MASK)[6:] == bytes(
        a ^ b for a, b in zip(b"secret", MASK * 2, strict=False)
    )


@pytest.mark.parametrize("step", [1, 3, 4096])
@pytest.mark.parametrize("size", SIZES)
def test_what_another_implementation_writes_we_read_however_it_is_cut(size: int, step: int) -> None:
    body = bytes(n % 251 for n in range(size))
    theirs = FrameProtocol(client=False, extensions=[])
    written = theirs.send_data(body, fin=True) + theirs.ping(b"are you there")
    found = told(written, step=step if size < 60_000 else max(step, 4096))
    assert payload(found) == body
    assert found[-1] == Heard(PING, b"are you there")


def test_a_message_in_pieces_lets_a_ping_pass_in_between() -> None:
    theirs = FrameProtocol(client=False, extensions=[])
    written = theirs.send_data(b"one ", fin=False) + theirs.ping(b"") + theirs.send_data(b"two", fin=True)
    found = told(written)
    assert payload(found) == b"one two"
    assert [one.kind for one in found] == [BINARY, PING, BINARY]


def test_a_frame_that_claims_to_be_endless_costs_no_memory() -> None:
    reader = Reader()
    assert list(reader.feed(b"\x82\x7f" + (2**62).to_bytes(8, "big"))) == []
    for _ in range(100):
        (piece,) = reader.feed(b"x" * 1000)
        assert piece == Heard(BINARY, b"x" * 1000)
    assert reader._kept == b""


@pytest.mark.parametrize(
    ("data", "words", "code"),
    [
        (b"\xc2\x00", "extension", 1002),
        (b"\xa2\x00", "extension", 1002),
        (b"\x82\x80\x00\x00\x00\x00", "masks", 1002),
        (b"\x81\x00", "text", 1003),
        (b"\x83\x00", "does not exist", 1002),
        (b"\x8b\x00", "does not exist", 1002),
        (b"\x09\x00", "control frame", 1002),
        (b"\x89\x7e\x00\x7e", "control frame", 1002),
        (b"\x80\x00", "none belongs", 1002),
        (b"\x02\x00\x82\x00", "none belongs", 1002),
        (b"\x82\x7e\x00\x7d", "size", 1002),
        (b"\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff", "size", 1002),
        (b"\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00", "size", 1002),
    ],
)
def test_what_the_standard_forbids_is_refused(data: bytes, words: str, code: int) -> None:
    for step in (0, 1):
        with pytest.raises(BadFrameError, match=words) as caught:
            told(data, step=step)
        assert caught.value.code == code


@given(st.binary(max_size=300), st.integers(1, 50))
def test_arbitrary_bytes_end_in_frames_or_in_a_refusal(data: bytes, step: int) -> None:
    def outcome(step: int) -> tuple[bytes, str]:
        reader, got = Reader(), b""
        try:
            for at in range(0, len(data), step):
                for one in reader.feed(data[at : at + step]):
                    got += bytes((one.kind,)) * bool(one.kind != BINARY) + one.data
        except BadFrameError as error:
            return got, str(error)
        assert len(reader._kept) < 2 + 125
        return got, ""

    assert outcome(step) == outcome(len(data) or 1), "how it is cut makes a difference"


@pytest.mark.parametrize(
    ("reason", "text", "words"),
    [
        (CloseReason.GOING_AWAY, "restart", r'it goes away \(1001, "restart"\)'),
        (CloseReason.NORMAL_CLOSURE, None, r"it is done \(1000\)"),
        (4001, "own \x1b[2J words", r'a reason of its own \(4001, "own \?\[2J words"\)'),
    ],
)
def test_a_farewell_is_said_in_words(reason: int, text: str | None, words: str) -> None:
    (heard,) = told(FrameProtocol(client=False, extensions=[]).close(reason, text))
    assert heard.kind == CLOSE
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(closing(heard.data))


def test_a_farewell_without_words_is_one_too() -> None:
    assert closing(b"") == "without a reason"


@pytest.mark.parametrize("data", [b"\x03", b"\x00\x00", b"\x03\xed", b"\x07\xd0", b"\x03\xe8\xff\xfe"])
def test_a_farewell_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrameError):
        closing(data)


def test_the_smallest_frames_are_six_bytes_longer_than_what_they_carry() -> None:
    assert len(frame(BINARY, b"x" * 125, MASK)) == 131
    assert len(frame(BINARY, b"x" * 1600, MASK)) == 1608
