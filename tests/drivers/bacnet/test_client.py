"""Our client against devices that we did not write, and against what a network can do to it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from drivers.bacnet.client import Pace
from drivers.bacnet.frames import Frame
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Heard, IAm, Notice, RefusedError, SilentError, Stack, Subscription
from drivers.bacnet.value import Bits, Fault, ObjectId, Ref
from tests.drivers.bacnet.kit import client, ref
from tests.drivers.bacnet.wire import fake
from tests.peers import bacnet


@pytest.fixture(scope="module")
def device() -> Iterator[bacnet.Device]:
    with bacnet.rusty(instance=1011, analog_input=200) as one:
        yield one


async def test_a_property_is_read(device: bacnet.Device) -> None:
    async with client() as ours:
        stack: Stack = ours
        assert await stack.read(device.peer, ref("analog-input,3 present-value")) == pytest.approx(20.3)
        assert await stack.read(device.peer, ref("analog-input,3 status-flags")) == Bits((False,) * 4)
        assert await stack.read(device.peer, ref("device,1011 object-name")) == "air handler"


async def test_an_array_is_read_whole_or_by_its_elements(device: bacnet.Device) -> None:
    async with client() as ours:
        listed = ref("device,1011 object-list")
        assert await ours.read(device.peer, Ref(listed.object, listed.property, 0)) == 201
        first = await ours.read(device.peer, Ref(listed.object, listed.property, 1))
        whole = await ours.read(device.peer, listed)
        assert isinstance(whole, tuple)
        assert len(whole) == 201
        assert whole[0] == first == ObjectId.parse("device,1011")


async def test_an_answer_in_parts_is_put_together() -> None:
    where = f"127.0.0.2/8:{bacnet.free_port()}"
    with bacnet.bacpypes3(instance=1011, address=where, analog_input=300) as parted:
        async with client() as ours:
            listed = await ours.read(parted.peer, ref("device,1011 object-list"))
            assert isinstance(listed, tuple)
            assert ObjectId.parse("analog-input,299") in listed
            names = [ref(f"analog-input,{number} description") for number in range(60)]
            told = await ours.read_many(parted.peer, names)
            assert len(told) == 60
            assert all(isinstance(one, str) and one.startswith("a long description") for one in told)
            assert await ours.read(parted.peer, ref("analog-input,7 present-value")) == pytest.approx(20.7)


async def test_one_request_reads_many_and_says_which_are_unknown(device: bacnet.Device) -> None:
    async with client() as ours:
        asked = [
            ref("analog-input,1 present-value"),
            ref("63,1 present-value"),
            ref("analog-input,2 description"),
        ]
        good, unknown, text = await ours.read_many(device.peer, asked)
        assert good == pytest.approx(20.1)
        assert unknown == Fault("error", 31, 1)
        assert text == ""


async def test_a_refusal_is_an_ordinary_exception_that_names_its_reason(device: bacnet.Device) -> None:
    async with client() as ours:
        with pytest.raises(RefusedError, match="unknown-object") as refused:
            await ours.read(device.peer, ref("analog-input,9999 present-value"))
        assert isinstance(refused.value, Exception)
        assert ours.counts(device.peer).errors == 1


async def test_a_device_says_who_it_is_and_reports_changes(device: bacnet.Device) -> None:
    heard: asyncio.Queue[Heard] = asyncio.Queue()
    async with client() as ours, asyncio.timeout(5):
        ours.listen(heard.put_nowait)
        await ours.who_is(1011, 1011, at=device.peer)
        assert await heard.get() == IAm(device.peer, 1011, 1476, segments=False, vendor=555)
        await ours.subscribe(
            device.peer, Subscription(7, ObjectId.parse("analog-input,5"), 60, confirmed=True)
        )
        first = await heard.get()
        assert isinstance(first, Notice)
        assert (first.process, first.values[0][1]) == (7, 20.5)
        device.set("ANALOG_INPUT", 5, 31.5, type="real")
        second = await heard.get()
        assert isinstance(second, Notice)
        assert second.values[0] == (ref("analog-input,5 present-value"), 31.5)
        await ours.unsubscribe(device.peer, 7, ObjectId.parse("analog-input,5"))


async def test_a_number_that_still_waits_for_its_answer_is_given_to_no_other_question() -> None:
    slow, quick = ref("analog-input,99 present-value"), ref("analog-input,1 present-value")
    async with fake() as device, client(Pace(timeout=20, retries=0, rate=0)) as ours:
        held, asked = list[bytes](), asyncio.Event()

        def change(reply: bytes) -> list[bytes]:
            if b"\x0c\x00\x00\x00\x63" not in reply:
                return [reply]
            held.append(reply)
            asked.set()
            return []

        device.change = change
        waiting = asyncio.create_task(ours.read(device.peer, slow))
        await asked.wait()
        for _ in range(300):  # more than there are numbers
            assert await ours.read(device.peer, quick) == 21
        ours._take(Frame(device.peer, device.peer, True, -1, held[0]))
        assert await waiting == 119


async def test_a_question_that_no_message_holds_is_not_sent() -> None:
    async with fake() as device, client() as ours:
        with pytest.raises(RefusedError, match="apdu-too-long"):
            await ours.read_many(device.peer, [ref(f"analog-input,{n} present-value") for n in range(200)])
        assert device.asked == []
        assert ours.counts(device.peer).aborts == 1


async def test_of_a_subscription_that_came_to_nothing_nothing_is_heard() -> None:
    nobody = Peer.parse("127.0.0.1:9")
    async with client(Pace(timeout=0.05, retries=0, rate=0)) as ours:
        with pytest.raises(SilentError):
            await ours.subscribe(nobody, Subscription(7, ObjectId(0, 1), 60))
        assert not ours._subscribed


async def test_a_subscription_that_cannot_be_renewed_is_still_heard_until_it_ends() -> None:
    wish = Subscription(7, ObjectId(0, 1), 60)
    async with fake() as device, client(Pace(timeout=0.05, retries=0, rate=0)) as ours:
        await ours.subscribe(device.peer, wish)
        await ours.subscribe(device.peer, wish)
        device.transport.close()
        await asyncio.sleep(0)
        with pytest.raises(SilentError):
            await ours.subscribe(device.peer, wish)
        assert (device.peer, 7, ObjectId(0, 1)) in ours._subscribed
