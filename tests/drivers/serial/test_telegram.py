"""Telegrams are found whole among anything, and nothing else is taken for one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.serial.source import CHUNK
from drivers.serial.telegram import LONGEST, TelegramParser, advice, crc16, parsed
from tests.drivers.serial import telegrams
from tests.drivers.serial.telegrams import (
    DSMR_22,
    DSMR_50,
    HUNGARY,
    SWEDEN,
    WITH_CHECKSUM,
    WITHOUT_CHECKSUM,
    told,
)

GOOD = {name: told(lines) for name, lines in WITH_CHECKSUM.items()}
EVERY = [
    *((lines, True) for lines in WITH_CHECKSUM.values()),
    *((lines, False) for lines in WITHOUT_CHECKSUM.values()),
]
MOST_KEPT = 2 * LONGEST + CHUNK


def kept(parser: TelegramParser) -> int:
    return len(parser._buffer) + len(parser._noise)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[begin:end] for begin, end in pairwise(places)]


def test_the_checksum_is_the_one_known_as_crc_16_arc() -> None:
    assert crc16(b"123456789") == telegrams.crc(b"123456789") == 0xBB3D


@pytest.mark.parametrize(("lines", "checksum"), EVERY, ids=[*WITH_CHECKSUM, *WITHOUT_CHECKSUM])
def test_each_countrys_telegram_is_found(lines: tuple[str, ...], checksum: bool) -> None:
    parser = TelegramParser()
    (found,) = parser.feed(told(lines, checksum=checksum))
    assert found.ident == lines[0][1:]
    codes = {line.partition("(")[0] for line in lines if line[:1].isdigit()}
    assert set(found.objects) == codes
    assert (parser.counts.frames, parser.counts.noise_bytes, parser.hint) == (1, 0, "")


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
def test_it_does_not_matter_how_the_bytes_are_cut(size: int) -> None:
    data = b"".join(GOOD.values())
    parser = TelegramParser()
    found = [one for at in range(0, len(data), size) for one in parser.feed(data[at : at + size])]
    assert len(found) == len(GOOD)
    assert parser.counts.noise_bytes == 0


def test_the_value_on_a_line_of_its_own_belongs_to_the_code_before() -> None:
    (found,) = TelegramParser().feed(told(DSMR_22, checksum=False))
    assert found.objects["0-1:24.3.0"][-2:] == ("m3", "00124.477")


def test_a_zero_in_front_of_the_checksum_may_be_missing() -> None:
    lines = next(
        lines
        for number in range(10_000)
        if telegrams.crc(told(lines := (*SWEDEN, f"1-0:99.1.0({number})"))[:-6]) < 0x1000
    )
    data = told(lines)
    short = data[:-6] + data[-6:].replace(b"0", b"", 1)
    assert len(short) == len(data) - 1
    assert len(TelegramParser().feed(short)) == 1


def test_bytes_may_follow_the_end_at_once() -> None:
    data = GOOD["sweden"].rstrip() + b"xyz"
    assert len(TelegramParser().feed(data + GOOD["dsmr-5.0"])) == 2


def test_a_telegram_that_is_damaged_is_counted_and_the_next_one_found() -> None:
    data = bytearray(GOOD["dsmr-5.0"])
    data[100] ^= 1
    parser = TelegramParser()
    found = parser.feed(bytes(data) + GOOD["dsmr-5.0"])
    assert len(found) == 1
    assert parser.counts.bad_checksum == 1


@pytest.mark.parametrize("cut", [5, 40, 300])
def test_half_a_telegram_costs_nothing_but_itself(cut: int) -> None:
    data = GOOD["dsmr-5.0"]
    parser = TelegramParser()
    assert len(parser.feed(data[cut:] + data)) == 1
    assert len(parser.feed(data[:cut] + data)) == 1
    assert parser.counts.bad_checksum == 0


def test_one_without_checksum_must_be_perfect() -> None:
    data = told(DSMR_22, checksum=False)
    for place in range(len(DSMR_22[0]) + 2, len(data) - 3):
        damaged = data[:place] + b"\x00" + data[place + 1 :]
        assert not TelegramParser().feed(damaged), place


@pytest.mark.parametrize("flip", range(1, 256))
def test_one_whose_checksum_begins_with_a_wrong_byte_is_not_one_without(flip: int) -> None:
    for lines in (SWEDEN, HUNGARY):
        data = bytearray(told(lines))
        data[-6] ^= flip
        found = TelegramParser().feed(bytes(data))
        assert not found or bytes(data).upper() == told(lines).upper()


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r\n\r\n", b"\0", b"\r\n/ABC5"])
def test_the_end_of_one_without_checksum_may_look_so(end: bytes) -> None:
    assert len(TelegramParser().feed(told(DSMR_22, checksum=False).rstrip() + end)) == 1


def test_one_that_lost_its_checksum_is_not_taken() -> None:
    parser = TelegramParser()
    assert not parser.feed(told(DSMR_50, checksum=False))
    assert parser.counts.malformed == 1
    parser.feed(GOOD["sweden"])
    assert not parser.feed(told(SWEDEN, checksum=False)), "this meter has shown that it sends checksums"


def test_what_never_ends_is_dropped() -> None:
    parser = TelegramParser()
    parser.feed(b"/ABC5meter\r\n" + b"1-0:1.8.0(000001.0*kWh)\r\n" * 2000)
    assert parser.counts.malformed == 1
    assert kept(parser) <= MOST_KEPT
    assert len(parser.feed(GOOD["dsmr-5.0"])) == 1


@pytest.mark.parametrize("noise", [b"!", b"/", b"/ABC\n", b"/ABC\n!", b"!F", b"\xff", b"\r\n", b"/ABC"])
def test_a_flood_of_one_kind_is_survived_quickly(noise: bytes) -> None:
    parser = TelegramParser()
    for _ in range(20):
        assert not parser.feed(noise * (CHUNK // len(noise)))
        assert kept(parser) <= MOST_KEPT
    assert len(parser.feed(b"\r\n" + GOOD["hungary"])) == 1


@pytest.mark.parametrize(
    ("noise", "word"),
    [
        (
            bytes(byte | (0x80 if byte.bit_count() % 2 else 0) for byte in told(DSMR_22, checksum=False)),
            "7E1",
        ),
        (b"\xdb\x08SAG" + bytes(range(256)) * 3, "encrypted"),
        (b"\x7e\xa0\x87\x01" * 200, "HDLC"),
        (b"\x00\xf8\x80\x1c" * 200, "inverted"),
    ],
)
def test_bytes_without_telegrams_give_a_hint(noise: bytes, word: str) -> None:
    parser = TelegramParser()
    parser.feed(noise * 2)
    assert word in parser.hint
    parser.feed(GOOD["dsmr-5.0"])
    assert not parser.hint


def test_telegrams_that_are_always_damaged_point_at_the_cable() -> None:
    assert "cable" in advice(GOOD["dsmr-5.0"])


def test_nothing_but_a_telegram_parses() -> None:
    assert parsed(b"/ABC5\r\n!") is None
    assert parsed("/ABC5\r\n1-0:1.8.0(é)\r\n!".encode("latin-1")) is None


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.binary(max_size=300) | st.sampled_from([b"/ABC5x\r\n", b"!", b"!12", b"1-0:1.8.1(1*kWh)\r\n"])
    )
)
def test_any_bytes_are_survived_and_hardly_kept(parts: list[bytes]) -> None:
    parser = TelegramParser()
    for part in parts:
        parser.feed(part)
        assert kept(parser) <= MOST_KEPT
        assert isinstance(parser.hint, str)


NOISE = st.binary(max_size=60) | st.sampled_from(
    [b"/", b"/ISk", b"/ISk5\r\n1-0:1.8", b"!", b"\r\n!9", b"(", b"/ISk5!"]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(NOISE, st.sampled_from(sorted(GOOD))), max_size=4),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_every_good_telegram_amid_noise_is_found(parts: list[tuple[bytes, str]], cuts: list[int]) -> None:
    data = b"".join(noise + GOOD[name] for noise, name in parts)
    parser = TelegramParser()
    found = [one for piece in pieces(data, cuts) for one in parser.feed(piece)]
    idents = [WITH_CHECKSUM[name][0][1:] for _, name in parts]
    assert [one.ident for one in found] == idents


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 5000), st.integers(1, 255))
def test_no_telegram_with_a_wrong_byte_is_taken(name: str, place: int, flip: int) -> None:
    data = bytearray(GOOD[name])
    data[place % (len(data) - 2)] ^= flip
    found = TelegramParser().feed(bytes(data))
    # the checksum's letters may change between great and small
    assert not found or bytes(data).upper() == GOOD[name].upper()


def test_without_a_checksum_no_code_may_stand_there_twice() -> None:
    once = b"/ISk5\\2MT382-1000\r\n\r\n1-0:1.8.0(000123.456*kWh)\r\n"
    twice = once + b"1-0:1.8.0(000999.456*kWh)\r\n"
    assert parsed(once + b"!", strictly=True) is not None
    assert parsed(twice + b"!", strictly=True) is None
    told_ = parsed(twice + b"!")
    assert told_ is not None
    assert told_.objects["1-0:1.8.0"] == ("000123.456*kWh",)
