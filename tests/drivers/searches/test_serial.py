"""The search on serial lines: it listens first, sends nothing where anybody speaks, and finds the speed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.core.clock import Clock, SystemClock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from drivers.modbus.figures import Figures
from drivers.modbus.line import Frame
from drivers.modbus.link import Link
from drivers.modbus.pace import Pace
from drivers.modbus.ports import MODBUS_SETTINGS, Looking, Port, search
from drivers.modbus.scan import Around
from drivers.modbus.who import Known
from drivers.searches import _modbus
from drivers.searches.modbus import Modbus
from drivers.searches.serial import Serial
from drivers.serial.source import Opener, Source
from tests.drivers.modbus.bus import Bus
from tests.drivers.modbus.rtu_wire import Asked, rtu_serving
from tests.drivers.searches.kit import Facts, Heard, HeldLink
from tests.drivers.serial.kit import Adapter, Script
from tests.drivers.serial.telegrams import DSMR_42, told
from tests.drivers.serial.test_fixed import pms, sds011
from tests.peers import need
from tests.peers.serial_line import SerialLine, serial_line, slave
from tests.virtual import VirtualClock

EVERY = tuple(range(1, 248))


@pytest.fixture
def line(tmp_path: Path) -> Iterator[SerialLine]:
    with serial_line(tmp_path) as made:
        yield made


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    plugged = Adapter(tmp_path).plug()
    yield plugged
    plugged.unplug()


class Line:
    """A line whose devices understand one setting only; *speaks* gives what is heard of it at each."""

    def __init__(
        self, baud: int, frame: Frame, *units: int, speaks: Callable[[int, Any], bytes] | None = None
    ) -> None:
        self.setting, self.units = (baud, frame), units
        self.speaks = speaks or (lambda _baud, _frame: b"")
        self.asked: list[tuple[int, Frame, Asked]] = []
        self.asked_at: list[float] = []
        self.heard_at: list[tuple[int, str]] = []

    def port(self, clock: Clock) -> Port:
        def link(baud: int, frame: Frame) -> Link:
            bus = Bus(baud, frame)
            everybody = set(range(256))
            bus.dead = everybody - set(self.units) if (baud, frame) == self.setting else everybody

            def note(asked: Asked) -> bytes:
                return asked.refusal(2)

            bus.answer = note
            transmit = bus.transmit

            def watched(data: bytes) -> None:
                self.asked.append((baud, frame, Asked(data)))
                self.asked_at.append(clock.boot())
                transmit(data)

            bus.transmit = watched  # type: ignore[method-assign]
            return Link(bus, clock, Figures({}), ceiling=3.0)

        def ears(baud: int, frame: Any) -> Opener:  # noqa: ANN401 - as the port has it
            async def opened() -> Source:
                self.heard_at.append((baud, frame))
                script = Script()
                if data := self.speaks(baud, frame):
                    script.send(data)
                return script

            return opened

        return Port("/dev/ttyUSB0", "line-ttyusb0", ears, link)


async def looked(line: Line, clock: VirtualClock, units: tuple[int, ...] = EVERY) -> Heard:
    heard = Heard()
    around = Around(units, 0.2, Known(), clock, heard, Pace(clock.boot()))
    await search([line.port(clock)], around, Looking(MODBUS_SETTINGS, 10.0))
    return heard


async def test_speed_and_parity_are_found_and_then_all_units(virtual: VirtualClock) -> None:
    line = Line(19_200, "8E1", 5, 200)
    heard = await looked(line, virtual)
    assert [one.device for one in heard.found] == [{"unit": 5}, {"unit": 200}]
    assert heard.found[0].link == {
        "driver": "modbus-rtu",
        "path": "/dev/ttyUSB0",
        "baud": 19_200,
        "frame": "8E1",
    }
    tried = list(dict.fromkeys((baud, frame) for baud, frame, _ in line.asked))
    assert tried == [(9600, "8N1"), (19_200, "8N1"), (9600, "8E1"), (19_200, "8E1")]
    assert all(asked.function in (1, 2, 3, 4, 0x2B) for _, _, asked in line.asked)


async def test_a_rare_unit_number_is_found_in_the_second_round(virtual: VirtualClock) -> None:
    heard = await looked(Line(115_200, "8N1", 77), virtual)
    [found] = heard.found
    assert (found.device, found.link["baud"]) == ({"unit": 77}, 115_200)


async def test_nothing_is_sent_before_ten_seconds_of_silence(virtual: VirtualClock) -> None:
    line, begun = Line(9600, "8N1", 1), virtual.boot()
    heard = await looked(line, virtual, (1,))
    assert line.heard_at == [(9600, "8N1")]  # a silent line is silent at every speed
    assert line.asked_at[0] - begun >= 10
    assert len(heard.found) == 1


def master() -> bytes:
    """Give what another master sends."""
    from drivers.modbus.crc import crc

    frames = (bytes((unit, 3, 0, 0, 0, 2)) for unit in (1, 2, 3))
    return b"".join(frame + crc(frame) for frame in frames)


@pytest.mark.parametrize("setting", [(9600, "8N1"), (38_400, "8N1")])
async def test_a_line_with_another_master_is_left_alone(
    setting: tuple[int, Frame], virtual: VirtualClock
) -> None:
    line = Line(*setting, 1, speaks=lambda *at: master() if at == setting else b"\x00\xf8\x80\x00\xfe")
    heard = await looked(line, virtual)
    [missed] = heard.missed
    assert f"another master speaks on this line (Modbus RTU, {setting[0]} {setting[1]})" in missed.why
    assert not line.asked
    assert line.heard_at[-1] == setting


async def test_a_line_on_which_a_stranger_speaks_is_left_alone(virtual: VirtualClock) -> None:
    line = Line(9600, "8N1", 1, speaks=lambda *_: bytes(range(128, 200)))
    heard = await looked(line, virtual)
    assert "nothing that is known here" in heard.missed[0].why
    assert not line.asked
    assert heard.progress[-1].done == heard.progress[-1].of


async def test_a_silent_line_without_devices_is_told_with_what_to_look_at(virtual: VirtualClock) -> None:
    heard = await looked(Line(9600, "8N1"), virtual)
    assert "are A and B swapped?" in heard.missed[0].why
    assert heard.progress[0].seconds_left == pytest.approx(virtual.boot() - 1000.0, rel=0.3)


@pytest.mark.parametrize(
    ("speaks", "link", "device"),
    [
        (sds011(10, 20) * 3, {"driver": "sds011"}, {}),
        (pms(1, 2, 3), {"driver": "pms"}, {}),
        (told(DSMR_42), {"driver": "p1", "baud": 9600, "frame": "8N1"}, {}),
        (
            b'5}\n{"id": 7, "air": {"T": 21.5}, "ok": true}\n' * 3,
            {"driver": "lines"},
            {"speaks": "on-change", "points": {"id": {"key": "id"}, "air_t": {"key": "air.T"}}},
        ),
        (
            b".5 C\r\nT=21.5 C; rain -3 mm\r\nT=21.6 C; rain -3 mm\r\n",
            {"driver": "lines"},
            {
                "speaks": "on-change",
                "pattern": r"T=(?P<value_1>[-+0-9.,]+)\ C;\ rain\ (?P<value_2>[-+0-9.,]+)",
                "points": {"value_1": {}, "value_2": {}},
            },
        ),
    ],
    ids=["sds011", "pms", "p1", "json", "text"],
)
async def test_who_speaks_by_itself_is_recognised_by_listening_alone(
    speaks: bytes, link: dict[str, Any], device: dict[str, Any], adapter: Adapter
) -> None:
    heard = Heard()
    search = Serial(targets=(str(adapter.path),), listen=Duration(0.5), units="1", baud="9600")
    asyncio.get_running_loop().call_later(
        0.1, adapter.send, speaks
    )  # what came before a port is opened is lost
    await search.search(Facts(), SystemClock(), heard)
    [found] = heard.found
    assert found.link == {"path": str(adapter.path), **link}
    assert found.device == device
    assert not heard.missed


async def test_units_are_found_on_a_real_line(line: SerialLine) -> None:
    heard = Heard()
    with slave(line.theirs, 7):
        await Serial(
            targets=(str(line.ours),), units="7", baud="9600", listen=Duration(0.1), wait=Duration(0.6)
        ).search(Facts(), SystemClock(), heard)
    [found] = heard.found
    assert (found.device, found.link) == ({"unit": 7}, {"driver": "modbus-rtu", "path": str(line.ours)})


async def test_a_setting_that_the_port_cannot_do_is_passed_by(line: SerialLine) -> None:
    heard = Heard()
    search = Serial(
        targets=(str(line.ours),), units="7", baud="9600", listen=Duration(0.1), wait=Duration(0.02)
    )
    await search.search(Facts(), SystemClock(), heard)
    assert "the line is silent" in heard.missed[0].why


async def test_a_unit_that_missed_its_first_question_is_found_by_a_thorough_search(
    virtual: VirtualClock,
) -> None:
    missed: set[int] = set()

    def deaf_at_first(asked: Asked) -> Sequence[bytes]:
        if asked.unit != 9 or asked.unit not in missed:
            missed.add(asked.unit)
            return []
        return [asked.refusal(2)]

    for thorough in (False, True):
        missed.clear()
        async with rtu_serving(deaf_at_first) as wire:
            heard, target = Heard(), f"127.0.0.1:{wire.port}"
            search = Modbus(targets=(target,), over="rtu", units="8-9", thorough=thorough)
            await search.search(Facts(), virtual, heard)
        assert [one.device for one in heard.found] == [{"unit": 9}] * thorough


async def test_mbpoll_as_another_master_is_heard_and_nothing_is_sent(line: SerialLine) -> None:
    words = [need("mbpoll"), "-m", "rtu", "-a", "5", "-b", "9600", "-P", "none", "-o", "0.1", "-l", "100"]
    heard = Heard()
    other = await asyncio.create_subprocess_exec(
        *words, str(line.theirs), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        search = Modbus(targets=(str(line.ours),), units="5", listen=Duration(5))
        await search.search(Facts(), SystemClock(), heard)
    finally:
        other.terminate()
        said = (await other.communicate())[0].decode()
    [missed] = heard.missed
    assert "another master speaks on this line" in missed.why
    assert "illegal" not in said.lower()


async def test_a_port_that_the_gateway_holds_is_asked_through_it(
    virtual: VirtualClock, tmp_path: Path
) -> None:
    async def answer(question: Any) -> Any:  # noqa: ANN401 - as Held has it
        return (
            {"why": "illegal_address", "code": 2} if question["unit"] == 2 else {"why": "no_reply", "code": 0}
        )

    real, name = tmp_path / "ttyUSB0", tmp_path / "by-id"
    real.touch()
    name.symlink_to(real)
    held = HeldLink("bus", {"driver": "modbus-rtu", "path": str(name), "baud": 19_200}, answer)
    heard = Heard()
    await Serial(targets=(str(real),), units="1-3").search(Facts(held), virtual, heard)
    [found] = heard.found
    assert (found.on, found.device) == ("bus", {"unit": 2})


async def test_a_port_in_use_is_a_sentence(line: SerialLine) -> None:
    import serial  # type: ignore[import-untyped]

    heard = Heard()
    with serial.Serial(str(line.ours), exclusive=True):
        await Serial(targets=(str(line.ours),)).search(Facts(), SystemClock(), heard)
    assert heard.missed[0].why == f"{line.ours} is in use by another program"


async def test_without_a_port_every_adapter_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, virtual: VirtualClock
) -> None:
    monkeypatch.setattr(_modbus, "BY_ID", tmp_path / "by-id")
    with pytest.raises(ConfigError, match="no serial adapter is plugged in"):
        await Serial().search(Facts(), virtual, Heard())
    (tmp_path / "by-id").mkdir()
    for name in ("usb-b", "usb-a"):
        (tmp_path / "by-id" / name).symlink_to(tmp_path / "nothing")
    heard = Heard()
    await Serial().search(Facts(), virtual, heard)
    assert [Path(one.address).name for one in heard.missed] == ["usb-a", "usb-b"]
    assert all("is not there" in one.why for one in heard.missed)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"targets": ("ttyUSB0",)}, '"ttyUSB0" is no serial port'),
        ({"targets": ("/dev/x",), "baud": "fast"}, '"fast" is no speed'),
        ({"targets": ("/dev/x",), "units": "248"}, "from 1 to 247"),
    ],
)
async def test_words_that_cannot_be_meant_are_refused(
    options: dict[str, Any], sentence: str, virtual: VirtualClock
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        await Serial(**options).search(Facts(), virtual, Heard())


async def test_what_is_known_of_a_line_narrows_the_search(virtual: VirtualClock) -> None:
    asked: list[Looking] = []

    async def note(_: object, __: object, looking: Looking) -> None:
        asked.append(looking)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drivers.modbus.ports.search", note)
        for options in ({"frame": "8E1"}, {"baud": "1200,9600"}, {"baud": "9600", "frame": "8N2"}):
            await Serial(targets=("/dev/x",), **options).search(Facts(), virtual, Heard())  # type: ignore[arg-type]  # each is one of its fields
    assert {frame for _, frame in asked[0].settings} == {"8E1"}
    assert {baud for baud, _ in asked[1].settings} == {1200, 9600}
    assert asked[2].settings == ((9600, "8N2"),)


def test_asyncio_is_not_needed_to_know_the_options() -> None:
    program = (
        "import sys, drivers.searches.serial, drivers.searches.modbus; "
        "sys.exit(bool({'asyncio', 'serial', 'drivers.modbus.link'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert asyncio.iscoroutinefunction(Serial.search)


async def test_a_port_that_can_do_none_of_the_usual_settings_says_why(virtual: VirtualClock) -> None:
    class Odd(Line):
        def port(self, clock: Clock) -> Port:
            usual = super().port(clock)

            def link(baud: int, frame: Frame) -> Link:
                bus = Bus(baud, frame)

                async def refuses(_: object) -> Any:  # noqa: ANN401
                    raise DriverError(f"/dev/ttyUSB0 cannot be set up: no {baud} {frame}")

                bus.open = refuses  # type: ignore[method-assign, assignment]
                return Link(bus, clock, Figures({}), ceiling=3.0)

            return Port(usual.path, usual.name, usual.ears, link)

    heard = await looked(Odd(9600, "8N1"), virtual)
    assert not heard.found
    assert "cannot be set up: no " in heard.missed[0].why
