"""What is handed over to the disk is done in its order, whoever waits for it."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.core.errors import OutboxError
from agent.outbox.port import Inline, Threaded


async def test_one_thing_is_done_after_the_other_though_nobody_waits_for_it() -> None:
    port, go, done = Threaded(), threading.Event(), list[int]()

    def slow() -> None:
        assert go.wait(10)
        done.append(1)

    first = port.submit(slow)
    second = port.submit(lambda: done.append(2))
    for _ in range(20):  # time for the second, if it were on a thread of its own
        await asyncio.to_thread(len, done)
    first.cancel()
    go.set()
    await second
    assert done == [1, 2]
    port.close()


async def test_without_a_thread_it_is_done_when_it_has_been_handed_over() -> None:
    def fails() -> None:
        raise OutboxError("the disk is full")

    assert Inline().submit(lambda: 7).result() == 7
    with pytest.raises(OutboxError, match="full"):
        Inline().submit(fails).result()
