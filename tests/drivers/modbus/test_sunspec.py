"""A SunSpec device says what it measures, and what follows from it is true."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.cli.sunspec import facts
from agent.config.load import load
from agent.core.clock import SystemClock
from agent.core.driver import CanSurvey
from agent.core.errors import DriverError
from drivers.modbus.device import ModbusDevice
from drivers.modbus.point import ModbusPoint
from drivers.modbus.sunspec import (
    MARKER,
    Chain,
    Definition,
    Found,
    Model,
    _add_rollover,
    discover,
    points,
    profile,
    survey,
)
from drivers.modbus_tcp import ModbusTcp
from tests.drivers.modbus.sunspec_device import END, common, inputs, inverter, meter, model, serving
from tests.peers.packages import package

PEER = Path(__file__).parents[2] / "peers" / "pysunspec_process.py"
MARK = [0x5375, 0x6E53]
ROOF = [*MARK, *common("ACME", "Sunny 8"), *inverter(), *inputs(2), *meter(), *END]
SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
timezone = "Europe/Helsinki"
[link.roof]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
[device.roof-unit]
link = "roof"
profile = "own/roof"
"""
EXPECTED = {
    "current_l1": 12.01, "current_l3": 12.04, "voltage_l1": 230.1, "voltage_l3": 231.0,
    "active_power": 8230, "frequency": 50.02, "apparent_power": 8250, "reactive_power": -120,
    "power_factor": -0.998, "produced_energy": 12345.6, "dc_power": 8450, "internal_temperature": 41.2,
    "operating_state": 4, "dc_current_s1": 6.1, "dc_voltage_s2": 690.1, "dc_power_s2": 4211,
    "dc_energy_s1": 50.0, "meter_active_power": -1510, "meter_current_l1": 5.1, "meter_voltage_l1": 230.5,
    "meter_power_factor": -0.987, "meter_import_energy": 12345.67,
    "meter_export_energy": None,
}  # fmt: skip


def asking(words: list[int], place: int = 40000, refused: range = range(0)) -> Any:  # noqa: ANN401
    async def ask(start: int, count: int) -> bytes | None:
        at = start - place
        if not 0 <= at <= len(words) - count or start in refused:
            return None
        return b"".join(word.to_bytes(2, "big") for word in words[at : at + count])

    return ask


def definitions() -> Mapping[int, Definition]:
    return {one["id"]: Definition(**one) for one in facts()}


def driver(port: int) -> ModbusTcp:
    return ModbusTcp(name="line", host="127.0.0.1", port=port, devices=(ModbusDevice(name="it"),))


@pytest.mark.parametrize("place", [40000, 50000, 0])
async def test_the_marker_is_found_at_each_of_its_places(place: int) -> None:
    chain = await discover(asking(ROOF, place))
    assert chain is not None
    assert [one.id for one in chain.models] == [1, 103, 160, 203]
    assert (chain.marker, chain.maker, chain.model, chain.version) == (place, "ACME", "Sunny 8", "1.4")
    assert chain.is_whole


async def test_a_device_without_the_marker_speaks_no_sunspec() -> None:
    assert await discover(asking([0x5375, 0x6E54, *ROOF[2:]])) is None


@pytest.mark.parametrize(
    ("tail", "ids", "whole"),
    [
        (END, [1, 103], True),
        ([], [1, 103], False),  # nothing there: the device refuses
        ([0, 0], [1, 103], False),
        ([203, 60000], [1, 103], False),  # would reach beyond the last address
        ([64001, 2, 7, 7, *END], [1, 103, 64001], True),  # a maker's own model is stepped over
        ([64001, 0, *END], [1, 103, 64001], True),
    ],
)
async def test_the_chain_ends_where_it_ends(tail: list[int], ids: list[int], *, whole: bool) -> None:
    chain = await discover(asking([*MARK, *common("ACME", "x"), *inverter(), *tail]))
    assert chain is not None
    assert [one.id for one in chain.models] == ids
    assert chain.is_whole == whole


async def test_a_chain_without_an_end_is_left_after_64_models() -> None:
    chain = await discover(asking([*MARK, *[64001, 0] * 500]))
    assert chain is not None
    assert len(chain.models) == 64


def test_a_point_beyond_the_end_of_a_shorter_model_is_left_out() -> None:
    found = {one.name: one for one in points(Chain(0, (Model(103, 2, 30),)), definitions())}
    assert found["dc_power"].without == "model 103 is shorter here"
    assert found["produced_energy"].keys["addr"] == 26


def test_a_point_too_far_from_its_factor_for_one_request_is_left_out() -> None:
    found = {one.name: one for one in points(Chain(0, (Model(160, 2, 8 + 8 * 20),)), definitions())}
    assert found["dc_power_s5"].keys
    assert "too far from its scale factor" in found["dc_power_s8"].without


def test_a_second_and_a_third_meter_get_names_of_their_own() -> None:
    chain = Chain(0, (Model(203, 2, 105), Model(201, 200, 105), Model(203, 400, 105)))
    names = {one.name for one in points(chain, definitions())}
    assert {"active_power", "meter_active_power", "meter2_active_power", "meter2_voltage_l3"} <= names


def test_definitions_lie_within_their_models() -> None:
    assert {101, 102, 103, 111, 112, 113, 160, 201, 202, 203, 204} <= definitions().keys()
    for one in definitions().values():
        length = one.length + one.each
        for found in points(Chain(0, (Model(one.id, 2, length),)), {one.id: one}):
            assert found.keys, f"{one.id}: {found.name} {found.without}"


