"""How a device is read that is short of memory, old, half broken or off."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.sample import Quality, Sample
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.find import Finder
from drivers.bacnet.learnt import Item
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.reader import Outcome, Reader
from tests.drivers.bacnet.kit import client, ref
from tests.drivers.bacnet.wire import FLAGS, MAX_APDU, PRESENT_VALUE, RELIABILITY, FakeDevice, fake, real
from tests.virtual import VirtualClock

TIMEOUT = 0.5


class Reading:
    """A reader of a fake device, and what became of its points."""

    def __init__(self, device: FakeDevice, ours: Client, clock: Clock, names: Iterable[str]) -> None:
        points = {
            name.replace("-", "_").replace(",", "_"): BacnetPoint(object=name, unit="Cel") for name in names
        }
        settings = BacnetDevice(
            name="ahu-1", instance=device.instance, address=device.address, every=Duration(10), points=points
        )
        self.reader = Reader(settings, ours, Finder(ours, clock, TIMEOUT), clock)
        self.ours = ours
        self.samples: dict[str, Sample] = {}

    async def cycle(self) -> dict[str, Sample]:
        """Read all points once; give their samples by object."""
        self.samples.clear()

        def take(told: Iterable[Outcome]) -> None:
            for outcome in told:
                name = outcome[0].point.object
                assert name not in self.samples, "told twice"
                self.samples[name] = self.reader.sample(outcome)

        await self.reader.cycle(take, list(self.reader.device.points))
        assert len(self.samples) == len(self.reader.device.points), "a point was forgotten"
        return self.samples


@asynccontextmanager
async def reading(
    clock: Clock, names: Iterable[str] | None = None, points: int = 100
) -> AsyncIterator[tuple[FakeDevice, Reading]]:
    async with fake(points=points) as device, client(Pace(timeout=TIMEOUT, rate=0), clock) as ours:
        yield device, Reading(device, ours, clock, names or inputs(points))


def inputs(count: int) -> list[str]:
    return [f"analog-input,{number}" for number in range(count)]


def good(samples: dict[str, Sample]) -> int:
    return sum(sample.quality is Quality.GOOD and sample.value is not None for sample in samples.values())


async def test_many_points_come_by_few_requests(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        assert good(await ahu.cycle()) == 100
        device.asked.clear()
        assert good(await ahu.cycle()) == 100
        assert len(device.asked) == 2  # 28 bytes a point, 1476 in a message
        assert {one[2] for one in device.asked[0]} == {PRESENT_VALUE, FLAGS, RELIABILITY}


async def test_a_device_of_short_messages_is_asked_for_less(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        device.apdu = 128
        device.values[8, 1011, MAX_APDU] = b"\x21\x80"
        assert good(await ahu.cycle()) == 100
        device.asked.clear()
        assert good(await ahu.cycle()) == 100
        assert len(device.asked) <= 26
        assert ahu.ours.counts(device.peer).aborts == 0


async def test_what_is_too_long_is_halved_and_remembered(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        device.apdu = 480  # less than it says
        for _ in range(2):  # sizes are guessed at first, and known from the first answers
            assert good(await ahu.cycle()) == 100
        aborts = ahu.ours.counts(device.peer).aborts
        assert 1 <= aborts <= 3
        for _ in range(3):
            assert good(await ahu.cycle()) == 100
        assert ahu.ours.counts(device.peer).aborts == aborts


@pytest.mark.parametrize("refusal", [b"\x71\x04", b"\x71\x01", b"\x60\x01", b"\x50\x0e\x91\x07\x91\x3b"])
async def test_each_word_for_too_long_is_understood(virtual: VirtualClock, refusal: bytes) -> None:
    async with reading(virtual) as (device, ahu):
        device.refuse = lambda wanted: refusal if len(wanted) > 20 else None
        assert good(await ahu.cycle()) == 100
        assert ahu.reader.learnt.room < 1464
        assert not ahu.reader.learnt.alone


async def test_without_multiple_reads_a_device_is_read_point_by_point_for_a_week(
    virtual: VirtualClock,
) -> None:
    async with reading(virtual, points=5) as (device, ahu):
        device.knows_many = False
        assert good(await ahu.cycle()) == 5
        device.asked.clear()
        assert good(await ahu.cycle()) == 5
        assert all(len(one) == 1 for one in device.asked)
        assert len(device.asked) == 10  # value and flags; reliability only when they tell of a fault
        device.knows_many = True
        await virtual.sleep(8 * 86400)
        device.asked.clear()
        assert good(await ahu.cycle()) == 5
        assert max(len(one) for one in device.asked) == 15


async def test_without_multiple_reads_a_fault_has_its_reason_too(
    virtual: VirtualClock,
) -> None:
    async with reading(virtual, points=2) as (device, ahu):
        device.knows_many = False
        device.values[0, 1, FLAGS] = b"\x82\x04\x40"
        device.values[0, 1, RELIABILITY] = b"\x91\x01"
        samples = await ahu.cycle()
        assert samples["analog-input,0"].value == 20
        assert (samples["analog-input,1"].value, samples["analog-input,1"].why) == (None, "no_sensor")


async def test_one_bad_point_never_costs_the_others(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        spoiler = (0, 42, PRESENT_VALUE)
        device.refuse = lambda wanted: b"\x71\x00" if spoiler in wanted else None
        samples = await ahu.cycle()
        assert good(samples) == 99
        assert samples["analog-input,42"].why == "refused"
        assert ahu.reader.learnt.alone == 1
        device.asked.clear()
        assert good(await ahu.cycle()) == 99
        assert len(device.asked) <= 5


async def test_unknown_objects_and_classes_cost_nothing(virtual: VirtualClock) -> None:
    names = [*inputs(100), "analog-input,9999", "63,1", "900,3"]
    async with reading(virtual, names) as (_, ahu):
        samples = await ahu.cycle()
        assert good(samples) == 100
        assert {samples[name].why for name in names[100:]} == {"unknown_object"}


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"\x00", "not_available"),  # null
        (b"\x75\x04\x00abc", "wrong_type"),  # a text
        (b"\xc4\x00\x00\x00\x01", "wrong_type"),  # an object's name
        (real(1) + real(2), "wrong_type"),  # a list
        (b"", "wrong_type"),  # an empty one
        (b"\x0c\x00\x00\x00\x01", "wrong_type"),  # parts
        (real(float("nan")), "not_finite"),
        (real(float("inf")), "not_finite"),
        (b"\xf4\x22abcd", "wrong_type"),  # a type that does not exist
        (b"\x43\x01\x02\x03", "wrong_type"),  # a number of three bytes
    ],
)
async def test_what_is_no_number_is_never_one(virtual: VirtualClock, value: bytes, why: str) -> None:
    async with reading(virtual, points=3) as (device, ahu):
        device.values[0, 1, PRESENT_VALUE] = value
        samples = await ahu.cycle()
        odd = samples["analog-input,1"]
        assert (odd.value, odd.quality, odd.why) == (None, Quality.BAD, why)
        assert good(samples) == 2


async def test_numbers_of_each_type_are_read(virtual: VirtualClock) -> None:
    kinds = {
        0: (real(-1.5), -1.5),
        1: (b"\x55\x08" + struct.pack(">d", 1e12), 1e12),
        2: (b"\x21\xff", 255),
        3: (b"\x31\xff", -1),
        4: (b"\x91\x01", 1),
        5: (b"\x11", 1),
        6: (b"\x10", 0),
        7: (b"\x25\x08" + (2**40).to_bytes(8, "big"), 2**40),
    }
    async with reading(virtual, points=8) as (device, ahu):
        for number, (value, _) in kinds.items():
            device.values[0, number, PRESENT_VALUE] = value
        samples = await ahu.cycle()
        assert {int(name.partition(",")[2]): one.value for name, one in samples.items()} == {
            number: value for number, (_, value) in kinds.items()
        }


@pytest.mark.parametrize(
    ("flags", "reliability", "quality", "why"),
    [
        (b"\x82\x04\x00", b"\x91\x00", Quality.GOOD, ""),
        (b"\x82\x04\x80", b"\x91\x00", Quality.GOOD, "in_alarm"),
        (b"\x82\x04\x40", b"\x91\x00", Quality.BAD, "fault"),
        (b"\x82\x04\xc0", b"\x91\x0c", Quality.BAD, "communication_failure"),
        (b"\x82\x04\x00", b"\x91\x02", Quality.BAD, "over_range"),
        (b"\x82\x04\x20", b"\x91\x00", Quality.UNCERTAIN, "overridden"),
        (b"\x82\x04\x10", b"\x91\x00", Quality.UNCERTAIN, "out_of_service"),
        (b"\x82\x04\x50", b"\x91\x01", Quality.BAD, "no_sensor"),
        (b"\x00", b"\x00", Quality.GOOD, ""),
    ],
)
async def test_what_a_device_says_of_its_value_decides_how_far_it_is_trusted(
    virtual: VirtualClock, flags: bytes, reliability: bytes, quality: Quality, why: str
) -> None:
    async with reading(virtual, points=1) as (device, ahu):
        device.values[0, 0, FLAGS], device.values[0, 0, RELIABILITY] = flags, reliability
        sample = (await ahu.cycle())["analog-input,0"]
        assert (sample.quality, sample.why) == (quality, why)
        assert (sample.value is None) == (quality is Quality.BAD)


async def test_what_an_object_says_of_its_value_does_not_spoil_its_limits(virtual: VirtualClock) -> None:
    async with reading(virtual, points=1) as (device, ahu):
        device.values[0, 0, FLAGS] = b"\x82\x04\x40"
        device.values[0, 0, 45] = real(30)
        limit = BacnetPoint(object="analog-input,0", property="high-limit")
        settings = BacnetDevice(name="ahu-1", address=device.address, points={"limit": limit})
        reader = Reader(settings, ahu.ours, Finder(ahu.ours, virtual, TIMEOUT), virtual)
        told: list[Outcome] = []
        await reader.cycle(told.extend, ["limit"])
        assert reader.sample(told[0]).value == 30
        assert [one[2] for one in device.asked[-1]] == [45]


async def test_properties_that_an_object_lacks_are_not_asked_for_again(virtual: VirtualClock) -> None:
    async with reading(virtual, points=10) as (device, ahu):
        for number in range(10):
            del device.values[0, number, RELIABILITY]
        assert good(await ahu.cycle()) == 10
        device.asked.clear()
        assert good(await ahu.cycle()) == 10
        assert {one[2] for one in device.asked[0]} == {PRESENT_VALUE, FLAGS}


async def test_a_device_that_refuses_all_for_one_missing_property_is_asked_for_less(
    virtual: VirtualClock,
) -> None:
    async with reading(virtual) as (device, ahu):
        unknown = b"\x50\x0e\x91\x02\x91\x20"
        device.refuse = lambda wanted: unknown if any(one[2] == RELIABILITY for one in wanted) else None
        assert good(await ahu.cycle()) == 100
        device.asked.clear()
        assert good(await ahu.cycle()) == 100
        assert len(device.asked) <= 2
        assert not ahu.reader.learnt.alone
        assert {one[2] for one in device.asked[0]} == {PRESENT_VALUE, FLAGS}


async def test_a_silent_device_costs_its_time_out_and_is_asked_more_rarely(
    virtual: VirtualClock,
) -> None:
    async with reading(virtual) as (device, ahu):
        assert good(await ahu.cycle()) == 100
        device.mute = True
        for _ in range(2):
            began = virtual.boot()
            assert {sample.why for sample in (await ahu.cycle()).values()} == {"no_reply"}
            assert virtual.boot() - began == pytest.approx(2 * TIMEOUT)
        device.asked.clear()
        began = virtual.boot()
        while virtual.boot() < began + 120:
            await ahu.cycle()
            await virtual.sleep(1)
        assert 5 <= len(device.asked) <= 16
        device.mute = False
        await virtual.sleep(31)
        assert good(await ahu.cycle()) == 100


async def test_silences_that_answers_part_do_not_add_up(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        for mute in (False, True, False, True, False, True, False):
            device.mute = mute
            await ahu.cycle()
            assert not ahu.reader.breaker.open


async def test_a_busy_device_is_not_hammered(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        await ahu.cycle()
        device.asked.clear()
        device.refuse = lambda _: b"\x50\x0e\x91\x00\x91\x03"
        assert {sample.why for sample in (await ahu.cycle()).values()} == {"refused"}
        assert len(device.asked) == 2
        device.refuse = lambda _: None
        assert good(await ahu.cycle()) == 100


async def test_an_answer_that_ends_in_the_middle_is_no_answer(virtual: VirtualClock) -> None:
    async with reading(virtual, points=8) as (device, ahu):
        device.change = lambda reply: [reply[:-4]] if reply[2:3] == b"\x0e" else [reply]
        assert good(await ahu.cycle()) == 8  # by single reads
        assert ahu.ours.counts(device.peer).garbled >= 1


async def test_a_stranger_at_the_address_is_not_read(virtual: VirtualClock) -> None:
    async with reading(virtual, points=2) as (device, ahu):
        device.instance = 1012
        del device.values[8, 1011, MAX_APDU]
        device.values[8, 4194303, 75] = b"\xc4\x02\x00\x03\xf4"
        assert {sample.why for sample in (await ahu.cycle()).values()} == {"wrong_device"}
        assert ahu.reader.trouble == f"at {device.address} is device 1012, not 1011"


async def test_at_most_two_requests_are_under_way_to_a_device(virtual: VirtualClock) -> None:
    async with reading(virtual) as (device, ahu):
        device.delay = 0.01
        await asyncio.gather(*(ahu.ours.who_is(at=device.peer) for _ in range(3)))
        reads = (ahu.ours.read(device.peer, ref(f"{name} present-value")) for name in inputs(100) * 2)
        await asyncio.gather(*reads)
        assert device.most_pending == 2


async def test_a_silent_device_is_asked_at_once_when_it_says_who_it_is(virtual: VirtualClock) -> None:
    async with reading(virtual, points=10) as (device, ahu):
        device.mute = True
        for _ in range(6):
            await ahu.cycle()
        asked = len(device.asked)
        await ahu.cycle()
        assert len(device.asked) == asked, "it is left in peace"
        device.mute = False
        device.instance += 1
        device.send(device.i_am(), ahu.ours.address.place)
        await virtual.sleep(0.1)
        assert good(await ahu.cycle()) == 0, "another device is no sign of this one"
        device.instance -= 1
        device.send(device.i_am(), ahu.ours.address.place)
        await virtual.sleep(0.1)
        assert good(await ahu.cycle()) == 10


async def test_an_object_that_the_device_does_not_know_is_not_asked_for_at_each_poll(
    virtual: VirtualClock,
) -> None:
    async with reading(virtual, [*inputs(3), "analog-input,400"], points=3) as (device, ahu):
        device.knows_many = False
        samples = await ahu.cycle()
        assert (good(samples), samples["analog-input,400"].why) == (3, "unknown_object")
        device.asked.clear()
        samples = await ahu.cycle()
        assert samples["analog-input,400"].why == "unknown_object"
        assert not any((0, 400, PRESENT_VALUE) in one for one in device.asked)
        assert ahu.reader.learnt.per_request == 1


async def test_where_nothing_that_is_known_is_due_nothing_is_asked(virtual: VirtualClock) -> None:
    async with reading(virtual, ["analog-input,400"], points=0) as (device, ahu):
        device.knows_many = False
        await ahu.cycle()
        device.asked.clear()
        assert (await ahu.cycle())["analog-input,400"].why == "unknown_object"
        assert device.asked == []


async def test_flags_that_cannot_be_read_cost_no_value(virtual: VirtualClock) -> None:
    async with reading(virtual, points=2) as (device, ahu):
        device.knows_many = False
        device.refuse = lambda wanted: b"\x50\x0c\x91\x02\x91\x1b" if wanted[0][2] == FLAGS else None
        assert good(await ahu.cycle()) == 2


async def test_a_device_that_refuses_for_a_missing_property_though_nothing_can_be_left_out(
    virtual: VirtualClock,
) -> None:
    """It is halved as for any other reason, until the value alone is asked for by itself."""
    async with reading(virtual, points=4) as (device, ahu):
        device.refuse = lambda wanted: b"\x50\x0e\x91\x02\x91\x20" if len(wanted) > 1 else None
        assert good(await ahu.cycle()) == 4


async def test_all_points_can_be_told_as_unread(virtual: VirtualClock) -> None:
    async with reading(virtual, points=2) as (_, ahu):
        told = ahu.reader.unread("no_connection")
        assert [(one.value, one.quality, one.why) for one in told] == [
            (None, Quality.BAD, "no_connection")
        ] * 2


def test_a_point_asks_for_its_event_state_if_that_is_wanted() -> None:
    item = Item("a.b", BacnetPoint(object="analog-input,1", event_state=True))
    assert [one.property for one in item.refs] == [PRESENT_VALUE, FLAGS, RELIABILITY, 36]
    plain = Item("a.b", BacnetPoint(object="device,1", property="database-revision"))
    assert len(plain.refs) == 1
    assert not plain.drop(RELIABILITY)
