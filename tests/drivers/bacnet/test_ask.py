"""However little a device can, everything that it has is read, in as few requests as it allows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from drivers.bacnet.ask import Asker
from drivers.bacnet.client import Pace
from drivers.bacnet.kinds import BINARY, POLLED
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Counts, IAm, RefusedError, SilentError
from drivers.bacnet.survey import _scale, survey
from drivers.bacnet.value import Fault, ObjectId, Opaque, Ref
from tests.drivers.bacnet.kit import client, ref
from tests.drivers.bacnet.wire import fake
from tests.peers import bacnet

TEXTS = [f"Betriebsart Nummer {n}, Störung" for n in range(1, 9)]  # too long for 128 bytes
AIR_HANDLER: list[dict[str, Any]] = [
    {"type": "analog-input", "instance": 1, "objectName": "N'AHU'ZulTemp", "units": 62, "presentValue": 21.5,
     "description": "Zulufttemperatur"},
    {"type": "binary-input", "instance": 1, "objectName": "N'AHU'Vent", "presentValue": 1,
     "inactiveText": "Aus", "activeText": "Ein"},
    {"type": "multi-state-value", "instance": 4, "objectName": "N'AHU'BA", "presentValue": 2,
     "numberOfStates": 8, "stateText": TEXTS},
    {"type": "accumulator", "instance": 3, "objectName": "N'AHU'Zaehler", "units": 19, "presentValue": 1234,
     "scale": {"integerScale": -1}, "maxPresValue": 999999},
    {"type": "schedule", "instance": 1, "objectName": "N'AHU'Zeitplan"},
]  # fmt: skip
MANY = [
    {"type": "analog-value", "instance": n, "objectName": f"Raum {n} Temperatur", "units": 62,
     "description": "eine Beschreibung, die nicht kurz ist", "presentValue": 20.0}
    for n in range(1, 61)
]  # fmt: skip


@pytest.fixture(scope="module")
def isp() -> Iterator[bacnet.Device]:
    with bacnet.building(instance=77, name="ISP77", objects=AIR_HANDLER) as one:
        yield one


def is_meant(one: dict[str, Any]) -> tuple[str, str, str, tuple[str, ...]]:
    texts = one.get("stateText") or [one[key] for key in ("inactiveText", "activeText") if key in one]
    return f"{one['type']},{one['instance']}", one["objectName"], one.get("description", ""), tuple(texts)


async def learnt(device: bacnet.Device, *, apdu: int = 1476, **options: Any) -> tuple[Any, Counts]:  # noqa: ANN401
    """Survey *device*; give what was learnt and what it cost."""
    async with client(Pace(timeout=1.0, rate=0)) as ours:
        one = IAm(device.peer, 77, apdu, segments=True, vendor=15)
        found = await survey(ours, one, lambda *_: None, **options)
        return found, ours.counts(device.peer)


async def test_a_device_tells_names_units_descriptions_and_texts(isp: bacnet.Device) -> None:
    found, cost = await learnt(isp)
    everything, _ = await learnt(isp, everything=True)
    assert (found.instance, found.address, found.name) == (77, isp.address, "ISP77")
    assert (found.vendor, found.model) == ("Maker", "Controller")
    air, fan, mode, meter = found.objects
    assert (air.id, air.name, air.description, air.unit) == (
        "analog-input,1", "N'AHU'ZulTemp", "Zulufttemperatur", 62,
    )  # fmt: skip
    assert fan.type in BINARY
    assert (fan.states, mode.states) == (("Aus", "Ein"), tuple(TEXTS))
    assert (meter.scale, meter.maximum) == (0.1, 999999.0)
    assert cost.requests <= 4
    assert [one.type for one in everything.objects if one.type not in POLLED] == ["schedule"]


@pytest.mark.parametrize(
    "lack",
    [
        {"refuses": ["ReadPropertyMultipleRequest"]},
        {"segments": False, "apdu": 128},
        {"segments": False, "apdu": 128, "refuses": ["ReadPropertyMultipleRequest"]},
        {"segments": False, "apdu": 480},
    ],
    ids=["no RPM", "128 bytes", "128 bytes and no RPM", "480 bytes"],
)
async def test_a_device_that_lacks_much_is_understood_as_well(lack: dict[str, Any]) -> None:
    with bacnet.building(instance=77, objects=AIR_HANDLER + MANY, **lack) as device:
        found, cost = await learnt(device, apdu=lack.get("apdu", 1024))
    told = [(one.id, one.name, one.description, one.states) for one in found.objects]
    assert told == [is_meant(one) for one in AIR_HANDLER + MANY if one["type"] in POLLED]
    assert cost.rejects <= 1  # a service that is not there is asked for once


async def test_a_list_of_objects_that_fits_no_answer_is_read_by_its_elements() -> None:
    with bacnet.rusty(instance=77, analog_value=400) as device:
        found, cost = await learnt(device)
    assert len(found.objects) == 400
    assert cost.requests < 90


async def test_what_an_object_does_not_have_costs_no_other_anything(isp: bacnet.Device) -> None:
    asked = [
        ref("analog-input,1 object-name"),
        ref("analog-input,9 object-name"),
        ref("analog-input,1 state-text"),
    ]
    async with client() as ours:
        name, unknown, lacking = await Asker(ours, isp.peer).read(asked)
    assert name == "N'AHU'ZulTemp"
    assert unknown == Fault("error", 31, 1)
    assert isinstance(lacking, Fault)


async def test_an_array_that_is_none_is_refused(isp: bacnet.Device) -> None:
    async with client() as ours:
        with pytest.raises(RefusedError, match="unknown-property"):
            await Asker(ours, isp.peer).array(ref("analog-input,1 state-text"))


async def test_a_device_that_is_gone_costs_its_time_out_and_no_more() -> None:
    async with client(Pace(timeout=0.1, retries=0, rate=0)) as ours, asyncio.timeout(1):
        nobody = Peer.parse("127.0.0.1:9")
        refs = [Ref(ObjectId(0, n), 77) for n in range(500)]
        with pytest.raises(SilentError):
            await Asker(ours, nobody).read(refs)


WHOLE = [Ref(ObjectId(0, n), 85) for n in range(64)]
VALUES = [20.0 + n for n in range(64)]


@pytest.mark.parametrize(
    "refusal",
    [b"\x71\x04", b"\x71\x01", b"\x60\x07", b"\x50\x0e\x91\x02\x91\x33"],
    ids=["no parts", "buffer", "too many arguments", "an error that says the same"],
)
async def test_what_is_too_much_at_once_is_asked_in_halves_that_are_remembered(refusal: bytes) -> None:
    async with fake() as device, client(Pace(timeout=1.0, rate=0)) as ours:
        device.refuse = lambda wanted: refusal if len(wanted) > 10 else None
        asker = Asker(ours, device.peer, 1476)
        assert await asker.read(WHOLE) == VALUES
        device.asked.clear()
        assert await asker.read(WHOLE) == VALUES
        assert len(device.asked) < 20
        assert max(map(len, device.asked)) <= 10


async def test_one_property_that_costs_a_device_its_whole_answer_is_found_and_the_others_are_read() -> None:
    async with fake() as device, client(Pace(timeout=1.0, rate=0)) as ours:
        device.refuse = lambda wanted: (
            b"\x50\x0e\x91\x02\x91\x09" if len(wanted) > 1 and (0, 13, 85) in wanted else None
        )
        assert await Asker(ours, device.peer, 1476).read(WHOLE) == VALUES


async def test_a_device_that_is_silent_on_what_is_too_long_is_asked_for_less() -> None:
    async with fake() as device, client(Pace(timeout=0.1, retries=0, rate=0)) as ours:
        device.change = lambda reply: [] if len(reply) > 300 else [reply]
        assert await Asker(ours, device.peer, 1476).read(WHOLE) == VALUES


@pytest.mark.parametrize("size", ["many", -1, 70000, 2.0])
async def test_an_array_of_no_honest_size_is_refused(size: Any) -> None:  # noqa: ANN401
    class Odd:
        async def read(self, _: Peer, wanted: Ref) -> Any:  # noqa: ANN401
            if wanted.index < 0:
                raise RefusedError(Fault("abort", 4))
            return size

    with pytest.raises(RefusedError, match="garbled"):
        await Asker(Odd(), Peer.parse("10.0.0.7")).array(ref("device,1 object-list"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("raw", "scale"),
    [
        (b"\x0c\x3d\xcc\xcc\xcd", 0.1),
        (b"\x19\xfe", 0.01),
        (b"\x19\x03", 1000.0),
        (b"\x0c\x00\x00\x00\x00", None),
        (b"\x0c\x7f\xc0\x00\x00", None),
        (b"\x19\x7f", None),
        (b"\x29\x01", None),
        (b"\x0c\x3d", None),
    ],
)
def test_the_scale_of_an_accumulator_is_a_number_or_a_power_of_ten(raw: bytes, scale: float | None) -> None:
    assert _scale(Opaque(raw)) == scale


async def test_texts_that_a_device_will_not_tell_cost_its_object_no_more() -> None:
    with bacnet.building(instance=77, objects=AIR_HANDLER, segments=False, apdu=128) as device:
        async with client(Pace(timeout=1.0, rate=0)) as ours:
            whole = ours.read

            async def read(peer: Peer, wanted: Ref) -> Any:  # noqa: ANN401
                if wanted.property == 110:
                    raise RefusedError(Fault("abort" if wanted.index < 0 else "reject", 4))
                return await whole(peer, wanted)

            ours.read = read  # type: ignore[method-assign, assignment]
            found = await survey(ours, IAm(device.peer, 77, 128, segments=False, vendor=1), lambda *_: None)
    [mode] = [one for one in found.objects if one.type == "multi-state-value"]
    assert (mode.name, mode.states) == ("N'AHU'BA", ())
