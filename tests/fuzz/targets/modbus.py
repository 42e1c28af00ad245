"""Modbus: frames of lines and of networks, numbers out of registers, and what a SunSpec device says."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, get_args

from msgspec import convert

from drivers.modbus.codec import decoder
from drivers.modbus.crc import crc
from drivers.modbus.frames import Question
from drivers.modbus.frames_rtu import RtuFrames
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.point import BIT_TABLES, WORDS, ByteOrder, ModbusPoint, Sentinel, Type
from drivers.modbus.request import POLITE, WHO_ARE_YOU, Manners
from drivers.modbus.sunspec import MARKER, described, profile
from drivers.modbus.who import objects
from tests.fuzz.loop import completed
from tests.fuzz.target import Feed, Target, pure

_LOOSE: Final = Manners(zero_transaction=True, any_unit=True)
_QUESTIONS: Final = (
    Question(1, b"\x03\0\x0a\0\2", 4, POLITE),
    Question(1, b"\x04\0\0\0\x7d", 250, POLITE),
    Question(17, b"\x01\0\0\0\x09", 2, _LOOSE),
    Question(5, WHO_ARE_YOU, -1, POLITE),
    Question(9, b"\x03\0\0\0\1", 2, _LOOSE),
)
_KEPT: Final = 4096 + 600
_IDENTITY: Final = bytes.fromhex("2b 0e 01 01 00 00 02 00 04 41 63 6d 65 01 02 50 31")


def _fits(body: bytes, question: Question) -> None:
    """Demand that *body* answers *question*."""
    assert body
    if body[0] == question.function | 0x80:
        assert len(body) == 2, body
        assert body[1], body
    elif question.size < 0:
        assert body[:2] == b"\x2b\x0e", body
        objects(body[6:])
    else:
        assert (body[0], body[1], len(body)) == (question.function, question.size, 2 + question.size), body


def _rtu(data: bytes) -> None:
    """Take no reply that is not there with its checksum; find the right one behind any other bytes."""
    feed = Feed(data)
    question = feed.choose(_QUESTIONS)
    frames, stream, found = RtuFrames(), b"", None
    assert frames.ask(question)
    for piece in feed.pieces():
        stream += piece
        found = frames.feed(piece)
        assert len(frames._buffer) + len(frames._passed) <= _KEPT + len(piece)
        if found is not None:
            break
    if found is None and question.size >= 0:
        body = bytes((question.function, question.size)) + bytes(question.size)
        frame = bytes((question.unit,)) + body
        stream += frame + crc(frame)
        found = frames.feed(frame + crc(frame))
        assert found is not None, "the right reply was passed over"
    if found is not None:
        _fits(found, question)
        whole = (bytes((unit,)) + found for unit in question.units())
        assert any(one + crc(one) in stream for one in whole), found
        assert frames.feed(bytes((question.unit,)) + found) is None, "two replies to one question"
    frames.give_up()
    tally = frames.tally
    assert (
        tally.noise + tally.crc_errors + tally.stale + tally.foreign + tally.echoes <= 2 * len(stream) + 300
    )


def _tcp(data: bytes) -> None:
    """Take no reply but one with our number, unit, function and length."""
    feed = Feed(data)
    question = feed.choose(_QUESTIONS)
    frames, stream = TcpFrames(), b""
    for _ in range(feed.byte() % 4):
        frames.ask(question)
    number = frames.ask(question)[:2]
    for piece in feed.pieces():
        stream += piece
        found = frames.feed(piece)
        assert len(frames._buffer) <= 600 + len(piece)
        if found is not None:
            _fits(found, question)
            numbers = (number, b"\0\0") if question.manners.zero_transaction else (number,)
            tail = (len(found) + 1).to_bytes(2, "big")
            assert any(
                one + b"\0\0" + tail + bytes((unit,)) + found in stream
                for one in numbers
                for unit in question.units()
            ), found
            break
        if frames.garbage:
            frames.reset()
    frames.give_up()


@cache
def _points() -> list[tuple[ModbusPoint, int]]:
    """List points of every type, with the bytes that each takes."""
    found = []
    for kind in get_args(Type):
        for order in get_args(ByteOrder):
            for sentinel in get_args(Sentinel):
                bits = {"bit": 3, "bits": 4} if kind in ("bit", "bit32") else {}
                for scale in (1.0, 0.1, 1000.0):
                    settings: dict[str, Any] = {
                        "type": kind,
                        "byte_order": order,
                        "sentinel": sentinel,
                        **bits,
                    }
                    point = convert({"addr": 4, "scale": scale, **settings}, ModbusPoint)
                    found.append((point, 2 * WORDS[kind]))
                    if not bits and kind != "bool":
                        powered = convert(
                            {"addr": 4, "scale": scale, "scale_addr": 3, **settings}, ModbusPoint
                        )
                        found.append((powered, 2 * powered.words))
    assert all(point.table not in BIT_TABLES for point, _ in found)
    return found


def _numbers(data: bytes) -> None:
    """Give a finite number, or a reason."""
    feed = Feed(data)
    points = _points()
    point, size = points[int.from_bytes(feed.some(2), "big") % len(points)]
    value, why = decoder(point)(feed.some(size).ljust(size, b"\0"))
    assert (value is None) == bool(why)
    assert value is None or math.isfinite(value), (point, value)


def _facts() -> list[dict[str, Any]]:
    return [
        {
            "id": 103,
            "kind": "inverter",
            "length": 50,
            "point": {
                "active_power": {"at": 14, "type": "i16", "factor": 15, "unit": "W"},
                "energy": {"at": 24, "type": "u32", "factor": 26, "unit": "W.h", "kind": "counter"},
            },
        },
        {
            "id": 160,
            "kind": "string",
            "length": 8,
            "first": 10,
            "each": 20,
            "point": {"dc_power": {"at": 11, "type": "u16", "factor": 4, "unit": "W"}},
        },
    ]


def _sunspec(data: bytes) -> None:
    """Walk any chain of models in few questions, and write a profile that is TOML."""
    asked = 0
    image = MARKER + data

    async def ask(start: int, count: int) -> bytes | None:
        nonlocal asked
        asked += 1
        at = 2 * (start - 40000)
        found = image[at : at + 2 * count] if at >= 0 else b""
        return found if len(found) == 2 * count else None

    found = completed(described(ask, _facts()))
    assert asked < 700, asked
    if found is None or not any(one.keys for one in found[1]):
        return
    text = profile(*found, name="acme/one")
    tables = tomllib.loads(text)
    assert tables["profile"]["id"] == "acme/one"
    for keys in tables["point"].values():
        convert({key: value for key, value in keys.items() if key != "unconfirmed"}, ModbusPoint)


def _rtu_seeds() -> Sequence[bytes]:
    replies = [b"\x01\x03\x04\x12\x34\x56\x78", b"\x01\x83\x02", b"\x11\x01\x02\xff\x01", b"\x05" + _IDENTITY]
    replies += [b"\x01\x04\xfa" + bytes(range(250)), b"\x09\x03\x02\0\1", b"\x02\x06\0\1\0\3"]
    whole = [one + crc(one) for one in replies]
    return [bytes((question, cut)) + one for question in range(5) for cut in (0, 3) for one in whole] + [
        b"\0\0" + b"\xff\0" + whole[0][:5] + whole[0]
    ]


def _tcp_seeds() -> Sequence[bytes]:
    bodies = [b"\x01\x03\x04\x12\x34\x56\x78", b"\x01\x83\x02", b"\x05" + _IDENTITY, b"\xff\x03\x02\0\1"]
    framed = [(1).to_bytes(2, "big") + b"\0\0" + len(one).to_bytes(2, "big") + one for one in bodies]
    return [bytes((question, 0, cut)) + one for question in range(5) for cut in (0, 2) for one in framed] + [
        b"\0\0\0" + b"\x77" + framed[0],
        b"\0\1\0" + framed[0] + framed[0],
    ]


def _sunspec_seeds() -> Sequence[bytes]:
    common = b"\0\1\0\x42" + b"Acme".ljust(32, b"\0") + b"Sun 3".ljust(32, b"\0") + bytes(68)
    inverter = b"\0\x67\0\x32" + bytes(24) + b"\x01\x00\x00\x01" + bytes(16) + b"\0\1\0\0\0\2" + bytes(50)
    strings = b"\0\xa0\0\x30" + bytes(96)
    return [
        common + inverter[:104] + b"\xff\xff\0\0",
        common + strings + b"\xff\xff\0\0",
        inverter[:104] + strings,
    ]


TARGETS: Final = (
    Target(
        name="modbus-rtu",
        about="frames of serial lines",
        everyday=250,
        prepare=pure(_rtu),
        seeds=_rtu_seeds,
        words=(b"\x01\x03\x04", b"\x01\x83", b"\x2b\x0e\x01"),
    ),
    Target(
        name="modbus-tcp",
        about="frames of networks",
        prepare=pure(_tcp),
        seeds=_tcp_seeds,
        words=(b"\0\1\0\0", b"\0\0\0\7", b"\x01\x03\x04"),
    ),
    Target(
        name="modbus-numbers",
        about="registers that become numbers",
        prepare=pure(_numbers),
        seeds=lambda: [place.to_bytes(2, "big") + bytes(range(16)) for place in range(0, 1200, 7)],
        words=(b"\x7f\xef\xff\xff", b"\x7f\x7f\xff\xff", b"\x80\0", b"\xff\xff"),
        longest=24,
    ),
    Target(
        name="sunspec",
        about="what a device says of itself by SunSpec",
        prepare=pure(_sunspec),
        seeds=_sunspec_seeds,
        words=(b"\0\1", b"\0\x67", b"\0\xa0", b"\xff\xff"),
        everyday=300,
    ),
)
