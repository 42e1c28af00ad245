"""The life of a listening link, on virtual time: silence, noise, loss, wishes and figures."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest

from agent.core.driver import Desk
from agent.core.errors import DriverError
from drivers.sds011 import KNOWN
from drivers.serial.dust import DustSensor, sds011_parser, sds011_values
from drivers.serial.hear import Beat
from drivers.serial.listen import Listener
from tests.drivers.serial.kit import Script, Seen
from tests.drivers.serial.test_fixed import SDS011, sds011
from tests.virtual import VirtualClock

PM25 = "air.pm25"


class Link:
    """A sensor on a scripted line."""

    def __init__(self, clock: VirtualClock, *, every: float = 2.0, desk: Desk | None = None) -> None:
        self.line, self.seen, self.desk = Script(), Seen(), desk or Desk()
        hearer = DustSensor("air", every, sds011_values, KNOWN)
        self.listener = Listener(self.line, sds011_parser(), [hearer], clock=clock, desk=self.desk)

    async def __aenter__(self) -> Link:
        self.task = asyncio.create_task(self.listener.run(self.seen))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, DriverError):
            await self.task


async def test_a_sample_is_stamped_when_its_frame_was_whole(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        link.line.send(SDS011[:7])
        await virtual.sleep(0.5)
        assert not link.seen.samples
        link.line.send(SDS011[7:])
        await virtual.sleep(0.5)
        (sample,) = link.seen.of(PM25)
    assert (sample.value, sample.at) == (123.6, virtual.boot() - 0.5)


async def test_a_fast_sensor_gives_samples_at_the_wanted_pace(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        for value in range(20):
            link.line.send(sds011(value, 0))
            await virtual.sleep(1.0)
        assert link.seen.values(PM25) == [value / 10 for value in range(0, 20, 2)]
        assert link.desk.figures["frames"] == 20


def test_a_beat_that_comes_a_little_early_counts() -> None:
    beat = Beat(10.0)
    assert [at for at in (0.0, 9.8, 19.5, 29.4, 30.0, 39.3) if beat.due(at)] == [0.0, 9.8, 19.5, 29.4, 39.3]


async def test_three_missed_intervals_are_no_reply_and_so_is_each_further_one(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        link.line.send(SDS011)
        await virtual.sleep(5.9)
        assert link.seen.whys(PM25) == [""]
        await virtual.sleep(1.2)
        assert link.seen.whys(PM25) == ["", "no_reply"]
        await virtual.sleep(4.0)
        assert link.seen.whys("air.pm10") == ["", "no_reply", "no_reply", "no_reply"]
        link.line.send(SDS011)
        await virtual.sleep(5.9)
        assert link.seen.whys(PM25)[4:] == [""]


async def test_a_device_that_never_spoke_is_silent_too(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        await virtual.sleep(7.0)
        assert link.seen.whys(PM25) == ["no_reply"]
        assert link.desk.figures["last_frame_age"] == "never"


async def test_bytes_that_are_no_frames_are_a_bad_reply(
    virtual: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "drivers.serial.listen")
    async with Link(virtual) as link:
        for _ in range(15):
            link.line.send(b"\x55" * 40)
            await virtual.sleep(0.5)
        assert set(link.seen.whys(PM25)) == {"bad_reply"}
        assert "9600 8N1" in str(link.desk.figures["hint"])
        assert len(caplog.records) == 1, "a hint is told once"
        link.line.send(SDS011)
        await virtual.sleep(0.1)
        assert "hint" not in link.desk.figures


async def test_figures_tell_what_came_and_outlive_a_restart(virtual: VirtualClock) -> None:
    desk = Desk()
    for _ in range(2):
        async with Link(virtual, desk=desk) as link:
            link.line.send(SDS011 + b"\x00" + SDS011[:4] + b"\x01" + SDS011[5:])
            await virtual.sleep(3.0)
    assert desk.figures | {"last_frame_age": 0} == {
        "frames": 2,
        "bad_checksum": 2,
        "malformed": 0,
        "noise_bytes": 22,
        "unmatched": 0,
        "last_frame_age": 0,
        "connected": "no",
    }
    assert desk.figures["last_frame_age"] == 3.0


async def test_a_lost_line_marks_every_point_and_raises(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        link.line.send(SDS011)
        link.line.end()
        with pytest.raises(DriverError, match="the line is gone"):
            await link.task
    assert link.seen.whys(PM25) == link.seen.whys("air.pm10") == ["", "no_connection"]
    assert (link.desk.figures["connected"], link.line.closed) == ("no", 1)


async def test_a_line_that_cannot_be_opened_marks_every_point_too(virtual: VirtualClock) -> None:
    async def fails() -> Script:
        raise DriverError("usb-1 is not there")

    link = Link(virtual)
    hearer = DustSensor("air", 2.0, sds011_values, KNOWN)
    listener = Listener(fails, sds011_parser(), [hearer], clock=virtual, desk=link.desk)
    with pytest.raises(DriverError, match="usb-1 is not there"):
        await listener.run(link.seen)
    assert link.seen.whys(PM25) == ["no_connection"]


async def test_a_wish_gets_the_next_frame_even_between_beats(virtual: VirtualClock) -> None:
    async with Link(virtual, every=60.0) as link:
        link.line.send(sds011(1, 1))
        await virtual.sleep(1.0)
        answer = link.desk.wish((PM25,))
        await virtual.sleep(1.0)
        assert not answer.done()
        link.line.send(sds011(70, 1))
        (reading,) = await answer
    assert (reading.sample.value, reading.raw) == (7.0, "46 00")
    assert link.seen.values(PM25) == [0.1]


async def test_a_wish_that_waits_too_long_gets_what_is_known(virtual: VirtualClock) -> None:
    async with Link(virtual, every=60.0) as link:
        link.line.send(sds011(1, 1))
        await virtual.sleep(1.0)
        heard = virtual.boot() - 1.0
        (known, unknown) = await link.desk.wish((PM25, "air.nothing"))
    assert (known.sample.value, known.sample.at) == (0.1, heard)
    assert unknown.sample.why == "unknown_point"


async def test_a_wish_on_a_line_that_is_lost_is_answered(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        answers = [link.desk.wish((PM25,)), link.desk.wish(())]
        link.line.end()
        assert [one.sample.why for answer in answers for one in await answer] == ["no_connection"] * 3


async def test_a_single_read_waits_for_the_next_frame(virtual: VirtualClock) -> None:
    link = Link(virtual)
    reading = asyncio.create_task(link.listener.read(()))
    await virtual.sleep(1.0)
    link.line.send(b"\x00" + SDS011)
    assert {one.sample.point: one.sample.value for one in await reading} == {PM25: 123.6, "air.pm10": 261.8}
    assert link.line.closed == 1


async def test_a_single_read_of_a_silent_device_ends(virtual: VirtualClock) -> None:
    begun = virtual.boot()
    readings = await Link(virtual, every=10.0).listener.read((PM25,))
    assert [one.sample.why for one in readings] == ["no_reply"]
    assert 30.0 <= virtual.boot() - begun <= 31.0


async def test_a_single_read_of_a_lost_line_raises(virtual: VirtualClock) -> None:
    link = Link(virtual)
    link.line.end()
    with pytest.raises(DriverError, match="the line is gone"):
        await link.listener.read(())


async def test_a_wish_that_nobody_waits_for_any_more_harms_nothing(virtual: VirtualClock) -> None:
    async with Link(virtual) as link:
        await virtual.sleep(1)
        gone, kept = link.desk.wish((PM25,)), link.desk.wish((PM25,))
        await virtual.sleep(0.1)
        gone.cancel()
        link.line.send(SDS011)
        assert [one.sample.value for one in await kept] == [123.6]


async def test_a_mistake_of_our_own_is_not_taken_for_a_lost_line(
    virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = Link(virtual)

    async def later(_: object) -> None:
        await virtual.sleep(1)
        raise ZeroDivisionError

    monkeypatch.setattr(link.listener, "_watch", later)
    for work in (link.listener.run(link.seen), link.listener.read(())):
        with pytest.raises(ExceptionGroup) as group:
            await work
        assert group.group_contains(ZeroDivisionError)
    assert link.seen.samples == []
