"""How long a poll of well-known meters holds the line: our plan against the optimum and against fixed rules.

The optimum is found by another way than ours: by trying every division of the address space into requests, as
a shortest path forward. "Gap" merges neighbours while no more than so many registers lie between them; "one
per value" is what most pollers do. The second part lets a link learn a line that it was told nothing right
about, on a simulated line, and compares the plan that it comes to.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from agent.config.load import load
from agent.core.driver import Desk
from drivers.modbus.device import ModbusDevice
from drivers.modbus.figures import Figures
from drivers.modbus.line import rtu_cost
from drivers.modbus.link import Link
from drivers.modbus.plan import TCP, Block, Cost, Span, price
from drivers.modbus.poll import Poller
from drivers.modbus.reader import Reader
from drivers.modbus_tcp import ModbusTcp
from tests.drivers.modbus.bus import Bus
from tests.virtual import VirtualClock, simulate

METERS = (
    "eastron/sdm630",
    "eastron/sdm120",
    "schneider/iem3155",
    "siemens/pac2200",
    "carlo-gavazzi/em24",
    "abb/b23",
)
LINES = {"9600": rtu_cost(9600, "8E1"), "115200": rtu_cost(115_200, "8E1"), "tcp": TCP}
SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[link.room]
driver = "modbus-tcp"
host = "10.0.0.1"
[device.it]
link = "room"
profile = "{profile}"
"""
GAPS = (16, 50)
_BAR = 1.02


def main() -> int:
    """Print a table and the JSON lines; 1 if a plan takes longer than it must."""
    lines, most = [], 0.0
    heads = ("requests", "ms", "optimum", "one per value", "gap 16", "gap 50")
    print(f"{'bus time of a poll':<28}" + "".join(f"{head:>15}" for head in heads))
    for name in METERS:
        device = meter(name)
        for line, cost in LINES.items():
            plan = device.blocks(cost)
            ours = price(plan, cost)
            others = {
                "optimum": _optimum(device, cost),
                "one per value": sum(cost.of(span.table, span.size) for span in _spans(device)),
                **{f"gap {gap}": price(_merged(device, gap), cost) for gap in GAPS},
            }
            ratios = "".join(f"{f'x {other / ours:.2f}':>15}" for other in others.values())
            print(f"{f'{name} at {line}':<28}{len(plan):>15}{ours:>15.1f}{ratios}")
            most = max(most, ours / others["optimum"])
            for other, value in others.items():
                word = "bus" if other == "optimum" else other.replace(" ", "_")
                lines.append(_line(f"modbus_plan.{word}.{name}.{line}", ours, other, ours / value))
    for baud in (9600, 115_200):
        learnt, ideal = simulate(_learn(meter("eastron/sdm630"), baud))
        print(f"{f'learnt at {baud}, told nothing':<43}{learnt:>15.1f}{f'x {ideal / learnt:.2f}':>15}")
        most = max(most, learnt / ideal)
        lines.append(_line(f"modbus_plan.bus.learnt.{baud}", learnt, "optimum", learnt / ideal))
    for one in lines:
        print(json.dumps(one))
    if most > _BAR:
        print(f"a plan takes {most:.3f} times the optimum", file=sys.stderr)
    return 1 if most > _BAR else 0


def _line(name: str, value: float, against: str, ratio: float) -> dict[str, object]:
    return {
        "name": name,
        "value": round(value, 1),
        "unit": "ms",
        "against": against,
        "ratio": round(ratio, 3),
    }


def meter(name: str) -> ModbusDevice:
    """Give a device of the profile *name*, as a site has it."""
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site.toml"
        site.write_text(SITE.format(profile=name), "utf-8")
        (link,) = load(site).links
    assert isinstance(link.driver, ModbusTcp)
    (device,) = link.driver.devices
    assert isinstance(device, ModbusDevice)
    return device


def _spans(device: ModbusDevice) -> list[Span]:
    return sorted(device.span(name, point) for name, point in device.points.items())


def _tables(device: ModbusDevice) -> list[list[Span]]:
    spans = _spans(device)
    return [[one for one in spans if one.table == table] for table in sorted({one.table for one in spans})]


def _optimum(device: ModbusDevice, cost: Cost) -> float:
    """Give the least time: the shortest path through the points of each table."""
    total = 0.0
    for spans in _tables(device):
        limit = device.limits.of(spans[0].table)
        least = [0.0] + [float("inf")] * len(spans)
        for first, span in enumerate(spans):
            for last in range(first, len(spans)):
                size = max(one.end for one in spans[first : last + 1]) - span.start
                if size <= limit:
                    least[last + 1] = min(least[last + 1], least[first] + cost.of(span.table, size))
        total += least[-1]
    return total


def _merged(device: ModbusDevice, gap: int) -> list[Block]:
    """Merge neighbours over gaps of so many registers, up to the device's limit."""
    found: list[Block] = []
    for spans in _tables(device):
        limit = device.limits.of(spans[0].table)
        start, end = spans[0].start, spans[0].end
        for span in spans[1:]:
            if span.start - end > gap or max(end, span.end) - start > limit:
                found.append(Block(span.table, start, end - start, ()))
                start, end = span.start, span.end
            end = max(end, span.end)
        found.append(Block(spans[0].table, start, end - start, ()))
    return found


async def _learn(device: ModbusDevice, baud: int) -> tuple[float, float]:
    """Poll over a simulated line as if it were TCP; give the plan's time in the end, and the least."""
    clock, bus, asked = VirtualClock(), Bus(baud, "8E1"), 0
    async with Link(bus, clock, Figures({}), ceiling=3.0) as link:
        poller = Poller(
            link, [Reader(device, link, clock, timeout=3.0)], lambda _: None, clock=clock, desk=Desk()
        )
        task = asyncio.create_task(poller.run())
        await clock.sleep(1200)
        asked = len(bus.asked)
        await clock.sleep(float(device.every) - 0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    cost = rtu_cost(baud, "8E1")
    cycle: Sequence[float] = [cost.of("input", one.count) for _, one in bus.asked[asked:]]
    return sum(cycle), _optimum(device, cost)


if __name__ == "__main__":
    raise SystemExit(main())
