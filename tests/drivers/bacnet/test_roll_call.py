"""Everybody who is there is found, however many answer at once, and twins are told apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

from agent.core.clock import SystemClock
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.interface import Interface
from drivers.bacnet.peer import Peer
from drivers.bacnet.roll_call import HIGHEST, Attendance, RollCall, ranges
from drivers.bacnet.stack import Notice
from drivers.bacnet.value import ObjectId
from tests.drivers.bacnet.kit import OWN
from tests.drivers.bacnet.stations import Station, town


class Eager(SystemClock):
    """A clock that is in a hurry: what waits for others to speak waits a little, but long enough here."""

    async def sleep(self, seconds: float) -> None:
        """Wait a thirtieth of the time."""
        await super().sleep(seconds / 30)


@asynccontextmanager
async def at_home(port: int) -> AsyncIterator[Client]:
    """Run a client of ours on the town's port, where it hears broadcasts."""
    place = Place(interface=Interface("127.0.0.1", "127.255.255.255"), port=port)
    ours = Client(place, OWN, Pace(timeout=0.3, rate=0), Eager())
    await ours.open()
    try:
        yield ours
    finally:
        await ours.close()


async def called(port: int, low: int = 0, high: int = HIGHEST) -> tuple[Attendance, list[tuple[int, int]]]:
    """Call the roll of a town; give who was there, and what was told of the progress."""
    there, told = Attendance(), []
    async with at_home(port) as ours:
        end = ours.listen(there.note)
        call = RollCall(ours, Eager(), there, settle=1.5)
        await call.everybody(low, high, lambda done, of: told.append((done, of)))
        end()
    return there, told


async def test_a_crowd_that_drowns_out_itself_is_asked_in_smaller_groups() -> None:
    stations = [Station(1000 + n, f"127.0.1.{n}") for n in range(1, 201)]
    async with town(stations, crowd=50) as (made, port):
        there, told = await called(port, 1000, 1999)
    assert sorted(one.instance for one in there.devices.values()) == [one.instance for one in stations]
    assert made.asked[0] == (1000, 1999)
    assert len(made.asked) > 8
    assert told == [(0, 1), (1, 1)]


async def test_never_everybody_is_asked_at_once() -> None:
    async with town([Station(7, "127.0.1.1")]) as (made, port):
        there, told = await called(port)
    assert [one.instance for one in there.devices.values()] == [7]
    assert made.asked == list(ranges(0, HIGHEST))
    assert told[-1] == (15, 15)


async def test_two_devices_with_one_instance_are_both_found_and_named() -> None:
    stations = [Station(1011, "127.0.1.1"), Station(1011, "127.0.1.2"), Station(1012, "127.0.1.3")]
    async with town(stations) as (_, port):
        there, _ = await called(port, 1000, 1099)
    assert len(there.devices) == 3
    assert there.doubles() == {1011: [Peer.at("127.0.1.1", port), Peer.at("127.0.1.2", port)]}


async def test_devices_behind_a_router_are_known_by_network_and_address() -> None:
    stations = [
        Station(1, "127.0.1.1"),
        Station(77, "127.0.1.9", 2001, b"\x0c"),
        Station(77, "127.0.1.9", 2002, b"\x0c"),
    ]
    async with town(stations, router="127.0.1.9") as (_, port):
        there, _ = await called(port, 0, 99)
    router = Peer.at("127.0.1.9", port)
    assert there.networks == {2001: router, 2002: router}
    assert {str(peer) for peer in there.devices} == {f"127.0.1.1:{port}", "2001:12", "2002:12"}
    assert [str(peer) for peer in there.doubles()[77]] == ["2001:12", "2002:12"]


async def test_addresses_are_asked_one_by_one() -> None:
    there, told = Attendance(), []
    async with town([]) as (_, port), at_home(port) as ours:
        ours.listen(there.note)
        peers = [Peer.at("127.0.1.1", port), Peer.at("127.0.1.2", port)]
        await RollCall(ours, Eager(), there, 0.3).single(peers, lambda done, of: told.append((done, of)))
    assert there.devices == {}
    assert told == [(0, 2), (1, 2), (2, 2)]


def test_ranges_cover_every_instance_once() -> None:
    for low, high in ((0, HIGHEST), (150, 1011), (1011, 1011), (5000, 5000)):
        parts = list(ranges(low, high))
        assert parts[0][0] == low
        assert parts[-1][1] == high
        assert all(one[1] + 1 == other[0] for one, other in pairwise(parts))


def test_a_change_of_a_value_is_no_answer_to_the_roll() -> None:
    there = Attendance()
    there.note(Notice(Peer.parse("10.0.0.7"), 1, 7, ObjectId(0, 1), 60, ()))
    assert (there.devices, there.networks, there.answered(0, HIGHEST)) == ({}, {}, [])
