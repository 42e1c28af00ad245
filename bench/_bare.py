"""The least process that holds the same two connections: pymodbus polls meters, aiomqtt keeps a broker.

`python -m bench._bare METER BROKER [UNITS COUNT]` (ports on loopback) publishes one message, says "ready" and
goes on polling so many units, so many registers each, once a second. It has no configuration, no outbox and
no windows: a floor, not a rival.
"""

from __future__ import annotations

import asyncio
import sys

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient

TOPIC = "bench/bare"


async def main(meter: int, broker: int, units: int = 1, count: int = 76) -> None:
    """Poll until somebody ends this process."""
    link = AsyncModbusTcpClient("127.0.0.1", port=meter)
    await link.connect()
    async with aiomqtt.Client("127.0.0.1", broker, protocol=aiomqtt.ProtocolVersion.V5) as client:
        reply = await link.read_input_registers(0, count=count, device_id=1)
        await client.publish(TOPIC, str(reply.registers).encode(), qos=1)
        print("ready", flush=True)
        while True:
            for unit in range(1, units + 1):
                await link.read_input_registers(0, count=count, device_id=unit)
            await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main(*(int(word) for word in sys.argv[1:])))