async def test_what_follows_is_a_profile_that_reads_true_values(tmp_path: Path) -> None:
    async with serving(ROOF) as port:
        text = await driver(port).survey("it", facts(), SystemClock(), name="own/roof")
        values, raw = await read(text, port, tmp_path)
    assert {name: values[name] for name in EXPECTED} == pytest.approx(EXPECTED)
    assert raw["active_power"] == "0337 0001"  # the value and its power of ten, from one request
    counter = tomllib.loads(text)["point"]["produced_energy"]
    assert counter["rollover"] == pytest.approx(2**32 * 0.1)


async def test_the_profile_identifies_the_device_that_it_came_from() -> None:
    async with serving(ROOF) as port:
        text = await driver(port).survey("it", facts(), SystemClock(), name="own/roof")
    identify = tomllib.loads(text)["identify"]
    assert identify["marker"]["values"] == [int.from_bytes(MARKER, "big")]
    assert (identify["maker"]["text"], identify["model"]["text"]) == (["ACME"], ["Sunny 8"])


async def test_the_profile_knows_where_version_and_serial_number_stand() -> None:
    async with serving(ROOF) as port:
        text = await driver(port).survey("it", facts(), SystemClock(), name="own/roof")
        told = tomllib.loads(text)["defaults"]
        points = {
            f"{key}{i}": ModbusPoint(addr=place["addr"] + i)
            for key, place in told.items()
            for i in range(place["words"])
        }
        link = ModbusTcp(host="127.0.0.1", port=port, devices=(ModbusDevice(name="it", points=points),))
        raw = {one.sample.point: bytes.fromhex(one.raw) for one in await link.read((), SystemClock())}
    for key, right in (("firmware", b"1.4"), ("serial", b"SN7")):
        held = b"".join(raw[f"it.{key}{i}"] for i in range(told[key]["words"]))
        assert held.rstrip(b"\0") == right
    assert "SN7" not in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([1, 2, 3, 4], "does not speak SunSpec: no marker at 40000, 50000, 0"),
        ([*MARK, *model(64001, 5, {}), *END], "none of its models is known here: 64001"),
        ([*MARK, *END], "none of its models is known here: none"),
    ],
)
async def test_a_device_that_cannot_say_is_a_sentence(words: list[int], said: str) -> None:
    async with serving(words) as port:
        with pytest.raises(DriverError, match=said):
            await driver(port).survey("it", facts(), SystemClock(), name="own/roof")


async def test_a_silent_unit_is_a_sentence() -> None:
    from drivers.modbus.request import Answer, Fault, Request

    class Nobody:
        async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
            return Fault("no_reply", 0.0)

    with pytest.raises(DriverError, match="unit 7 did not answer; is the number right"):
        await survey(Nobody(), 7, facts(), name="own/roof")


def test_a_modbus_link_can_survey() -> None:
    assert isinstance(driver(502), CanSurvey)


async def test_another_reader_of_sunspec_sees_the_same(tmp_path: Path) -> None:
    folder = package("pysunspec2==1.3.7")
    async with serving(ROOF) as port:
        text = await driver(port).survey("it", facts(), SystemClock(), name="own/roof")
        ours, _ = await read(text, port, tmp_path)
        peer = await asyncio.create_subprocess_exec(
            sys.executable, str(PEER), str(port),
            env={**os.environ, "PYTHONPATH": str(folder)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await peer.communicate()
    assert peer.returncode == 0
    theirs = json.loads(said)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs)


async def read(text: str, port: int, folder: Path) -> tuple[dict[str, float | None], dict[str, str]]:
    """Read all points of the profile *text* from the device, through the compiler and the driver."""
    file = folder / "profiles" / "own" / "roof.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text, "utf-8")
    (folder / "site.toml").write_text(SITE.format(port=port), "utf-8")
    plan = load(folder)
    assert not plan.warnings
    [link] = plan.links
    assert isinstance(link.driver, ModbusTcp)
    readings = await link.driver.read((), SystemClock())
    names = {one.sample.point.removeprefix("roof-unit."): one for one in readings}
    return {name: one.sample.value for name, one in names.items()}, {n: one.raw for n, one in names.items()}


async def test_a_profile_without_a_common_model_says_neither_who_nor_which_version() -> None:
    async with serving([*MARK, *meter(), *END]) as port:
        text = await driver(port).survey("it", facts(), SystemClock(), name="own/roof")
    told = tomllib.loads(text)
    assert "defaults" not in told
    assert list(told["identify"]) == ["marker"]


def test_a_point_that_cannot_be_had_stands_in_the_profile_with_its_reason() -> None:
    chain = Chain(40000, (Model(1, 40002, 66),), "ACME", "Sunny 8")
    text = profile(
        chain, [Found("a", {"addr": 1}), Found("b", without="model 1 is shorter here")], name="own/x"
    )
    assert "# b is left out: model 1 is shorter here" in text
    assert list(tomllib.loads(text)["point"]) == ["a"]


@pytest.mark.parametrize(
    ("register", "rollover"),
    [(b"\x00\x00", 2.0**32), (b"\xff\xfe", 2.0**32 / 100), (b"\x80\x00", None), (b"", None)],
)
async def test_where_a_counter_starts_again_is_known_only_by_an_honest_scale(
    register: bytes, rollover: float | None
) -> None:
    async def ask(_: int, __: int) -> bytes:
        return register

    keys: dict[str, Any] = {"kind": "counter", "type": "u32", "scale_addr": 7}
    await _add_rollover(ask, keys)
    assert keys.get("rollover") == (None if rollover is None else pytest.approx(rollover))
