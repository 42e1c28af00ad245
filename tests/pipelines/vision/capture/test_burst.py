"""Packets wait until a picture is wanted, and never so long that it comes late."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import pytest

from pipelines.vision.capture.burst import Burst


class Packet(NamedTuple):
    """What matters of one: when it comes, and that it is not empty."""

    at: float
    size: int = 1


def camera(gap: float, *, bunched: bool = False) -> Iterator[Packet]:
    """Send a packet each *gap* seconds; *bunched*: every two together."""
    number = 0
    while True:
        yield Packet(gap * (number - number % 2 if bunched else number))
        number += 1


def decoded(packets: Iterator[Packet], step: float, *, alone: bool = False) -> list[list[Packet]]:
    """Give what is decoded together, for somebody who wants a picture each *step* seconds."""
    burst: Burst[Packet] = Burst(alone=alone)
    bursts, due = [], 0.0
    for packet in packets:
        ready = list(burst.take(packet, packet.at, due))
        if ready:
            bursts.append(ready)
            if packet.at >= due:  # else it is taken when it is due
                due = max(due + step, packet.at)
        elif packet.at >= due:
            raise AssertionError(f"nothing new was there at {packet.at}")
        while due <= packet.at:
            due += step
    return bursts


@pytest.mark.parametrize("bunched", [False, True])
def test_nobody_waits_for_a_picture_and_each_packet_is_decoded_once(*, bunched: bool) -> None:
    packets = list(islice(camera(0.04, bunched=bunched), 500))
    bursts = decoded(iter(packets), 0.2)
    told = [one for ready in bursts for one in ready]
    assert told == packets[: len(told)]
    assert len(told) > 490
    assert len(bursts) < 260  # the gap is learnt first


def test_a_camera_that_is_as_slow_as_is_wanted_is_decoded_packet_by_packet() -> None:
    """Also if a packet comes a little before it is wanted: the next one would be too late."""
    packets = [Packet(0.2 * number - 0.004 * (number % 2)) for number in range(50)]
    assert [len(ready) for ready in decoded(iter(packets), 0.2)] == [1] * 50


def test_where_no_picture_builds_on_another_only_the_newest_is_decoded() -> None:
    bursts = decoded(islice(camera(0.04), 500), 0.2, alone=True)
    assert {len(ready) for ready in bursts} == {1}
    assert len(bursts) < 260


@pytest.mark.parametrize("alone", [False, True])
def test_nothing_is_held_for_longer_than_a_second(*, alone: bool) -> None:
    burst = learnt(alone=alone)
    later = [Packet(8 + number * 0.04) for number in range(100)]
    assert len([one for one in later if burst.take(one, one.at, 99.0)]) == 3


@pytest.mark.parametrize(("alone", "many"), [(False, 3), (True, 1)])
def test_the_end_of_a_stream_gives_what_is_held(*, alone: bool, many: int) -> None:
    burst, end = learnt(alone=alone), Packet(8.12, size=0)
    held = [Packet(8 + number * 0.04) for number in range(3)]
    assert not any(burst.take(one, one.at, 99.0) for one in held)
    assert burst.take(end, end.at, 99.0) == [*held[-many:], end]


def learnt(*, alone: bool) -> Burst[Packet]:
    """Give one that knows how often packets come."""
    burst: Burst[Packet] = Burst(alone=alone)
    for one in islice(camera(0.04), 200):
        burst.take(one, one.at, 0.0)
    return burst
