"""Whatever bytes a line brings, in whatever pieces: only the right reply is taken, and it is found."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.modbus.crc import crc, is_sound
from drivers.modbus.frames import Question
from drivers.modbus.frames_rtu import RtuFrames, identification_size
from drivers.modbus.request import POLITE, WHO_ARE_YOU, Manners

BODY = b"\x03\x04\x12\x34\x56\x78"
READ_TWO = Question(1, b"\x03\0\x0a\0\2", 4, POLITE)
PIECES = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def framed(unit: int, body: bytes) -> bytes:
    frame = bytes((unit,)) + body
    return frame + crc(frame)


RIGHT = framed(1, BODY)
FOREIGN = st.builds(
    framed,
    st.integers(0, 9),
    st.one_of(
        st.binary(min_size=1, max_size=20),
        st.builds(
            lambda function, data: bytes((function, len(data))) + data,
            st.sampled_from((3, 4, 1)),
            st.binary(max_size=30),
        ),
    ),
).filter(lambda one: RIGHT[:3] not in one and b"\x01\x83" not in one)


def asked(question: Question = READ_TWO) -> RtuFrames:
    frames = RtuFrames()
    frames.ask(question)
    return frames


def taken(frames: RtuFrames, stream: bytes, pieces: list[int]) -> list[bytes]:
    found, at, turn = [], 0, 0
    while at < len(stream):
        size = pieces[turn % len(pieces)]
        body = frames.feed(stream[at : at + size])
        if body is not None:
            found.append(body)
        at, turn = at + size, turn + 1
    return found


def test_the_checksum_is_that_of_the_specification() -> None:
    assert crc(b"\x02\x07") == b"\x41\x12"  # MODBUS over Serial Line V1.02, appendix B
    assert is_sound(bytes.fromhex("01 04 02 ff ff b8 80"))
    assert not is_sound(bytes.fromhex("01 04 02 ff fe b8 80"))
    assert not is_sound(b"\xff\xff")


def test_a_request_is_written_as_the_specification_shows() -> None:
    # MODBUS Application Protocol V1.1b3, §6.3, with unit 17 and its checksum
    assert (
        RtuFrames().ask(Question(0x11, bytes.fromhex("03 006b 0003"), 6, POLITE)).hex() == "1103006b00037687"
    )


@given(st.lists(FOREIGN, max_size=5), st.binary(max_size=50), PIECES)
def test_the_right_reply_is_found_behind_foreign_frames_and_noise(
    before: list[bytes], noise: bytes, pieces: list[int]
) -> None:
    stream = b"".join(before) + noise
    if RIGHT[:3] in stream or b"\x01\x83" in stream + RIGHT[:1]:
        return  # what begins like a reply may swallow one that comes too soon behind it
    assert taken(asked(), stream + RIGHT, pieces) == [BODY]


def test_a_broken_reply_does_not_hide_the_whole_one_inside_or_behind_it() -> None:
    broken = RIGHT[:5] + b"\0" + RIGHT[6:]
    frames = asked()
    assert taken(frames, broken + RIGHT, [100]) == [BODY]
    assert frames.tally.crc_errors == 1
    assert taken(asked(), RIGHT[:5] + RIGHT, [1]) == [BODY]
    assert taken(asked(), RIGHT[:3] + RIGHT[:3] + RIGHT, [1]) == [BODY]


def test_a_reply_is_found_one_byte_behind_what_begins_like_it() -> None:
    coils = Question(1, b"\x01\0\0\0\x08", 1, POLITE)
    body = b"\x01\x01\x55"
    assert taken(asked(coils), b"\x01" + framed(1, body), [100]) == [body]


def test_our_own_echo_is_passed_over() -> None:
    frames = RtuFrames()
    sent = frames.ask(READ_TWO)
    assert taken(frames, sent + RIGHT, [1]) == [BODY]
    frames.ask(READ_TWO)
    assert (frames.tally.echoes, frames.tally.noise, frames.tally.foreign) == (1, 0, 0)


def test_an_exception_is_taken_and_one_without_a_code_is_not() -> None:
    assert taken(asked(), framed(1, b"\x83\x02"), [1]) == [b"\x83\x02"]
    frames = asked()
    assert taken(frames, framed(1, b"\x83\0") + RIGHT, [100]) == [BODY]


WRONG = {
    "short": framed(1, b"\x03\x02\x12\x34"),
    "long": framed(1, b"\x03\x06\x12\x34\x56\x78\x9a\xbc"),
    "another function": framed(1, b"\x04\x04\x12\x34\x56\x78"),
    "another unit": framed(2, BODY),
    "broadcast": framed(0, BODY),
    "unit 255": framed(255, BODY),
    "odd number of bytes": framed(1, b"\x03\x03\x12\x34\x56"),
    "lying byte count": framed(1, b"\x03\x04\x12\x34"),
    "exception of another function": framed(1, b"\x84\x02"),
    "checksum turned round": RIGHT[:-2] + RIGHT[:-3:-1],
    "empty": framed(1, b"\x03\0"),
}


@pytest.mark.parametrize("how", WRONG)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_wrong_reply_is_not_taken_and_does_not_hide_the_right_one(how: str, size: int) -> None:
    frames = asked()
    assert taken(frames, WRONG[how], [size]) == []
    assert taken(frames, RIGHT, [size]) == [BODY]


def test_what_was_no_reply_is_named() -> None:
    frames = asked()
    late, other = framed(1, b"\x04\x02\0\1"), framed(9, b"\x03\0\0\0\1")
    taken(frames, b"\xff\xfe" + late + other + framed(1, b"\x03\0\7\0\1") + RIGHT, [7])
    frames.ask(READ_TWO)
    assert frames.tally.stale == 1
    assert frames.tally.foreign == 2, "a request that we did not send, and a unit that we do not ask"
    assert frames.tally.noise == 2


def test_a_device_may_answer_as_unit_zero_if_its_settings_say_so() -> None:
    frames = asked(Question(1, READ_TWO.body, 4, Manners(any_unit=True)))
    assert taken(frames, framed(0, BODY), [2]) == [BODY]


def test_an_identification_is_taken_whatever_its_length() -> None:
    texts = b"".join(bytes((i, len(text))) + text for i, text in enumerate((b"ACME", b"", b"2.0")))
    body = b"\x2b\x0e\x01\x01\0\0\x03" + texts
    for size in (1, 4, 100):
        assert taken(asked(Question(1, WHO_ARE_YOU, -1, POLITE)), b"\x2b" + framed(1, body), [size]) == [body]


def test_the_length_of_an_identification_is_known_with_the_head_of_its_last_object() -> None:
    body = b"\x2b\x0e\x01\x01\0\0\x02" + b"\0\4ACME" + b"\1\0"
    frame = framed(1, body)
    told = [identification_size(frame[:size]) for size in range(len(frame) + 1)]
    assert told == [None] * 16 + [len(frame)] * (len(frame) - 15)
    assert identification_size(framed(1, b"\x2b\x0e\x01\x01\0\0\0")[:8]) == 10


def test_an_identification_longer_than_any_frame_is_not_waited_for() -> None:
    head = b"\1\x2b\x0e\x01\x01\0\0\x02\0"
    assert identification_size(head + b"\xf5") is None
    assert identification_size(head + b"\xf6") == 256


def test_a_reply_without_data_is_taken_where_none_was_asked_for() -> None:
    assert taken(asked(Question(1, READ_TWO.body, 0, POLITE)), framed(1, b"\x03\0"), [1]) == [b"\x03\0"]


def test_a_question_that_nothing_came_for_was_not_answered_badly() -> None:
    frames = asked()
    assert not frames.give_up()
    frames.ask(READ_TWO)
    frames.feed(b"\xff\xff\xff")
    assert frames.give_up()
    frames.ask(READ_TWO)
    assert not frames.give_up()


def test_half_a_frame_is_only_what_came_for_a_question() -> None:
    frames = RtuFrames()
    assert not frames.give_up()
    frames.feed(RIGHT[:4])
    assert not frames.half
    frames.ask(READ_TWO)
    assert not frames.half
    frames.feed(RIGHT[:4])
    assert frames.half


@given(st.integers(0, len(RIGHT) - 1), st.integers(1, 255), PIECES)
def test_a_reply_with_a_wrong_byte_is_not_taken(place: int, flip: int, pieces: list[int]) -> None:
    wrong = bytearray(RIGHT)
    wrong[place] ^= flip
    assert taken(asked(), bytes(wrong), pieces) == []


def test_a_flood_of_noise_keeps_the_buffer_small() -> None:
    frames = asked()
    for _ in range(200):
        frames.feed(b"\x01\x03\x04" * 400)
    assert len(frames._buffer) + len(frames._passed) < 8000
    assert taken(frames, b"\0" * 300 + RIGHT, [50]) == [BODY]


def test_each_byte_of_a_flood_is_counted_once() -> None:
    frames = asked()
    for _ in range(10):
        frames.feed(b"\xff" * 1000)
    frames.give_up()
    assert frames.tally.noise == 10_000


def test_a_frame_that_failed_is_counted_once_while_an_earlier_one_is_waited_for() -> None:
    frames = asked()
    refusal = framed(1, b"\x83\x02")[:-1] + b"\0"
    for piece in (b"\xff" + RIGHT[:3] + refusal, b"", b""):
        assert frames.feed(piece) is None
    assert frames.tally.crc_errors == 1
    assert frames.half


def disturbance(chance: random.Random) -> bytes:
    """Give something that a bad line may bring, most of it almost a right reply."""
    match chance.randint(0, 5):
        case 0:
            return chance.randbytes(chance.randint(0, 40))
        case 1:
            return bytes(chance.choices((0, 1, 3, 4, 0x83, 2), k=chance.randint(0, 20)))
        case 2:
            return RIGHT[: chance.randrange(len(RIGHT))]
        case 3:
            function = chance.choice((3, 4, 0x83))
            return framed(chance.randint(0, 2), bytes((function,)) + chance.randbytes(5))
        case 4:
            wrong = bytearray(RIGHT)
            wrong[chance.randrange(len(wrong))] ^= chance.randint(1, 255)
            return bytes(wrong)
        case _:
            return RIGHT


def fuzz(seed: int) -> None:
    """Feed a random stream; whatever is taken must be right, what is right is taken, and nothing raises."""
    chance, frames = random.Random(seed), asked()
    parts = [disturbance(chance) for _ in range(chance.randint(0, 6))]
    stream = b"".join(parts)
    found = taken(frames, stream, [chance.randint(1, 30) for _ in range(5)])
    assert len(found) <= 1
    for body in found:
        assert body[:2] == BODY[:2] or body[0] == 0x83
        assert framed(1, body) in stream, "a frame that never came"
    assert found or RIGHT not in parts, "a right frame was overlooked"
    frames.ask(READ_TWO)
    assert taken(frames, RIGHT, [9]) == [BODY], "it recovers at once"


@given(st.integers(0, 2**64))
@settings(max_examples=3000, deadline=None)
def test_three_thousand_random_streams_are_borne(seed: int) -> None:
    fuzz(seed)


@pytest.mark.long
@given(st.integers(0, 2**64))
@settings(max_examples=200_000, deadline=None)
def test_two_hundred_thousand_random_streams_are_borne(seed: int) -> None:
    fuzz(seed)


@given(st.binary(max_size=600), PIECES, st.sampled_from((4, 0, 250)))
@settings(max_examples=300)
def test_any_bytes_are_borne(stream: bytes, pieces: list[int], size: int) -> None:
    frames = asked(Question(1, READ_TWO.body, size, POLITE))
    for body in taken(frames, stream, pieces):
        assert framed(1, body) in stream
    frames.give_up()
    tally = frames.tally
    assert tally.noise <= len(stream)
