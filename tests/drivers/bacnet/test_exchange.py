"""Answers in parts: in order, out of order, twice, and without end."""

from __future__ import annotations

import asyncio

import pytest

from drivers.bacnet.apdu import Confirmed
from drivers.bacnet.exchange import Exchange
from drivers.bacnet.value import Fault

MANY = Confirmed.READ_PROPERTY_MULTIPLE


def part(number: int, data: bytes, *, more: bool = True, window: int = 4) -> bytes:
    return bytes((0x3C if more else 0x38, 5, number & 0xFF, window, MANY)) + data


def exchange() -> Exchange:
    return Exchange(MANY)


async def outcome(one: Exchange) -> bytes | Fault | None:
    async with asyncio.timeout(0):
        return await one.done


async def test_parts_are_put_together_and_acknowledged_by_windows() -> None:
    one = exchange()
    replies = [one.feed(part(number, bytes((number,)), more=number < 9)) for number in range(10)]
    assert await outcome(one) == bytes(range(10))
    # the first at once, then every fourth, then the last
    assert [number for number, reply in enumerate(replies) if reply] == [0, 4, 8, 9]
    assert replies[9] == b"\x40\x05\x09\x04"


async def test_a_part_that_is_missing_is_asked_for() -> None:
    one = exchange()
    one.feed(part(0, b"a"))
    one.feed(part(1, b"b"))
    assert one.feed(part(3, b"d")) == b"\x42\x05\x01\x04"
    one.feed(part(2, b"c"))
    one.feed(part(3, b"d", more=False))
    assert await outcome(one) == b"abcd"


async def test_a_part_that_comes_twice_counts_once() -> None:
    one = exchange()
    one.feed(part(0, b"a"))
    one.feed(part(1, b"b"))
    assert one.feed(part(1, b"b")) == b"\x40\x05\x01\x04"
    assert one.feed(part(0, b"a")) == b"\x40\x05\x01\x04"
    one.feed(part(2, b"c", more=False))
    assert await outcome(one) == b"abc"


async def test_an_answer_without_end_is_given_up() -> None:
    one = exchange()
    for number in range(300):
        one.feed(part(number, b"x"))
    assert await outcome(one) == Fault("abort", 11)


async def test_an_answer_that_begins_in_the_middle_is_none() -> None:
    one = exchange()
    assert one.feed(part(3, b"x")) is None
    assert not one.done.done()


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"\x20\x05\x0e", b""),
        (b"\x30\x05\x0eabc", b"abc"),
        (b"\x50\x05\x0e\x91\x02\x91\x20", Fault("error", 32, 2)),
        (b"\x50\x05\x0e\x0e\x91\x02\x91\x20\x0f", Fault("error", 32, 2)),
        (b"\x50\x05\x0e\xff", Fault("garbled")),
        (b"\x60\x05\x09", Fault("reject", 9)),
        (b"\x71\x05\x04", Fault("abort", 4)),
    ],
)
async def test_each_kind_of_answer_ends_it(message: bytes, found: bytes | Fault) -> None:
    one = exchange()
    assert one.feed(message) is None
    assert await outcome(one) == found
    assert one.feed(b"\x60\x05\x01") is None  # too late


@pytest.mark.parametrize(
    "message", [b"\x30\x05\x0cabc", b"\x20\x05\x0f", b"\x70\x05\x04", b"\x40\x05\x00", b"\x30"]
)
async def test_what_belongs_to_another_request_does_not(message: bytes) -> None:
    one = exchange()
    assert one.feed(message) is None
    assert not one.done.done()


async def test_a_part_before_the_first_is_not_taken_and_what_is_over_stays_as_it_is() -> None:
    one = exchange()
    assert one.feed(part(3, b"d")) is None
    assert one.feed(b"\x30\x05") is None
    assert one.feed(part(0, b"a")[:4]) is None
    assert one.feed(part(0, b"a")[:4] + bytes((Confirmed.READ_PROPERTY,)) + b"a") is None
    assert one.progress == 0
    one.feed(part(0, b"a", more=False))
    one.give_up()
    assert await outcome(one) == b"a"
