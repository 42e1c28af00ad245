"""Listening alone: nobody is recognised in noise, whatever it looks like, and nothing ends it."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.crc import crc
from drivers.modbus.strays import is_foreign
from drivers.serial.overhear import BUS, Ears, Setting, Voice, overhear
from drivers.serial.propose import proposal
from tests.drivers.serial.telegrams import DSMR_42, told
from tests.drivers.serial.test_fixed import sds011
from tests.virtual import VirtualClock


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_taken(pieces: list[bytes]) -> None:
    ears = Ears(is_foreign)
    assert {ears.feed(piece) for piece in pieces} <= {"", BUS, "pms", "sds011", "p1"}
    assert ears.count == sum(map(len, pieces))
    assert all(one.isprintable() for one in ears.lines())


def test_noise_is_nobody() -> None:
    chance = random.Random(7)
    for _ in range(30):
        ears = Ears(is_foreign)
        assert {ears.feed(chance.randbytes(64)) for _ in range(16)} == {""}
        assert not ears.lines()
        assert not ears.bus()


def test_traffic_of_a_bus_is_known_however_it_is_cut() -> None:
    frames = [bytes((unit, 3, 0, 0, 0, 2)) for unit in range(1, 30)]
    traffic = b"".join(frame + crc(frame) for frame in frames)
    for size in (1, 7, 64, len(traffic)):
        ears = Ears(is_foreign)
        assert BUS in [ears.feed(traffic[at : at + size]) for at in range(0, len(traffic), size)]


def test_a_meter_in_the_middle_of_its_telegram_is_not_taken_for_text() -> None:
    telegram = told(DSMR_42)
    ears = Ears(is_foreign)
    assert ears.feed(telegram[300:] + telegram) == "p1"
    other = Ears(is_foreign)
    assert other.feed(b"\xaa" + sds011(1, 2) * 2) == "sds011"


def test_keys_that_would_be_one_name_are_told_apart_or_left_out() -> None:
    lines = ('{"T": 1, "t": 2, "wind-speed": {"max": 3}, "ok": true, "name": "x"}',) * 2
    found = proposal({"path": "/dev/x"}, "/dev/x", Voice("lines", (9600, "8N1"), lines), "line-x")
    assert found is not None
    assert found.device is not None
    points = found.device["points"]
    assert sorted(one["key"] for one in points.values()) == ["T", "t", "wind-speed.max"]
    assert {"t", "wind_speed_max"} <= set(points)


def test_lines_without_numbers_leave_the_points_to_the_person() -> None:
    found = proposal(
        {"path": "/dev/x"}, "/dev/x", Voice("lines", (9600, "8N1"), ("door open", "door shut")), "line-x"
    )
    assert found is not None
    assert (found.device, "write pattern and points" in found.note) == ({}, True)


class Line:
    """A line at the byte boundary: what it says, one piece after the other, and then silence."""

    def __init__(self, clock: VirtualClock, *pieces: bytes | float) -> None:
        self._clock, self._pieces = clock, list(pieces)
        self.closed = 0

    async def read(self) -> bytes:
        while self._pieces:
            piece = self._pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            await self._clock.sleep(piece)
        await self._clock.sleep(1e9)
        raise AssertionError

    def close(self) -> None:
        self.closed += 1


async def listened(clock: VirtualClock, *lines: Line, seconds: float = 10.0) -> Voice | None:
    waiting = list(lines)
    settings: list[Setting] = [(9600, "8N1"), (115200, "8N1")]

    async def opened() -> Line:
        return waiting.pop(0)

    return await overhear(
        lambda *_: opened,
        settings[: len(lines)],
        clock,
        seconds=seconds,
        foreign=lambda data: data.endswith(b"bus"),
    )


async def test_traffic_that_ends_with_the_time_is_still_looked_at(virtual: VirtualClock) -> None:
    line = Line(virtual, bytes(range(1, 32)) * 10, 2.0, b"bus")
    assert await listened(virtual, line) == Voice(BUS, (9600, "8N1"))
    assert line.closed == 1


async def test_a_line_that_never_pauses_is_left_when_the_time_is_over(virtual: VirtualClock) -> None:
    line = Line(virtual, *(b"\xff" * 40 if n % 2 else 2.5 for n in range(18)))
    assert await listened(virtual, line) == Voice("", (9600, "8N1"))
    assert line.closed == 1


async def test_who_speaks_at_another_speed_is_recognised_there(virtual: VirtualClock) -> None:
    garbled, clear = Line(virtual, *[b"\xff" * 40] * 3), Line(virtual, b"xx bus")
    assert await listened(virtual, garbled, clear) == Voice(BUS, (115200, "8N1"))
    assert (garbled.closed, clear.closed) == (1, 1)


def test_of_a_line_of_very_many_numbers_the_first_become_points() -> None:
    text = " ".join(f"{n}.5" for n in range(200))
    found = proposal({"path": "/dev/x"}, "/dev/x", Voice("lines", (9600, "8N1"), (text, text)), "line-x")
    assert found is not None
    assert found.device is not None
    assert list(found.device["points"])[:2] == ["value_1", "value_2"]
    assert 8 <= len(found.device["points"]) < 200


class Late(VirtualClock):
    """A clock of a computer that was busy with something else while a line was read."""

    times: tuple[float, ...] = (0.0, 0.0, 20.0)

    def boot(self) -> float:
        """Give the next time, and the last one for ever."""
        now, self.times = self.times[0], self.times[1:] or self.times
        return now


async def test_time_that_is_over_when_a_piece_has_been_looked_at_is_over(virtual: VirtualClock) -> None:
    line = Line(virtual, *[b"\xff" * 40] * 9)
    assert await listened(Late(), line) == Voice("", (9600, "8N1"))
    assert len(line._pieces) == 8
