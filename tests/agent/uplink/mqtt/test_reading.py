"""The reader of what a broker sends: whole packets however they are cut, and a named error for the rest."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.uplink.mqtt.reading import (
    MOST,
    Connack,
    Disconnect,
    Incoming,
    Pingresp,
    Puback,
    Publish,
    Reader,
    Suback,
)
from agent.uplink.mqtt.values import BadPacketError, length, read_length, text

WELCOME = bytes.fromhex("20 09 00 00 06 21 00 14 22 00 0a")
GOLDEN: list[tuple[str, Incoming]] = [
    ("20 03 00 00 00", Connack(0)),
    ("20 09 00 00 06 21 00 14 22 00 0a", Connack(0, {0x21: 20, 0x22: 10})),
    ("20 0b 00 87 08 1f 00 05 67 6f 20 2e 2e", Connack(0x87, {0x1F: "go .."})),
    ("20 02 00 01", Connack(0x84)),
    ("40 02 00 07", Puback(7)),
    ("40 03 00 07 10", Puback(7, 0x10)),
    ("40 04 00 07 87 00", Puback(7, 0x87)),
    ("40 0b 00 07 10 07 26 00 01 61 00 01 62", Puback(7, 0x10)),
    ("40 03 ff ff 95", Puback(65535, 0x95)),
    ("90 04 00 09 00 01", Suback(9, b"\x01")),
    ("30 05 00 01 61 00 62", Publish("a", b"b")),
    ("33 07 00 01 61 00 05 00 62", Publish("a", b"b", 5, retain=True)),
    ("d0 00", Pingresp()),
    ("e0 00", Disconnect()),
    ("e0 01 8e", Disconnect(0x8E)),
    ("e0 08 98 06 1f 00 03 62 79 65", Disconnect(0x98, "bye")),
]
OLD: list[tuple[str, Incoming]] = [
    ("20 02 00 00", Connack(0)),
    ("20 02 00 05", Connack(0x87)),
    ("40 02 00 07", Puback(7)),
    ("90 03 00 09 80", Suback(9, b"\x80")),
    ("32 06 00 01 61 00 05 62", Publish("a", b"b", 5)),
]
BAD = {
    "an endless length": "40 ff ff ff ff 01",
    "a length longer than it has to be": "40 82 00 00 07",
    "a kind that does not exist": "00 00",
    "AUTH, which we never began": "f0 00",
    "CONNECT": "10 00",
    "PUBREC": "50 02 00 01",
    "SUBSCRIBE": "82 06 00 01 00 00 01 61",
    "flags where none may be": "41 02 00 07",
    "an identifier 0": "40 02 00 00",
    "half an identifier": "40 01 00",
    "a PUBACK with a tail": "40 05 00 07 00 00 00",
    "a session that goes on": "20 03 01 00 00",
    "reserved bits in CONNACK": "20 03 02 00 00",
    "a CONNACK without properties": "20 02 00 00",
    "a return code that does not exist": "20 02 00 09",
    "properties longer than their packet": "20 03 00 00 05",
    "an unknown property": "20 05 00 00 02 7f 00",
    "a property of another packet": "20 05 00 00 02 01 00",
    "a property that comes twice": "20 09 00 00 06 21 00 14 21 00 14",
    "a receive maximum of 0": "20 06 00 00 03 21 00 00",
    "a flag of 2": "20 05 00 00 02 24 02",
    "a reason that is no UTF-8": "e0 06 98 04 1f 00 01 ff",
    "a reason with a NUL": "e0 06 98 04 1f 00 01 00",
    "a user property that is no UTF-8": "40 0b 00 07 10 07 26 00 01 61 00 01 ff",
    "a user property cut short": "40 0a 00 07 10 06 26 00 01 61 00 01",
    "a reason cut short": "e0 05 98 03 1f 00 09",
    "a SUBACK without an answer": "90 03 00 09 00",
    "quality 3": "36 07 00 01 61 00 05 00 62",
    "quality 2": "34 07 00 01 61 00 05 00 62",
    "a repetition at quality 0": "38 05 00 01 61 00 62",
    "a topic with a wildcard": "30 05 00 01 23 00 62",
    "an empty topic": "30 04 00 00 00 62",
    "a topic alias": "30 08 00 01 61 03 23 00 01 62",
    "a PINGRESP with a body": "d0 01 00",
}


def read(raw: bytes, *, five: bool = True) -> list[Incoming]:
    return list(Reader(five=five).feed(raw))


@pytest.mark.parametrize(("raw", "packet"), GOLDEN)
def test_a_packet_is_read_as_the_standard_writes_it(raw: str, packet: Incoming) -> None:
    assert read(bytes.fromhex(raw)) == [packet]


@pytest.mark.parametrize(("raw", "packet"), OLD)
def test_so_is_one_of_the_older_version(raw: str, packet: Incoming) -> None:
    assert read(bytes.fromhex(raw), five=False) == [packet]


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
def test_what_the_standard_does_not_allow_is_refused(raw: str) -> None:
    with pytest.raises(BadPacketError):
        read(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["e0 00", "40 03 00 07 10", "20 02 00 06", "f0 00"])
def test_the_older_version_refuses_what_only_the_newer_has(raw: str) -> None:
    with pytest.raises(BadPacketError):
        read(bytes.fromhex(raw), five=False)


def test_a_packet_above_our_limit_is_refused_before_it_is_gathered() -> None:
    with pytest.raises(BadPacketError) as caught:
        read(b"\x30" + length(MOST + 1))
    assert caught.value.reason == 0x95


def test_what_came_before_a_bad_packet_still_counts() -> None:
    seen = Reader().feed(bytes.fromhex("40 02 00 07 40 02 00 08 f0 00 40 02 00 09"))
    assert next(seen) == Puback(7)
    assert next(seen) == Puback(8)
    with pytest.raises(BadPacketError):
        next(seen)


@given(st.lists(st.sampled_from(GOLDEN), max_size=8), st.data())
def test_packets_are_the_same_however_they_are_cut(
    chosen: list[tuple[str, Incoming]], data: st.DataObject
) -> None:
    raw = b"".join(bytes.fromhex(one) for one, _ in chosen)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=10)))
    reader, seen = Reader(), list[Incoming]()
    for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
        seen.extend(reader.feed(raw[begin:end]))
    assert seen == [packet for _, packet in chosen]


@settings(max_examples=400)
@given(st.lists(st.binary(max_size=40), max_size=6), st.booleans())
def test_any_bytes_give_packets_or_a_named_error(pieces: list[bytes], five: bool) -> None:
    reader = Reader(five=five)
    with suppress(BadPacketError):
        for piece in pieces:
            list(reader.feed(piece))


@settings(max_examples=400)
@given(st.sampled_from(GOLDEN), st.integers(0, 40), st.integers(0, 255), st.booleans())
def test_a_changed_byte_gives_packets_or_a_named_error(
    golden: tuple[str, Incoming], place: int, byte: int, five: bool
) -> None:
    raw = bytearray.fromhex(golden[0])
    raw[place % len(raw)] = byte
    with suppress(BadPacketError):
        read(bytes(raw), five=five)


@given(st.integers(0, 0xFFF_FFFF))
def test_a_length_is_read_as_it_was_written(number: int) -> None:
    raw = length(number)
    assert read_length(raw, 0) == (number, len(raw))
    assert read_length(raw[:-1], 0) is None


def test_a_text_that_is_too_long_is_not_written() -> None:
    assert len(text("a" * 65535)) == 65537
    with pytest.raises(ValueError, match="65536"):
        text("a" * 65536)
