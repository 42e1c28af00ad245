"""Subscriptions stay alive, or it is known that they do not; and they are given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from agent.core.clock import SystemClock
from drivers.bacnet.changes import Change, Changes, Wish, process_number
from drivers.bacnet.client import Pace
from drivers.bacnet.names import PRESENT_VALUE
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import IAm, Notice, RefusedError, Route, SilentError, Stack, Subscription
from drivers.bacnet.value import Bits, Fault, ObjectId, Ref
from tests.drivers.bacnet.kit import client
from tests.peers import bacnet
from tests.virtual import VirtualClock

PEER = Peer.parse("10.0.0.7")
AIR, FAN, VALVE = (ObjectId.parse(one) for one in ("analog-input,1", "binary-input,1", "analog-input,2"))
LIFETIME = 600.0
NO_PLACE = Fault("error", 81, 3)
NOT_FOR_CHANGES = Fault("error", 44, 2)


class FakeStack:
    """A device at the seam: takes subscriptions as long as it has places, and forgets them when it starts."""

    def __init__(self, places: int = 99) -> None:
        self.places, self.silent = places, False
        self.unable: set[ObjectId] = set()
        self.refusal: Fault | None = None
        self.speaks = False
        self.increment = 0.5
        self.values: dict[ObjectId, Any] = {AIR: 20.0, FAN: 0, VALVE: 5.0}
        self.table: dict[ObjectId, Subscription] = {}
        self.asked: list[ObjectId] = []
        self.ended: list[ObjectId] = []
        self._hear: Any = None

    async def subscribe(self, peer: Peer, wish: Subscription) -> None:
        assert peer == PEER
        self.asked.append(wish.object)
        if self.speaks:
            self._hear(IAm(PEER, 1011, 1476, segments=False, vendor=1))
        if self.silent:
            raise SilentError("it does not answer")
        if self.refusal is not None:
            raise RefusedError(self.refusal)
        if wish.object in self.unable:
            raise RefusedError(NOT_FOR_CHANGES)
        if wish.object not in self.table and len(self.table) >= self.places:
            raise RefusedError(NO_PLACE)
        self.table[wish.object] = wish
        self.tell(wish.object)

    async def unsubscribe(self, peer: Peer, process: int, monitored: ObjectId) -> None:
        assert (peer, process) == (PEER, process_number("ahu-1"))
        if self.silent:
            raise SilentError("it does not answer")
        if monitored not in self.table:
            raise RefusedError(Fault("error", 79, 5))
        del self.table[monitored]
        self.ended.append(monitored)

    async def read(self, peer: Peer, ref: Ref) -> float:
        assert peer == PEER
        if ref.object == FAN:
            raise RefusedError(Fault("error", 32, 2))
        return self.increment

    def listen(self, hear: Any) -> Any:  # noqa: ANN401
        self._hear = hear
        return lambda: setattr(self, "_hear", None)

    def tell(self, one: ObjectId, value: Any = None) -> None:  # noqa: ANN401
        """Change a value, and say so if somebody subscribed."""
        if value is not None:
            self.values[one] = value
        if (wish := self.table.get(one)) is not None and self._hear is not None:
            known = ((Ref(one, PRESENT_VALUE), self.values[one]),)
            self._hear(Notice(PEER, wish.process, 1011, one, wish.lifetime, known))

    def start_again(self, *, says_so: bool = True) -> None:
        """Forget all subscriptions, as a device does without power."""
        self.table.clear()
        if says_so and self._hear is not None:
            self._hear(IAm(PEER, 1011, 1476, segments=False, vendor=1))


@asynccontextmanager
async def kept(
    stack: FakeStack, clock: VirtualClock, objects: Sequence[ObjectId] = (AIR, FAN, VALVE)
) -> AsyncIterator[tuple[Changes, list[Mapping[ObjectId, Change]]]]:
    told: list[Mapping[ObjectId, Change]] = []
    wish = Wish(name="ahu-1", objects=tuple(objects), lifetime=LIFETIME)
    changes = Changes(wish, stack, clock)  # type: ignore[arg-type]
    task = asyncio.create_task(changes.run(told.append))
    changes.found(PEER, 1011)
    await clock.sleep(1)
    try:
        yield changes, told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_each_object_is_subscribed_to_and_its_first_value_told(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, told):
        assert changes.alive == 3
        assert {one: change.value for part in told for one, change in part.items()} == stack.values
        assert {wish.process for wish in stack.table.values()} == {process_number("ahu-1")}


async def test_a_subscription_is_renewed_at_half_its_life_and_never_dies(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]) as (changes, _):
        for _ in range(100):
            await virtual.sleep(LIFETIME / 5)
            assert changes.covers(AIR)
        assert len(stack.asked) == pytest.approx(100 / 2.5, abs=2)


async def test_no_place_at_the_device_means_polling_and_a_look_now_and_then(virtual: VirtualClock) -> None:
    stack = FakeStack(places=2)
    async with kept(stack, virtual) as (changes, _):
        assert [changes.covers(one) for one in (AIR, FAN, VALVE)] == [True, True, False]
        await virtual.sleep(3600)
        assert stack.asked.count(VALVE) <= 7
        assert changes.tally.turned_away == stack.asked.count(VALVE)
        assert changes.covers(AIR), "a place that is ours is not given up because there is no other"
        stack.places = 3
        await virtual.sleep(700)
        assert changes.covers(VALVE)


async def test_an_object_that_has_no_changes_to_tell_is_left_in_peace_for_a_week(
    virtual: VirtualClock,
) -> None:
    stack = FakeStack()
    stack.unable = {FAN}
    async with kept(stack, virtual) as (changes, _):
        for _ in range(6):
            await virtual.sleep(86400)
            stack.start_again()
        assert stack.asked.count(FAN) == 1
        assert changes.covers(AIR)


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_device_that_starts_again_is_subscribed_to_again(
    virtual: VirtualClock, *, says_so: bool
) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, _):
        for _ in range(20):
            stack.silent = True
            if not says_so:
                changes.silent()
            await virtual.sleep(3)
            stack.silent = False
            stack.start_again(says_so=says_so)
            if not says_so:
                changes.answers()
            await virtual.sleep(2)
            assert len(stack.table) == 3
            assert changes.alive == 3


async def test_who_says_its_name_all_the_time_is_not_asked_all_the_time(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]):
        before = len(stack.asked)
        for _ in range(1000):
            stack._hear(IAm(PEER, 1011, 1476, segments=False, vendor=1))
            await virtual.sleep(0.1)
        assert len(stack.asked) - before <= 55  # 100 seconds


async def test_a_silent_device_covers_nothing_and_is_not_asked(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, _):
        stack.silent = True
        changes.silent()
        assert not changes.covers(AIR)
        asked = len(stack.asked)
        await virtual.sleep(10 * LIFETIME)
        assert len(stack.asked) == asked


async def test_a_renewal_that_fails_is_counted_and_tried_ever_more_rarely(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]) as (changes, _):
        stack.silent = True
        await virtual.sleep(LIFETIME - 10)
        assert changes.tally.lost_renewals > 0
        assert 5 < len(stack.asked) < 12
        await virtual.sleep(20)
        assert not changes.covers(AIR)


async def test_a_change_that_only_a_poll_shows_is_a_lost_notice_and_asked_for_again(
    virtual: VirtualClock,
) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, told):
        stack.table.clear()  # it forgot us without a word
        stack.values |= {FAN: 1, AIR: 20.4, VALVE: 5.0}
        await virtual.sleep(10)
        for one in (FAN, AIR, VALVE):
            changes.polled(one, stack.values[one])
        await virtual.sleep(1)
        assert changes.tally.missed == 1, "less than the increment is no change that would be told"
        assert list(stack.table) == [FAN]
        assert told[-1][FAN].value == 1
        changes.polled(FAN, Fault("error", 31, 1))
        assert changes.tally.missed == 1


async def test_a_poll_that_crosses_a_notice_is_no_loss(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, _):
        stack.tell(FAN, 1)
        changes.polled(FAN, 0)
        assert changes.tally.missed == 0


async def test_of_a_burst_the_latest_value_of_each_object_is_told(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (changes, told):
        before = len(told)
        for number in range(3000):
            stack.tell(AIR, float(number))
            stack.tell(FAN, number % 2)
        await virtual.sleep(1)
        assert len(told) - before == 1
        assert {one: change.value for one, change in told[-1].items()} == {AIR: 2999.0, FAN: 1}
        assert changes.tally.notices >= 6000


async def test_notices_are_told_at_most_four_times_a_second(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual) as (_, told):
        before = len(told)
        for number in range(100):
            stack.tell(AIR, float(number))
            await virtual.sleep(0.05)
        assert 15 <= len(told) - before <= 21


async def test_at_the_end_every_place_is_given_back(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual):
        pass
    assert sorted(stack.ended) == sorted([AIR, FAN, VALVE])
    assert stack.table == {}


async def test_the_end_does_not_wait_for_a_device_that_is_silent(virtual: VirtualClock) -> None:
    stack = FakeStack()
    begun = 0.0
    async with kept(stack, virtual):
        stack.silent = True
        begun = virtual.boot()
    assert virtual.boot() - begun <= 2


async def test_at_another_address_all_is_asked_anew(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]) as (changes, _):
        stack.silent = True
        changes.found(Peer.parse("10.0.0.8"), 1011)
        assert not changes.covers(AIR)
        changes.found(PEER, 1011)
        stack.silent = False
        await virtual.sleep(1)
        assert changes.covers(AIR)


def test_a_device_always_has_the_same_number_which_is_not_that_of_another() -> None:
    assert process_number("ahu-1") == process_number("ahu-1") != process_number("ahu-2")
    assert 0 < process_number("") <= 0x3FFFFF + 1


async def test_changes_of_a_real_device_come_again_after_it_was_killed() -> None:
    told: dict[ObjectId, Change] = {}
    changed = asyncio.Event()
    one = ObjectId.parse("analog-input,1")

    def take(part: Mapping[ObjectId, Change]) -> None:
        told.update(part)
        changed.set()

    with bacnet.rusty(instance=1011, analog_input=3) as device:
        port = device.peer.place[1]
        async with client(Pace(timeout=0.3, retries=0, rate=0)) as ours, asyncio.timeout(20):
            stack: Stack = ours
            changes = Changes(Wish(name="ahu-1", objects=(one,), lifetime=2), stack, SystemClock())
            keeping = asyncio.create_task(changes.run(take))
            changes.found(device.peer, 1011)
            await changed.wait()
            assert told[one].value == pytest.approx(20.1)
            device.kill()  # without power it forgets its subscribers, and says nothing when it is back
            with bacnet.rusty(instance=1011, analog_input=3, port=port) as again:
                again.set("ANALOG_INPUT", 1, 25.5, type="real")
                while told[one].value != 25.5:
                    await changed.wait()
                    changed.clear()
                assert changes.covers(one)
                keeping.cancel()
                with suppress(asyncio.CancelledError):
                    await keeping
                assert not changes.covers(ObjectId.parse("analog-input,2"))


async def test_what_is_not_a_change_for_us_is_no_change(virtual: VirtualClock) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]) as (_, told):
        told.clear()
        ours, value = process_number("ahu-1"), ((Ref(AIR, PRESENT_VALUE), 99.0),)
        elsewhere = Peer.parse("10.0.0.8")
        for notice in (
            Notice(PEER, ours, 1011, AIR, 60, ((Ref(AIR, 111), Bits((False,) * 4)),)),  # flags alone
            Notice(PEER, ours + 1, 1011, AIR, 60, value),
            Notice(elsewhere, ours, 1011, AIR, 60, value),
            Notice(PEER, ours, 1011, VALVE, 60, value),
        ):
            stack._hear(notice)
        stack._hear(Route(PEER, (5,)))
        stack._hear(IAm(elsewhere, 1011, 1476, segments=False, vendor=1))
        await virtual.sleep(5)
    assert told == []
    assert stack.asked == [AIR]


async def test_a_refusal_that_says_nothing_of_places_is_tried_again_after_a_while(
    virtual: VirtualClock,
) -> None:
    stack = FakeStack()
    stack.refusal = Fault("error", 83, 0)
    async with kept(stack, virtual, [AIR]) as (changes, _):
        await virtual.sleep(500)
        assert stack.asked == [AIR]
        stack.refusal = None
        await virtual.sleep(200)
        assert stack.asked == [AIR, AIR]
        assert changes.covers(AIR)
        assert changes.tally.turned_away == 0


async def test_when_all_places_are_taken_the_others_are_not_tried_one_by_one(virtual: VirtualClock) -> None:
    stack = FakeStack(places=1)
    async with kept(stack, virtual) as (changes, _):
        await virtual.sleep(100)
        assert stack.asked == [AIR, FAN]
        assert (changes.alive, changes.tally.turned_away) == (1, 1)


async def test_a_device_that_speaks_while_it_is_silent_to_us_is_asked_again_at_once(
    virtual: VirtualClock,
) -> None:
    stack = FakeStack()
    async with kept(stack, virtual, [AIR]) as (changes, _):
        stack.silent = stack.speaks = True
        await virtual.sleep(LIFETIME / 2 + 1)
        assert stack.asked[:2] == [AIR, AIR]
        stack.silent = False
        stack.speaks = False
        await virtual.sleep(5)
        assert changes.covers(AIR)


async def test_an_object_whose_step_is_unknown_is_not_thought_to_have_lost_a_notice(
    virtual: VirtualClock,
) -> None:
    stack = FakeStack()
    stack.increment = -1.0
    async with kept(stack, virtual, [AIR]) as (changes, _):
        await virtual.sleep(10)
        changes.polled(AIR, 35.0)
        changes.polled(FAN, 1)
        assert changes.tally.missed == 0
