"""Asks a provisioning service which broker is ours, where the encoding's platform has such a service."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from agent.core.clock import Clock
from agent.core.errors import UplinkError
from agent.core.platform import Assigned, Registering, Step
from agent.uplink.port import Call, Connect, Packet

_PATIENCE: Final = 60.0
_MOST: Final = 40  # questions; a service that has not decided by then will not


async def register(registration: Registering, call: Call, connect: Connect, clock: Clock) -> Assigned:
    """Register over the connection that *call* describes; raise UplinkError with what went wrong."""
    link = await connect(replace(call, will=None))
    answers: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
    where = f"{call.host}:{call.port}"
    try:
        await link.listen(registration.topics, lambda heard: answers.put_nowait((heard.topic, heard.body)))
        for _ in range(_MOST):
            message = registration.next()
            link.publish(Packet(topic=message.topic, body=message.body, qos=1))
            answer = await _answer(registration, answers, where)
            if isinstance(answer, Assigned):
                await link.leave()
                return answer
            await clock.sleep(answer.pause)
    except ValueError as error:
        raise UplinkError(f"{where}: {error}") from error
    finally:
        link.abort()
    raise UplinkError(f"{where}: the provisioning service does not come to an end; it is asked again later")


async def _answer(
    registration: Registering, answers: asyncio.Queue[tuple[str, bytes]], where: str
) -> Step | Assigned:
    try:
        async with asyncio.timeout(_PATIENCE):
            while True:
                found = registration.hear(*await answers.get())
                if found is not None:
                    return found
    except TimeoutError as error:
        raise UplinkError(
            f"{where}: the provisioning service did not answer within {_PATIENCE:g} s"
        ) from error
