"""Short binary frames are found at any offset, and nothing unproven is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.serial.dust import pms_parser, pms_values, sds011_parser, sds011_values
from drivers.serial.fixed import FixedParser

SDS011 = bytes.fromhex("aac0d4043a0aa1601dab")


def sds011(pm25: int, pm10: int, ident: int = 0x60A1) -> bytes:
    body = pm25.to_bytes(2, "little") + pm10.to_bytes(2, "little") + ident.to_bytes(2, "little")
    return b"\xaa\xc0" + body + bytes([sum(body) % 256]) + b"\xab"


def pms(pm1: int, pm25: int, pm10: int, *, length: int = 28) -> bytes:
    words = [7, 8, 9, pm1, pm25, pm10] + [1000 + n for n in range((length - 2) // 2 - 6)]
    data = b"BM" + length.to_bytes(2, "big") + b"".join(word.to_bytes(2, "big") for word in words)
    return data + (sum(data) % 65536).to_bytes(2, "big")


KINDS: dict[str, tuple[Callable[[], FixedParser], bytes]] = {
    "sds011": (sds011_parser, SDS011),
    "pms5003": (pms_parser, pms(11, 25, 40)),
    "pms3003": (pms_parser, pms(11, 25, 40, length=20)),
}
ANY = pytest.mark.parametrize("kind", KINDS)


def test_an_sds011_frame_becomes_its_concentrations() -> None:
    (frame,) = sds011_parser().feed(SDS011)
    assert {name: value for name, (value, _) in sds011_values(frame).items()} == {
        "pm25": 123.6,
        "pm10": 261.8,
    }


@pytest.mark.parametrize("length", [20, 28])
def test_a_plantower_frame_becomes_its_atmospheric_concentrations(length: int) -> None:
    (frame,) = pms_parser().feed(pms(11, 25, 40, length=length))
    values = {name: value for name, (value, _) in pms_values(frame).items()}
    assert values == {"pm1": 11, "pm25": 25, "pm10": 40}


@ANY
@pytest.mark.parametrize("size", [1, 2, 3, 9, 50])
def test_it_does_not_matter_how_frames_are_cut(kind: str, size: int) -> None:
    make, frame = KINDS[kind]
    parser, data = make(), frame * 20
    found = [one for at in range(0, len(data), size) for one in parser.feed(data[at : at + size])]
    assert found == [frame] * 20
    assert parser.counts.noise_bytes == parser.counts.bad_checksum == 0


@ANY
def test_a_wrong_checksum_is_counted_and_the_next_frame_found(kind: str) -> None:
    make, frame = KINDS[kind]
    parser = make()
    damaged = bytearray(frame)
    damaged[6] ^= 4
    assert parser.feed(bytes(damaged) + frame) == [frame]
    assert parser.counts.bad_checksum == 1
    assert parser.counts.noise_bytes == len(frame)


@ANY
def test_a_lost_byte_costs_one_frame_only(kind: str) -> None:
    make, frame = KINDS[kind]
    for lost in range(len(frame)):
        assert make().feed(frame[:lost] + frame[lost + 1 :] + frame * 3)[-3:] == [frame] * 3, lost


@ANY
def test_nothing_but_noise_gives_a_hint_until_a_frame_comes(kind: str) -> None:
    make, frame = KINDS[kind]
    parser = make()
    parser.feed(b"\x01\x02\x03" * 100)
    assert "9600 8N1" in parser.hint
    parser.feed(frame)
    assert not parser.hint


def test_other_frames_of_an_sds011_are_no_values() -> None:
    reply = bytes.fromhex("aac502010001a1600 5ab".replace(" ", ""))  # the answer to a command
    parser = sds011_parser()
    assert parser.feed(reply + SDS011) == [SDS011]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.binary(max_size=200) | st.sampled_from([b"\xaa\xc0", b"BM\0\x1c"])),
)
def test_any_bytes_are_survived_and_hardly_kept(kind: str, parts: list[bytes]) -> None:
    parser = KINDS[kind][0]()
    taken = 0
    for part in parts:
        taken += sum(len(one) for one in parser.feed(part))
        assert len(parser._rest) < 32
    assert taken + parser.counts.noise_bytes + len(parser._rest) == sum(len(part) for part in parts)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.binary(max_size=30), max_size=6),
    st.lists(st.integers(0, 400), max_size=12),
)
def test_every_good_frame_amid_noise_is_found(kind: str, noises: list[bytes], cuts: list[int]) -> None:
    make, frame = KINDS[kind]
    # noise that ends within what could be a frame would have to prove itself with the good frame's bytes
    data = b"".join(noise + frame for noise in noises)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    parser = make()
    found = [one for begin, end in pairwise(places) for one in parser.feed(data[begin:end])]
    assert found.count(frame) == len(noises)
