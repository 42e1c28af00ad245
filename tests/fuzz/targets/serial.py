"""Serial lines: telegrams of meters, frames of dust sensors, lines of text, and who speaks there at all."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from typing import Final

from agent.core.sample import Meter
from drivers.modbus.strays import is_foreign
from drivers.p1 import P1Device
from drivers.serial.dust import pms_parser, pms_values, sds011_parser, sds011_values
from drivers.serial.fields import FieldWant, LineDevice, Speech, compiled
from drivers.serial.fixed import FixedParser
from drivers.serial.hear import Heard
from drivers.serial.meter import P1Meter
from drivers.serial.overhear import Ears
from drivers.serial.source import CHUNK
from drivers.serial.telegram import LONGEST, TelegramParser
from drivers.serial.text import Encoding, LineParser
from tests.fuzz.target import Feed, Target, pure

_LONGEST_LINE: Final = 400
TELEGRAM: Final = (
    b"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(261128120000W)\r\n0-0:96.1.1(4530303434)\r\n"
    b"1-0:1.8.1(004436.843*kWh)\r\n1-0:1.7.0(00.333*kW)\r\n0-0:96.14.0(0002)\r\n0-1:24.1.0(003)\r\n"
    b"0-1:96.1.0(4730303339)\r\n0-1:24.2.1(261128115500W)(02569.646*m3)\r\n!"
)
OLD: Final = (
    b"/KMP5 KA6U001660297912\r\n\r\n1-0:1.8.1(15456.340*kWh)\r\n"
    b"0-1:24.3.0(120517020000)(08)(60)\r\n(00124.477)\r\n!\r\n"
)


def crc16(data: bytes) -> int:
    """Give CRC-16/ARC, bit by bit: another way than the product's."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 * (crc & 1))
    return crc


def _sound(heard: Heard) -> None:
    """Demand numbers that are finite, or reasons."""
    for one in [*(one.sample for one in heard.readings), *heard.fresh]:
        assert one.value is None or math.isfinite(one.value), one
        assert one.value is not None or one.why or isinstance(one, Meter), one
    assert all(one.raw.isprintable() for one in heard.readings)


def _meter() -> P1Meter:
    device = P1Device(name="m", known=("*",))
    return P1Meter("m", 10.0, tuple(device.wants()))


def _p1(data: bytes) -> None:
    """Take no telegram whose checksum does not fit, once one with a checksum has been seen."""
    feed = Feed(data)
    parser, meter = TelegramParser(), _meter()
    has_seen = feed.byte() % 2
    if has_seen:
        assert len(parser.feed(TELEGRAM + b"%04X\r\n" % crc16(TELEGRAM))) == 1
    at, stream = 1000.0, b""
    for piece in feed.pieces():
        stream += piece
        for telegram in parser.feed(piece):
            at += 1.0
            _sound(meter.hear(telegram, at))
            assert not has_seen or _has_sound(stream), telegram
        assert len(parser._buffer) <= 2 * LONGEST + CHUNK
        assert len(parser._noise) <= 1024
    assert parser.hint.isprintable()


def _has_sound(stream: bytes) -> bool:
    """Say whether a stretch from a ``/`` to a ``!`` has its checksum behind it."""
    ends = [one.start() for one in re.finditer(rb"![0-9A-Fa-f]{1,4}", stream)]
    begins = [one.start() for one in re.finditer(b"/", stream)]
    for end in ends:
        for begin in (one for one in begins if one < end):
            wanted = crc16(stream[begin : end + 1])
            told = re.match(rb"[0-9A-Fa-f]{1,4}", stream[end + 1 :])
            if told and int(told[0], 16) == wanted:
                return True
    return False


def _damaged(data: bytes) -> None:
    """Refuse a telegram of which one byte was changed, wherever it stands."""
    feed = Feed(data)
    whole = TELEGRAM + b"%04X\r\n" % crc16(TELEGRAM)
    at = int.from_bytes(feed.some(2), "big") % (len(whole) - 2)
    changed = whole[:at] + bytes((whole[at] ^ (feed.byte() or 1),)) + whole[at + 1 :]
    digits = re.match(rb"[0-9A-Fa-f]{0,4}", changed[len(TELEGRAM) :])
    is_same = at >= len(TELEGRAM) and digits and int(digits[0] or b"0", 16) == crc16(TELEGRAM)
    assert is_same or not TelegramParser().feed(changed), (at, changed)


def _fixed(parser: FixedParser, other: FixedParser, feed: Feed) -> list[bytes]:
    """Give the frames; they do not depend on how the stream is cut."""
    pieces = feed.pieces()
    found = [frame for piece in pieces for frame in parser.feed(piece)]
    stream = b"".join(pieces)
    assert found == list(other.feed(stream)), "frames depend on how they are cut"
    assert all(frame in stream for frame in found)
    assert parser.counts == other.counts
    assert len(parser._rest) < 40
    return found


def _sds011(data: bytes) -> None:
    for frame in _fixed(sds011_parser(), sds011_parser(), Feed(data)):
        assert len(frame) == 10
        assert (frame[0], frame[1], frame[9]) == (0xAA, 0xC0, 0xAB)
        assert sum(frame[2:8]) % 256 == frame[8]
        assert all(0 <= value <= 6553.5 for value, _ in sds011_values(frame).values())


