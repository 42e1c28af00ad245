"""What breaks in a soak: one thing after the other, drawn by a seed, each mended before the next."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from tests.soak.site import Scene

Trouble = Callable[[Scene, float], Awaitable[None]]


async def meter_silent(scene: Scene, seconds: float) -> None:
    """Swallow all bytes between gateway and meter."""
    scene.meter_way.set("hole")
    await asyncio.sleep(seconds)
    scene.meter_way.set("ok")


async def meter_reset(scene: Scene, seconds: float) -> None:
    """Reset the meter's connection and refuse another."""
    scene.meter_way.set("cut")
    await asyncio.sleep(seconds)
    scene.meter_way.set("ok")


async def meter_late(scene: Scene, seconds: float) -> None:
    """Let the meter answer late."""
    scene.meter_way.delay = 1.5
    scene.meter_way.set("slow")
    await asyncio.sleep(seconds)
    scene.meter_way.set("ok")


async def meter_garbage(scene: Scene, seconds: float) -> None:
    """Let the meter answer nonsense."""
    scene.meter_way.set("garbage")
    await asyncio.sleep(seconds)
    scene.meter_way.set("ok")


async def air_frozen(scene: Scene, seconds: float) -> None:
    """Let the air handler stand still."""
    scene.air.freeze(still=True)
    await asyncio.sleep(seconds)
    scene.air.freeze(still=False)


async def air_anew(scene: Scene, _seconds: float) -> None:
    """Kill the air handler and start it again."""
    await asyncio.to_thread(scene.air.again)


async def broker_dead(scene: Scene, seconds: float) -> None:
    """Kill the broker."""
    await asyncio.to_thread(scene.broker.kill)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(scene.broker.start)


async def broker_reset(scene: Scene, seconds: float) -> None:
    """Reset the way to the broker and refuse connections."""
    scene.broker_way.set("cut")
    await asyncio.sleep(seconds)
    scene.broker_way.set("ok")


async def broker_silent(scene: Scene, seconds: float) -> None:
    """Swallow all bytes between gateway and broker."""
    scene.broker_way.set("hole")
    await asyncio.sleep(seconds)
    scene.broker_way.set("ok")


async def reload(scene: Scene, _seconds: float) -> None:
    """Read the devices at another beat from now on."""
    scene.change_beat()
    scene.daemon.reload()
    await asyncio.sleep(2)


async def bad_reload(scene: Scene, seconds: float) -> None:
    """Reload a configuration with a fault, and mend it after a while."""
    fault = scene.config / "fault.toml"
    fault.write_text("[link.nobody]\n", "utf-8")
    scene.daemon.reload()
    await asyncio.sleep(seconds)
    fault.unlink()
    scene.daemon.reload()
    await asyncio.sleep(2)


async def disk_full(scene: Scene, seconds: float) -> None:
    """Fill the disk under the outbox to the last byte."""
    if scene.disk is None:
        return
    filler = await asyncio.to_thread(scene.disk.fill)
    await asyncio.sleep(seconds)
    filler.unlink()


async def vision_killed(scene: Scene, _seconds: float) -> None:
    """Kill the process that looks at pictures."""
    for one in scene.vision():
        os.kill(one, signal.SIGKILL)


async def rude_visitors(scene: Scene, seconds: float) -> None:
    """Connect to the control socket many times, and say nothing or nonsense."""
    lines = []
    for number in range(40):
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        lines.append(line)
        try:
            line.connect(str(scene.daemon.socket))
            line.sendall(b"{" * number)
        except OSError:
            continue
    await asyncio.sleep(min(seconds, 10))
    for line in lines:
        line.close()


TROUBLES: Final[tuple[Trouble, ...]] = (
    *(meter_silent, meter_reset, meter_late, meter_garbage, air_frozen, air_anew),
    *(broker_dead, broker_reset, broker_silent, reload, bad_reload, disk_full, vision_killed, rude_visitors),
)


async def killed(scene: Scene) -> None:
    """Kill the gateway and start it again, as its service manager does."""
    await asyncio.to_thread(scene.daemon.kill)
    scene.daemon.start()


async def restarted(scene: Scene) -> None:
    """Stop the gateway in order and start it again."""
    status = await asyncio.to_thread(scene.daemon.stop)
    assert status == 0, f"the gateway ended with {status}"
    scene.daemon.start()
