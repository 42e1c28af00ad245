"""Whatever bytes come, in whatever pieces: only the right reply is taken."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.modbus.frames import Question
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.request import POLITE, WHO_ARE_YOU, Manners

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


def asked() -> TcpFrames:
    """Give frames that wait for the reply to transaction 7."""
    frames = TcpFrames()
    for _ in range(7):
        frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    return frames


def taken(frames: TcpFrames, stream: bytes, pieces: list[int]) -> list[bytes]:
    found, at, turn = [], 0, 0
    while at < len(stream):
        size = pieces[turn % len(pieces)]
        body = frames.feed(stream[at : at + size])
        if body is not None:
            found.append(body)
        at, turn = at + size, turn + 1
    return found


@given(st.lists(FOREIGN, max_size=5), st.lists(FOREIGN, max_size=3), PIECES)
def test_the_right_reply_is_found_among_foreign_frames(
    before: list[bytes], after: list[bytes], pieces: list[int]
) -> None:
    frames = asked()
    assert taken(frames, b"".join((*before, RIGHT, *after)), pieces) == [RIGHT_BODY]
    assert frames.tally.stale == len(before) + len(after)
    assert not frames.garbage


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_the_right_reply_is_found_behind_noise_that_came_with_it(noise: bytes, after: bytes) -> None:
    frames = asked()
    found = taken(frames, noise + RIGHT + after, [1000])
    # noise that begins like a frame of another request is waited for, as it must be
    assert found == [RIGHT_BODY] or frames.half or noise[2:4] == b"\0\0"


@pytest.mark.parametrize("noise", [b"\0", b"\xff", b"\0\7", b"\0\7\0", b"\xff" * 7])
def test_a_little_noise_before_the_reply_is_passed_over(noise: bytes) -> None:
    frames = asked()
    assert frames.feed(noise) is None
    assert not frames.garbage
    assert frames.feed(RIGHT) == RIGHT_BODY
    assert frames.tally.noise == len(noise)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_beginning_of_a_reply_at_the_end_of_noise_is_kept(size: int) -> None:
    frames = asked()
    assert frames.feed(b"\xff" * 7 + RIGHT[:size]) is None
    assert not frames.garbage
    assert frames.feed(RIGHT[size:]) == RIGHT_BODY


@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("flip", [1, 0x80])
def test_no_byte_of_the_header_may_be_another(place: int, flip: int) -> None:
    wrong = bytearray(RIGHT)
    wrong[place] ^= flip
    for pieces in ([1], [100]):
        frames = asked()
        assert taken(frames, bytes(wrong), pieces) == []
        assert frames.give_up() or frames.garbage


def test_after_the_last_number_comes_one_and_never_zero() -> None:
    frames = TcpFrames()
    frames._number = 0xFFFE
    sent = [frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))[:2] for _ in range(2)]
    assert sent == [b"\xff\xff", b"\0\1"]


def test_who_was_asked_nothing_has_refused_nothing() -> None:
    assert not TcpFrames().give_up()


def test_what_was_passed_over_before_a_reply_was_refused() -> None:
    frames = asked()
    assert frames.feed(b"\xff" + RIGHT) == RIGHT_BODY
    assert frames.give_up()


def test_who_a_device_is_may_be_told_without_any_name() -> None:
    body = b"\x2b\x0e\x01\x01\0\0\0"
    assert identified(body) == body


@pytest.mark.parametrize("body", [b"\x2b\x0e\x01\x01\0\0", b"\x2b\x0d\x01\x01\0\0\0"])
def test_what_tells_no_names_is_not_who_a_device_is(body: bytes) -> None:
    assert identified(body) is None


def identified(body: bytes) -> bytes | None:
    frames = TcpFrames()
    frames.ask(Question(1, WHO_ARE_YOU, -1, POLITE))
    return frames.feed(frame(1, 1, body))


def test_nothing_but_strange_bytes_is_garbage() -> None:
    for stream in (b"SSH-2.0-", b"SSH-2.0-Open"):
        frames = asked()
        frames.feed(stream)
        assert frames.garbage == b"SSH-2.0-"
        assert frames.tally.noise == len(stream)


@given(st.binary(max_size=600), PIECES)
def test_any_bytes_are_borne_and_none_is_taken_for_a_reply(stream: bytes, pieces: list[int]) -> None:
    assert [body for body in taken(asked(), stream, pieces) if body[0] == 3 and len(body) != 6] == []


@given(st.integers(0, len(RIGHT) - 1), st.integers(1, 255), PIECES)
def test_a_reply_with_one_wrong_byte_in_its_frame_is_not_taken(
    place: int, flip: int, pieces: list[int]
) -> None:
    wrong = bytearray(RIGHT)
    wrong[place] ^= flip
    found = taken(asked(), bytes(wrong), pieces)
    if place < 9:  # header, function or byte count; behind them are the values, which TCP guards
        assert not [body for body in found if body[0] == 3]


def test_a_second_copy_of_a_reply_is_not_taken() -> None:
    frames = asked()
    assert len(taken(frames, RIGHT + RIGHT, [100])) == 1
    assert frames.tally.stale == 1


def test_a_device_may_answer_with_unit_or_transaction_zero_if_its_settings_say_so() -> None:
    for manners, reply in (
        (Manners(any_unit=True), frame(1, 0, RIGHT_BODY)),
        (Manners(any_unit=True), frame(1, 255, RIGHT_BODY)),
        (Manners(zero_transaction=True), frame(0, 1, RIGHT_BODY)),
    ):
        for allowed, expected in ((manners, RIGHT_BODY), (POLITE, None)):
            frames = TcpFrames()
            frames.ask(Question(1, b"\x03\0\0\0\2", 4, allowed))
            assert frames.feed(reply) == expected


def disturbance(chance: random.Random) -> bytes:
    """Give something that a bad gateway may bring, most of it almost a right reply."""
    match chance.randint(0, 5):
        case 0:
            return chance.randbytes(chance.randint(0, 40))
        case 1:
            return bytes(chance.choices((0, 1, 3, 4, 7, 0x83), k=chance.randint(0, 20))) + RIGHT[:7]
        case 2:
            return RIGHT[: chance.randrange(len(RIGHT))]
        case 3:
            return frame(chance.choice((6, 7)), chance.randint(0, 2), bytes((3, 4)) + chance.randbytes(4))
        case 4:
            wrong = bytearray(RIGHT)
            wrong[chance.randrange(9)] ^= chance.randint(1, 255)
            return bytes(wrong)
        case _:
            return chance.choice((RIGHT, frame(7, 1, bytes((0x83, chance.randint(0, 11))))))


def fuzz(seed: int) -> None:
    """Feed a random stream; what is taken came as a whole frame that fits, and nothing raises."""
    chance, frames = random.Random(seed), asked()
    stream = b"".join(disturbance(chance) for _ in range(chance.randint(0, 6)))
    found = taken(frames, stream, [chance.randint(1, 30) for _ in range(5)])
    assert len(found) <= 1
    for body in found:
        assert frame(7, 1, body) in stream, "a frame that never came"
        assert (body[:2] == b"\x03\x04" and len(body) == 6) or (
            body[0] == 0x83 and body[1] and len(body) == 2
        )
    assert len(frames._buffer) <= 6 + 254
    frames.reset()
    question = Question(1, b"\x03\0\0\0\2", 4, POLITE)
    sent = frames.ask(question)
    assert frames.feed(sent[:2] + RIGHT[2:]) == RIGHT_BODY, "a new connection begins anew"


@given(st.integers(0, 2**64))
@settings(max_examples=1000, deadline=None)
def test_a_thousand_random_streams_are_borne(seed: int) -> None:
    fuzz(seed)


@pytest.mark.long
@given(st.integers(0, 2**64))
@settings(max_examples=200_000, deadline=None)
def test_two_hundred_thousand_random_streams_are_borne(seed: int) -> None:
    fuzz(seed)


def reply(transaction: int, *values: int) -> bytes:
    data = struct.pack(f">{len(values)}H", *values)
    return frame(transaction, 1, bytes((3, len(data))) + data)


def put_aside(*sizes: int) -> TcpFrames:
    """Give frames that put questions 1, 2 ... for so many registers aside, and wait for two more."""
    frames = TcpFrames()
    for number, size in enumerate(sizes, 1):
        frames.ask(Question(1, b"\x03\0\0\0" + bytes((size,)), 2 * size, POLITE))
        assert frames.put_aside() == number
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    return frames


@pytest.mark.parametrize("size", [1, 9, 1000])
def test_replies_to_questions_put_aside_are_told_by_their_numbers(size: int) -> None:
    frames = put_aside(1, 1, 3)
    stream = reply(2, 22) + reply(4, 44, 45) + reply(1, 11) + frame(3, 1, b"\x83\2")
    found, late = list[bytes](), list[tuple[int, bytes]]()
    for at in range(0, len(stream), size):
        body = frames.feed(stream[at : at + size])
        found += [body] if body else []
        late += frames.late()
    assert found == [b"\3\4" + struct.pack(">2H", 44, 45)]
    assert late == [(2, b"\3\2\0\x16"), (1, b"\3\2\0\x0b"), (3, b"\x83\2")]
    assert frames.tally.stale == 0


@pytest.mark.parametrize(
    "wrong",
    [
        reply(1, 11, 12), frame(1, 2, b"\3\2\0\x0b"), frame(1, 1, b"\4\2\0\x0b"), frame(1, 1, b"\x84\2"),
        frame(1, 1, b"\3\3\0\x0b"), reply(9, 11), reply(0, 11),
    ],
)  # fmt: skip
def test_a_late_reply_is_as_strictly_looked_at_as_any_other(wrong: bytes) -> None:
    frames = put_aside(1)
    assert frames.feed(wrong) is None
    assert list(frames.late()) == []
    assert frames.tally.stale == 1
    assert frames.feed(reply(1, 11) + reply(1, 11)) is None
    assert list(frames.late()) == [(1, b"\3\2\0\x0b")], "once"
    assert frames.tally.stale == 2


def test_what_is_forgotten_is_not_taken_any_more() -> None:
    frames = put_aside(1, 1)
    frames.forget(1)
    frames.forget(1)
    frames.feed(reply(1, 11))
    assert list(frames.late()) == []
    frames.reset()
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    frames.feed(reply(2, 22))
    assert list(frames.late()) == [], "a new connection owes nothing"


def test_only_a_question_that_nothing_strange_has_answered_is_put_aside() -> None:
    frames = TcpFrames()
    assert frames.put_aside() == 0
    frames.ask(Question(1, b"\x03\0\0\0\1", 2, POLITE))
    frames.feed(reply(9, 1))
    assert frames.put_aside() == 0


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 140), PIECES)
@example(1, 1, 2, [1])
@example(1, 1, 1, [1])
@example(30, 1, 11, [1000])
@example(1, 60, 4, [11, 1000])
def test_a_late_reply_that_was_cut_short_is_not_filled_up_with_the_next(
    first: int, second: int, missing: int, pieces: list[int]
) -> None:
    """Whatever the lengths: what is missing may be as long as the reply behind it, or as a byte of it."""
    frames = put_aside(first)
    whole = reply(1, *range(256, 256 + first))
    cut = max(1, len(whole) - missing)
    frames.ask(Question(1, b"\x03\0\0\0" + bytes((second,)), 2 * second, POLITE))
    stream, late, at, turn = whole[:cut] + reply(3, *range(512, 512 + second)), list[object](), 0, 0
    while at < len(stream):
        frames.feed(stream[at : (at := at + pieces[turn % len(pieces)])])
        late, turn = [*late, *frames.late()], turn + 1
    assert late == []


def test_a_late_reply_that_ends_as_the_next_begins_is_proven_by_that() -> None:
    frames = put_aside(1)
    frames.feed(reply(1, 0x0200))
    assert list(frames.late()) == [], "its last byte may be the first one of another"
    frames.feed(reply(2, 1, 2))
    assert list(frames.late()) == [(1, b"\3\2\2\0")]


@pytest.mark.parametrize(("size", "taken_"), [(250, True), (253, True), (254, False)])
def test_a_frame_may_be_as_long_as_the_specification_allows_and_no_longer(size: int, *, taken_: bool) -> None:
    frames = TcpFrames()
    frames.ask(Question(1, WHO_ARE_YOU, -1, POLITE))
    said = (b"\x2b\x0e\x01\x01\x00\x00\x01\x00" + bytes((size - 9,))).ljust(size, b"a")
    assert (frames.feed(frame(1, 1, said)) == said) is taken_


@pytest.mark.parametrize(
    ("cut", "other"),
    [(3, 0xFFFE), (3, 0xFFFF), (3, 1), (3, 2), (3, 3), (0xFFFE, 0xFFFF), (0xFFFE, 1), (0xFFFF, 2), (2, 3)],
)
def test_a_reply_is_not_filled_up_with_another_that_may_come(cut: int, other: int) -> None:
    """Be it late or not, asked before or after, put aside or given up, and where numbers begin anew."""
    one = Question(1, b"\x03\0\0\0\2", 4, POLITE)
    for missing in range(4, 13):
        frames = TcpFrames()
        frames._number = 0xFFFD
        for each in (0xFFFE, 0xFFFF, 1, 2):
            frames.ask(one)
            assert frames.put_aside() == each
        frames.forget(1)
        assert frames.ask(one)[:2] == b"\0\3"
        found = frames.feed(reply(cut, 7, 8)[:-missing] + reply(other, 256, 512))
        bodies = {found, *(body for _, body in frames.late())}
        assert bodies <= {None, reply(other, 256, 512)[7:]}, "a whole one behind it may be found"


def test_a_reply_cut_behind_its_header_is_not_filled_up_where_a_number_looks_like_a_function() -> None:
    frames = TcpFrames()
    frames._number = 0x0303
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    assert frames.put_aside() == 0x0304
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    assert frames.feed(reply(0x0305, 7, 8)[:7] + reply(0x0304, 256, 512)) is None


@pytest.mark.parametrize(
    ("values", "taken"),
    [((3, 0), None), ((4, 0), None), ((5, 0), None), ((2, 0), "it"), ((6, 0), "it"), ((0, 0), "it")],
)
def test_only_the_numbers_from_the_first_late_one_on_are_suspect(
    values: tuple[int, int], taken: str | None
) -> None:
    frames = put_aside(1, 1, 1)
    frames.forget(1)
    frames.forget(2)
    frames.ask(Question(1, b"\x03\0\0\0\2", 4, POLITE))
    assert bool(frames.feed(reply(5, *values))) is bool(taken)


def test_while_nothing_is_late_any_values_are_taken() -> None:
    frames = asked()
    assert frames.feed(reply(7, 7, 0)) is not None


@pytest.mark.parametrize("latest", [0xFFFE, 0xFFFF])
def test_a_number_is_not_given_to_another_question_while_its_reply_may_come(latest: int) -> None:
    frames = TcpFrames()
    frames._number = 0xFFFE
    one = Question(1, b"\x03\0\0\0\1", 2, POLITE)
    numbers = [frames.ask(one) and frames.put_aside() for _ in range(2)]
    frames._number = latest  # after some 65,535 questions more
    assert (numbers, frames.ask(one)[:2]) == ([0xFFFF, 1], b"\0\2")
    assert frames.feed(reply(1, 11)) is None
    assert frames.feed(reply(2, 22)) == b"\3\2\0\x16"
    assert list(frames.late()) == [(1, b"\3\2\0\x0b")]


def test_a_late_reply_waits_until_the_frame_behind_it_is_whole_and_is_doubted_if_that_is_none() -> None:
    frames = put_aside(1, 1)
    frames.feed(reply(1, 11) + reply(9, 9)[:5])
    assert list(frames.late()) == []
    frames.feed(reply(9, 9)[5:])
    assert list(frames.late()) == [(1, b"\3\2\0\x0b")]
    frames.feed(reply(2, 22) + b"\0\1\1")
    frames.feed(b"\0\0" + reply(3, 4, 5))
    assert list(frames.late()) == [], "what follows shows that the stream was cut"


def test_a_gateway_that_gives_every_reply_the_same_number_is_believed_once() -> None:
    frames = put_aside(1, 1)
    frames.feed(reply(2, 11) + reply(2, 22) + reply(2, 44, 45))
    assert list(frames.late()) == [(2, b"\3\2\0\x0b")]
    assert frames.tally.stale == 2


@pytest.mark.parametrize("unit", [0, 255])
def test_a_late_reply_may_carry_another_unit_only_where_the_settings_say_so(unit: int) -> None:
    for manners, late in ((Manners(any_unit=True), [(1, b"\3\2\0\x0b")]), (POLITE, [])):
        frames = TcpFrames()
        frames.ask(Question(7, b"\x03\0\0\0\1", 2, manners))
        frames.put_aside()
        frames.ask(Question(7, b"\x03\0\0\0\1", 2, POLITE))
        assert frames.feed(frame(1, unit, b"\3\2\0\x0b")) is None
        assert list(frames.late()) == late
