"""Lines of text over a pseudo-terminal and over TCP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.driver import Driver
from agent.core.duration import Duration
from agent.core.point import Kind, Scope
from drivers.lines import Lines, LinesDevice, LinesPoint
from tests.drivers.serial.kit import Adapter, Running

CLIMATE = LinesDevice(
    name="hall",
    pattern=r"T=(?P<temperature>-?[0-9.]+) door:(?P<door>\w+)",
    points={
        "temperature": LinesPoint(unit="Cel"),
        "door": LinesPoint(words={"open": 1, "closed": 0}, kind=Kind.STATE),
    },
)


def radio(name: str, number: int) -> LinesDevice:
    points = {"temperature": LinesPoint(key="temperature_C", unit="Cel", scope=Scope.PUBLIC)}
    return LinesDevice(name=name, where={"id": number}, every=Duration(60), points=points)


async def test_a_pattern_takes_lines_apart_from_the_first_whole_one_on(tmp_path: Path) -> None:
    adapter = Adapter(tmp_path).plug()
    driver: Driver = Lines(name="l", path=str(adapter.path), baud=115200, devices=(CLIMATE,))
    async with Running(driver) as running:
        adapter.send(b"T=1.5 door:open\r\n# hello\r\nT=21.5 door:open\r\nT=-2 door:ajar\r\n")
        await running.seen.until(2, "hall.door")
    assert running.seen.values("hall.temperature") == [21.5, -2.0]
    assert [(one.value, one.why) for one in running.seen.of("hall.door")] == [(1.0, ""), (None, "malformed")]
    assert running.desk.figures["unmatched"] == 2
    adapter.unplug()


async def test_devices_share_a_server_that_sends_json_lines() -> None:
    done = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"id": 17, "temperature_C": 21.5}\n{"id": 18, "temperature_C": null}\n')
        await done.wait()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        link = Lines(name="l", host="127.0.0.1", port=port, devices=(radio("cellar", 17), radio("attic", 18)))
        async with Running(link) as running:
            await running.seen.until(1, "attic.temperature")
        readings = await link.read(("cellar.temperature", "attic.temperature"), SystemClock())
        done.set()
    assert running.seen.values("cellar.temperature") == [21.5]
    assert running.seen.whys("attic.temperature") == ["not_available"]
    assert [one.sample.value for one in readings] == [21.5, None]
    assert readings[0].raw == "21.5"


def test_points_are_what_the_table_says() -> None:
    counter = LinesDevice(name="gate", speaks="on-change", points={"n": LinesPoint(kind=Kind.COUNT)})
    (temperature, count) = Lines(path="/dev/x", devices=(radio("cellar", 17), counter)).points()
    assert (temperature.unit, temperature.scope, temperature.every) == ("Cel", Scope.PUBLIC, 60.0)
    assert (count.kind, count.every, count.scope) == (Kind.COUNT, 0.0, Scope.BUILDING)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"pattern": "(?P<a>x)", "points": {"b": LinesPoint()}}, 'b: the pattern has no group called "b"'),
        ({"points": {"b": LinesPoint(scale=0)}}, "b: scale is 0"),
        ({"pattern": "(?P<a>(x|y)+)"}, "repeats"),
    ],
)
def test_what_can_never_work_is_refused(keys: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        LinesDevice(name="d", **keys)  # type: ignore[arg-type]
