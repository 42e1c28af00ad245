"""After an outage the newest value shows, on platforms that show what came last: real outbox, real uplink."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.core.plan import Recipient
from agent.registry import encoder, kinds
from tests.agent.encodings.test_states import example, made
from tests.agent.uplink.kit import PLACE, until
from tests.agent.uplink.test_real_outbox import site
from tests.peers.fake_broker import DISCONNECT, Publish, fake_broker
from tests.virtual import VirtualClock

IN_ORDER = [kind for kind in kinds("encoding") if made(kind).late == "in-order"]
STAMP = {"homeassistant": b'"t":"', "fiware": b'"TimeInstant":"', "template": b'"time":"'}
BUSY = 0x97


def windows(messages: list[Publish], kind: str) -> list[bytes]:
    """Give the window starts of figures, in the order in which the platform heard them."""
    sign = STAMP[kind]
    return [one.body.partition(sign)[2][:20] for one in messages if sign in one.body]


def test_every_platform_that_shows_what_came_last_is_tried() -> None:
    assert set(IN_ORDER) == STAMP.keys()


@pytest.mark.parametrize("kind", IN_ORDER)
async def test_an_older_window_never_comes_after_a_newer_one_whatever_the_broker_does(
    virtual: VirtualClock, tmp_path: Path, kind: str
) -> None:
    dice = random.Random(kind)
    angry, silent = True, False

    def answer(message: Publish) -> int | None:
        if silent:
            return None
        return dice.choice([0, 0, 0, 0, BUSY, 0x83, None, DISCONNECT | 0x8B]) if angry else 0

    city = Recipient(name="city", host="b", port=1, encoding=kind, style=example(kind))
    async with (
        fake_broker(answer) as broker,
        site(tmp_path, broker.port, virtual, encoding=encoder(city, PLACE)) as running,
    ):
        for minute in range(60):
            running.window("energy")
            silent = 20 <= minute < 40
            await virtual.sleep(60.0)
        angry = False
        await until(lambda: running.outbox.queue("city").n == 0, 7200.0, step=1.0)
        running.window("energy")
        await until(lambda: len(set(windows(broker.accepted, kind))) == 61, 7200.0, step=1.0)
    heard = windows(broker.published, kind)
    assert heard == sorted(heard)
    assert heard[-1] == max(windows(broker.accepted, kind)), "the newest one shows"
