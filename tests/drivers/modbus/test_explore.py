"""What an unknown register may mean: the right guess comes first, whatever the order of bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.driver import CanExplore, Guess, Riddle
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from drivers.modbus.codec import decoder
from drivers.modbus.device import ModbusDevice
from drivers.modbus.explore import Place, Wanted, guesses, places
from drivers.modbus.point import ByteOrder, ModbusPoint, Type
from drivers.modbus_tcp import ModbusTcp
from tests.drivers.modbus.wire import Asked, serving
from tests.drivers.searches.kit import HeldLink
from tests.virtual import VirtualClock

HERE = Place("holding", 10, 0)
ORDERS: tuple[ByteOrder, ...] = ("ABCD", "CDAB", "BADC", "DCBA")


def wire_bytes(form: str, value: float, order: ByteOrder = "ABCD") -> bytes:
    """Write *value* as a device with *order* does."""
    data = struct.pack(form, value)
    registers = [data[at : at + 2] for at in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        registers.reverse()
    return b"".join(one[::-1] if order in ("BADC", "DCBA") else one for one in registers)


def best(data: bytes, wanted: Wanted = Wanted(), place: Place = HERE) -> Guess:  # noqa: B008 - frozen
    return guesses([(place, data)], wanted)[0]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("form", "value", "kind"), [(">f", 230.4, "f32"), (">f", 50.02, "f32"), (">f", 1234.5, "f32")]
)
def test_a_usual_float_is_the_likeliest_in_its_own_order(
    form: str, value: float, kind: Type, order: ByteOrder
) -> None:
    found = best(wire_bytes(form, value, order))
    assert float(found.value) == pytest.approx(value)
    assert (found.keys.get("type"), found.keys.get("byte_order", "ABCD")) == (kind, order)


@pytest.mark.parametrize(
    ("raw", "value", "why"),
    [(2304, "230.4", "a mains voltage"), (5001, "50.01", "a mains frequency"), (4012, "401.2", "a voltage")],
)
def test_a_usual_whole_number_gets_its_scale(raw: int, value: str, why: str) -> None:
    found = best(raw.to_bytes(2, "big"))
    assert (found.value, found.keys["scale"]) == (value, 0.1 if raw != 5001 else 0.01)
    assert why in found.why


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("form", "raw", "shown", "scale"),
    [
        (">I", 1_234_567, 12_345.67, 0.01),
        (">i", -81_250, -81.25, 0.001),
        (">Q", 9_876_543_210, 98_765_432.1, 0.01),
        (">d", 55.125, 55.125, 1),
        (">f", 17_000.0, 17.0, 0.001),
    ],
)
def test_what_is_expected_comes_first(
    form: str, raw: float, shown: float, scale: float, order: ByteOrder
) -> None:
    found = best(wire_bytes(form, raw, order), Wanted(shown, "kW.h"))
    assert float(found.value) == pytest.approx(shown, rel=1e-6)
    assert (found.keys.get("scale", 1), found.keys["unit"]) == (scale, "kW.h")
    assert "0.0% off" in found.why


def test_a_place_before_or_behind_wins_only_if_it_makes_more_sense() -> None:
    good, odd = wire_bytes(">f", 229.9), wire_bytes(">f", 3.1e-19)
    near, far = Place("input", 9, 1, "address - 1"), Place("input", 10, 0)
    assert guesses([(far, odd), (near, good)], Wanted())[0].keys["addr"] == 9
    assert guesses([(near, good), (far, good)], Wanted())[0].keys["addr"] == 10


def test_text_is_told_and_never_a_point() -> None:
    found = best(b"iEM3155 ".ljust(32, b"\0"))
    assert (found.value, found.keys["text"]) == ('"iEM3155"', ["iEM3155"])
    assert "for [identify]" in found.why
    assert best(b"Ei3M51 5".ljust(32, b"\0")).value == '"Ei3M51 5"'  # a name is a name


def test_zero_is_told_once() -> None:
    assert [one.value for one in guesses([(HERE, bytes(8))], Wanted())] == ["0"]


def test_addresses_beside_and_numbers_of_manuals_come_into_question() -> None:
    assert [one.start for one in places(52, ["holding"])] == [52, 51, 53]
    assert [one.start for one in places(0, ["holding"])] == [0, 1]
    manual = places(30_053, ["holding", "input"])
    assert manual[-1] == Place("input", 52, 1, "number 30053 read as 3xxxx")
    assert [one.start for one in places(400_201, ["holding"])] == [200]
    assert len(manual) == 7


@given(st.binary(min_size=2, max_size=32).filter(lambda data: not len(data) % 2))
def test_each_guess_is_what_its_line_reads(data: bytes) -> None:
    for one in guesses([(HERE, data)], Wanted()):
        assert 0 <= one.likely <= 1
        if "text" in one.keys:
            continue
        point = ModbusPoint(**dict(one.keys), sentinel="none")
        value, _ = decoder(point)(data[: 2 * point.words])
        assert value is not None
        assert f"{value:.7g}" == one.value


def driver(port: int, **keys: Any) -> ModbusTcp:  # noqa: ANN401 - any key
    device = ModbusDevice(name="boiler", unit=3, **keys)
    return ModbusTcp(name="room", host="127.0.0.1", port=port, timeout=Duration(1), devices=(device,))


async def test_a_device_that_gives_only_whole_values_is_read_at_its_borders(virtual: VirtualClock) -> None:
    def answer(asked: Asked) -> Sequence[bytes]:
        if (asked.unit, asked.function, asked.addr, asked.count) == (3, 4, 52, 2):
            return [asked.reply([0x4366, 0x6666])]
        return [asked.refusal(2)]

    async with serving(answer) as wire:
        asking = driver(wire.port)
        assert isinstance(asking, CanExplore)
        found = await asking.explore(Riddle(addr=53, device="boiler"), virtual)
    assert (found[0].value, found[0].keys["addr"], found[0].keys["table"]) == ("230.4", 52, "input")
    assert len(wire.asked) <= 20
    assert {one.function for one in wire.asked} == {3, 4}


async def test_a_device_that_counts_from_one_is_asked_as_it_counts(virtual: VirtualClock) -> None:
    async with serving(lambda a: [a.reply([2304] * a.count) if a.addr == 51 else a.refusal(2)]) as wire:
        riddle = Riddle(addr=52, device="boiler", table="holding")
        found = await driver(wire.port, addressing="one").explore(riddle, virtual)
    assert (found[0].keys["addr"], found[0].keys["addressing"]) == (51, "zero")


@pytest.mark.parametrize(
    ("riddle", "sentence"),
    [
        (Riddle(addr=5, unit=9), "unit 9 does not answer"),
        (Riddle(addr=5, unit=2), "refuses to be read at 5"),
    ],
)
async def test_a_place_that_cannot_be_read_says_why(
    riddle: Riddle, sentence: str, virtual: VirtualClock
) -> None:
    async with serving(lambda a: [a.refusal(2)] if a.unit == 2 else []) as wire:
        with pytest.raises(DriverError, match=sentence):
            await driver(wire.port).explore(riddle, virtual)


@pytest.mark.parametrize("table", ["coil", "registers"])
async def test_a_table_without_numbers_is_refused(table: str, virtual: VirtualClock) -> None:
    with pytest.raises(ConfigError, match=table):
        await driver(9).explore(Riddle(addr=5, device="boiler", table=table), virtual)


async def test_at_the_end_of_a_table_no_more_is_asked_than_there_is(virtual: VirtualClock) -> None:
    async with serving(lambda a: [a.reply([2304] * a.count)]) as wire:
        found = await driver(wire.port).explore(Riddle(addr=65535, device="boiler", table="holding"), virtual)
    assert found
    assert all(one.addr + one.count <= 65536 for one in wire.asked)


async def test_a_number_that_the_device_has_not_is_refused_by_its_option(virtual: VirtualClock) -> None:
    with pytest.raises(ConfigError, match="--addr: "):
        await driver(9, addressing="one").explore(Riddle(addr=0, device="boiler", table="holding"), virtual)


async def test_a_register_is_explored_through_the_link_that_the_gateway_has(virtual: VirtualClock) -> None:
    asked: list[Any] = []

    async def answer(question: Mapping[str, Any]) -> Mapping[str, Any]:
        asked.append(question)
        return (
            {"data": "0900"} if (question["start"], question["count"]) == (53, 1) else {"why": "x", "code": 2}
        )

    held = HeldLink("plant", {"driver": "modbus-tcp"}, answer)
    found = await driver(9).explore(Riddle(addr=53, table="holding"), virtual, held)
    assert (found[0].value, found[0].keys["addr"]) == ("230.4", 53)
    assert all(one["unit"] == 1 for one in asked)
