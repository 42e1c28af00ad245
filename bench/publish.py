"""CPU per published batch: gate, encoding, outbox, uplink, against bare aiomqtt sending the same bytes.

A batch is 40 points of one product, as a building sends it once a minute. Ours hashes it into the ledger,
commits it to disk, and believes only the broker's answer; bare aiomqtt awaits its publish and keeps nothing.
Both talk to the same broker in one run, alternating; the smallest of the rounds counts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import aiomqtt

from agent.core.clock import SystemClock
from agent.core.message import Head, Place
from agent.core.plan import OutboxPlan, Plan, Recipient
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate
from agent.demo.broker import free_port
from agent.encodings.native import Native
from agent.gate import Gate
from agent.outbox.outbox import Outbox
from agent.uplink.desk import UplinkDesk
from agent.uplink.uplink import Uplink
from bench._report import Figure, show
from bench._site import start

BATCHES, ROUNDS, POINTS = 600, 3, 40
PLACE = Place(city="vaasa", site="library", gateway="gw1")


def main() -> None:
    """Print both figures and their ratio."""
    with tempfile.TemporaryDirectory(prefix="citygate-bench-") as name, ExitStack() as stack:
        room, port = Path(name), free_port()
        start(stack, "agent.demo.broker", "--port", str(port), "--settings", str(room / "broker.toml"))
        asyncio.run(_wait_for(port))
        bare, ours = [], []
        for number in range(ROUNDS):
            bare.append(asyncio.run(_bare(port)))
            folder = room / str(number)
            folder.mkdir()
            ours.append(asyncio.run(_ours(port, folder)))
    what = "CPU per batch of 40 points, from the gate to acknowledged and on disk"
    figure = Figure(
        name="publish.batch_cpu", what=what, value=min(ours), unit="us", against="bare aiomqtt, QoS 1",
        floor=min(bare),
    )  # fmt: skip
    show([figure])


async def _bare(port: int) -> float:
    """Publish as aiomqtt's own examples do; give CPU microseconds per message."""
    plan = _plan(port)
    (message,) = Native(PLACE).batch(plan.products[0], Head(epoch=1, seq=1, policy=plan.policy), _records(0))
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        begin = time.process_time()
        for _ in range(BATCHES):
            await client.publish(message.topic, message.body, qos=1)
        return (time.process_time() - begin) / BATCHES * 1e6


async def _ours(port: int, folder: Path) -> float:
    """Send through the product's own way; give CPU microseconds per batch, from gate to acknowledgement."""
    plan, clock, encoding = _plan(port), SystemClock(), Native(PLACE)
    outbox = await Outbox.open(folder, cap=plan.outbox.cap, keep=plan.outbox.keep, clock=clock)
    outbox.configure(plan, {"city": encoding})
    desk = UplinkDesk(
        clock=clock,
        state=lambda: "online",
        queue=lambda: outbox.queue("city"),
        software="bench",
        gateway="gw1",
    )
    uplink = Uplink(plan.recipients[0], encoding, outbox.feed("city"), desk)
    uplink.configure(plan.products, plan.routes, plan.policy, outbox.lid, outbox.epoch)
    gate = Gate(plan.products, plan.routes, ZoneInfo("UTC"))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outbox.run()), group.create_task(uplink.run())]
        await outbox.flush()
        await _until(lambda: uplink.connected and outbox.queue("city").n == 0)
        begin = time.process_time()
        for number in range(BATCHES):
            for cleared in gate.clear("energy", _records(number), clock.now()):
                outbox.put(cleared)
        await outbox.flush()
        await _until(lambda: outbox.queue("city").n == 0)
        took = time.process_time() - begin
        for task in tasks:
            task.cancel()
    await outbox.close()
    return took / BATCHES * 1e6


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is measured must not be bent to be watched
            await asyncio.sleep(0.01)


async def _wait_for(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5):
                    return
            except aiomqtt.MqttError:
                await asyncio.sleep(0.05)


def _plan(port: int) -> Plan:
    points = tuple(
        Point(name=f"ahu{n // 8}.temperature_{n}", unit="Cel", resolution=0.01) for n in range(POINTS)
    )
    product = Product(
        id="energy",
        points=points,
        published=points,
        steps=(),
        window=60.0,
        span="1m",
        statistics=("mean", "min", "max"),
    )
    route = Route(
        recipient="city",
        product="energy",
        grant="g",
        purpose="operations",
        basis="public-task",
        keep=864000.0,
    )
    return Plan(
        place=PLACE,
        timezone="UTC",
        links=(),
        products=(product,),
        recipients=(
            Recipient(name="city", host="127.0.0.1", port=port, rate=0.0, on_no_subscriber="deliver"),
        ),
        grants=(),
        routes=(route,),
        policy="0123456789ab",
        outbox=OutboxPlan(cap=64_000_000),
    )


def _records(number: int) -> list[Aggregate]:
    begin = 1795291200.0 + 60 * number
    return [
        Aggregate(f"ahu{n // 8}.temperature_{n}", begin, 60.0, 12, (21.62 + n, 19.15 + n, 25.65 + n))
        for n in range(POINTS)
    ]


if __name__ == "__main__":
    main()
