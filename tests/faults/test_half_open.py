"""A link that swallows every byte without closing: found by the silence, nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from agent.uplink.timing import Timing
from tests.agent.uplink.kit import QUICK, Rig, subscribed
from tests.peers.mosquitto import mosquitto
from tests.peers.proxy import proxy


@pytest.mark.parametrize("mode", ["hole", "cut", "slow"])
async def test_a_broken_link_loses_nothing(tmp_path: Path, mode: str) -> None:
    with mosquitto(tmp_path) as broker:
        async with proxy(broker.port) as link, subscribed(broker.port) as city:
            rig = Rig(link.port, timing=QUICK)
            async with rig.running():
                rig.put(20)
                await rig.until(lambda: len(rig.feed.done) == 20)
                link.set(mode)  # type: ignore[arg-type]  # the parameter is one of its words
                rig.put(60)
                if mode != "slow":
                    await rig.until(lambda: len(rig.errors) >= 1)
                    assert len(rig.feed.left) == 60
                    link.set("ok")
                await rig.until(lambda: len(rig.feed.done) == 80)
                await rig.until(lambda: len(set(city.ids())) == 80)
    assert set(city.ids()) == {f"gw1/7/energy/{seq}" for seq in range(1, 81)}


@pytest.mark.long
async def test_with_product_settings_a_silent_loss_is_found_within_twenty_seconds(tmp_path: Path) -> None:
    """Sixty seconds of a hole, with one message each second, as peers were measured."""
    with mosquitto(tmp_path) as broker:
        async with proxy(broker.port) as link, subscribed(broker.port) as city:
            rig = Rig(link.port, timing=Timing(), but={"rate": 50.0})
            async with rig.running():
                produced = asyncio.ensure_future(_produce(rig, 90))
                await rig.until(lambda: len(rig.feed.done) >= 5)
                link.set("hole")
                begun = time.monotonic()
                await rig.until(lambda: len(rig.errors) >= 1, patience=30.0)
                assert time.monotonic() - begun <= 20.0
                await asyncio.sleep(60.0 - (time.monotonic() - begun))
                link.set("ok")
                await produced
                await rig.until(lambda: len(rig.feed.done) == 90, patience=60.0)
                await rig.until(lambda: len(set(city.ids())) == 90)
    doubled = [name for name, count in Counter(city.ids()).items() if count > 1]
    assert set(city.ids()) == {f"gw1/7/energy/{seq}" for seq in range(1, 91)}
    assert len(doubled) <= 20, "more than one window came twice; the ids let the city drop them"


async def _produce(rig: Rig, count: int) -> None:
    for _ in range(count):
        rig.put(1)
        await asyncio.sleep(1.0)