def _pms(data: bytes) -> None:
    for frame in _fixed(pms_parser(), pms_parser(), Feed(data)):
        assert frame[:2] == b"BM"
        assert len(frame) in (24, 32)
        assert sum(frame[:-2]) == int.from_bytes(frame[-2:], "big")
        assert all(0 <= value <= 65535 for value, _ in pms_values(frame).values())


@cache
def _speakers() -> tuple[LineDevice, ...]:
    wants = tuple(
        FieldWant(name=name, key=key, words={"on": 1.0, "off": 0.0}, scale=scale, offset=1.5)
        for name, key, scale in (("a", "t", 1.0), ("b", "list.0.x", 1e300), ("c", "deep.in", -0.001))
    )
    patterned = (FieldWant(name="a", key="t", words={}),)
    pattern = compiled(r"T=(?P<t>\S*);")
    return (
        LineDevice("json", Speech(every=10.0), wants),
        LineDevice("chosen", Speech(every=10.0, where={"id": "7"}), wants),
        LineDevice("text", Speech(every=0.0, pattern=pattern, at_most=1.0), patterned),
    )


def _lines(data: bytes) -> None:
    """Give lines that do not depend on how the stream is cut, and finite numbers or reasons of each."""
    feed = Feed(data)
    encodings: tuple[Encoding, ...] = ("utf-8", "ascii", "latin-1")
    encoding = feed.choose(encodings)
    one, other = LineParser(_LONGEST_LINE, encoding), LineParser(_LONGEST_LINE, encoding)
    pieces = feed.pieces()
    found = [line for piece in pieces for line in one.feed(piece)]
    assert found == other.feed(b"".join(pieces)), "lines depend on how they are cut"
    assert one.counts == other.counts
    assert len(one._rest) <= _LONGEST_LINE + CHUNK
    for line in found:
        assert len(line.text) <= _LONGEST_LINE
        assert line.text.replace("\t", " ").isprintable()
        for device in _speakers():
            if heard := device.hear(line, 5.0):
                _sound(heard)


def _overheard(data: bytes) -> None:
    feed = Feed(data)
    ears = Ears(is_foreign)
    for piece in feed.pieces():
        assert ears.feed(piece) in ("", "p1", "sds011", "pms", "bus")
        assert len(ears._latest) <= 1024
        assert len(ears._lines) <= 8
    assert ears.bus() in ("", "bus")
    assert all(one.isprintable() for one in ears.lines())


def _p1_seeds() -> Sequence[bytes]:
    whole = TELEGRAM + b"%04X\r\n" % crc16(TELEGRAM)
    return [
        bytes((seen, cut)) + one
        for seen in (0, 1)
        for cut in (0, 17)
        for one in (whole, OLD, whole + whole, OLD + OLD)
    ]


def _dust(frame: bytes) -> Sequence[bytes]:
    return [b"\0" + frame, b"\3" + frame * 3, b"\5" + frame[:7] + frame, b"\1" + frame[4:] + frame]


_PARTICLES: Final = b"BM\0\x1c" + bytes(range(26))
TARGETS: Final = (
    Target(
        name="p1",
        about="telegrams of electricity meters",
        prepare=pure(_p1),
        seeds=_p1_seeds,
        words=(b"!\r\n/", b"\r\n", b"1-3:0.2.8(50)\r\n", b"(", b")", b"*kWh", b"/ISK5"),
        everyday=60,
        longest=8192,
    ),
    Target(
        name="p1-damage",
        about="telegrams with one byte changed",
        prepare=pure(_damaged),
        seeds=lambda: [place.to_bytes(2, "big") + b"\1" for place in range(0, 330, 3)],
        everyday=300,
        longest=3,
    ),
    Target(
        name="sds011",
        about="frames of dust sensors",
        prepare=pure(_sds011),
        seeds=lambda: _dust(bytes.fromhex("aa c0 d4 04 3a 0a a1 60 1d ab")),
        words=(b"\xaa\xc0", b"\xab"),
    ),
    Target(
        name="pms",
        about="frames of particle counters",
        prepare=pure(_pms),
        seeds=lambda: _dust(_PARTICLES + sum(_PARTICLES).to_bytes(2, "big")),
        words=(b"BM\0\x1c", b"BM\0\x14"),
    ),
    Target(
        name="lines",
        about="lines of text",
        everyday=400,
        prepare=pure(_lines),
        seeds=lambda: [
            b'\0\0x\n{"t": 21.5, "id": 7}\n',
            b"\0\3x\nT=21,5;\nT=;\n",
            b'\2\7x\n{"list": [{"x": "on"}], "deep": {"in": -3e4}}\n',
            b'\1\0x\r\n{"t": null}\r\n{"t": "nan"}\r\n',
            b'\0\0x\n{"deep.in": 1e308, "t": true}\n',
        ],
        words=(b"\n", b"{", b"[", b'"t":', b"T=", b";", b"1e999", b"9" * 320, b"\xc3\xa4"),
    ),
    Target(
        name="overheard",
        about="who speaks on a line",
        prepare=pure(_overheard),
        seeds=lambda: (
            [one[1:] for one in _p1_seeds()[:4]]
            + [b"\3" + b"\x01\x03\0\0\0\2\xc4\x0b" * 9, b"\0hello\nworld\nagain\n"]
        ),
        words=(b"\xaa\xc0", b"BM\0\x1c", b"/ISK5", b"\n"),
        everyday=100,
    ),
)
