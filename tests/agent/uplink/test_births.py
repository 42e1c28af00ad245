"""Births: once where they are retained, once a day where nobody keeps them."""

from __future__ import annotations

import json

from msgspec.structs import replace

from agent.core.point import Point
from agent.encodings.native import Native
from agent.encodings.thingsboard import Thingsboard
from agent.uplink.timing import Timing
from tests.agent.uplink.kit import PLACE, Rig
from tests.peers.fake_broker import fake_broker
from tests.virtual import VirtualClock

HOURLY = Timing(birth=3600.0)  # in the place of a day


async def test_where_nothing_is_retained_the_birth_comes_again_in_time(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual, timing=HOURLY, encoding=Thingsboard(PLACE))
        async with rig.running():
            await virtual.sleep(2.5 * 3600)
    births = [one for one in broker.accepted if one.topic == "v1/gateway/connect"]
    assert len(births) == 3


async def test_where_it_is_retained_it_is_said_once(virtual: VirtualClock) -> None:
    async with fake_broker() as broker:
        rig = Rig(broker.port, clock=virtual, timing=HOURLY, encoding=Native(PLACE))
        async with rig.running():
            await virtual.sleep(2.5 * 3600)
    assert len([one for one in broker.accepted if "/b/" in one.topic]) == 1


async def test_a_birth_that_is_too_large_for_this_broker_is_told_in_parts(virtual: VirtualClock) -> None:
    async with fake_broker(lambda one: 0x95 if len(one.body) > 3000 else 0) as broker:
        rig = Rig(broker.port, clock=virtual)
        points = tuple(Point(name=f"meter.power{number}", unit="kW") for number in range(100))
        rig.products["energy"] = replace(rig.products["energy"], points=points, published=points)
        rig.configure()
        async with rig.running():
            await virtual.sleep(600.0)
    births = [json.loads(one.body) for one in broker.accepted if "/b/" in one.topic]
    assert len(births) > 1
    assert {name for one in births for name in one["points"]} == {one.name for one in points}
    assert sum(len(one.body) > 3000 for one in broker.published) == 1, "it is not tried again as it was"
