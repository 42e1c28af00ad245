"""Opens a WebSocket to a broker, and closes it again: to see whether that far the way is open."""

from __future__ import annotations

import asyncio

from agent.core.errors import UplinkError
from agent.uplink.dial import dial
from agent.uplink.port import Call
from agent.uplink.websocket.stream import WebSocketStream


async def knock(call: Call) -> None:
    """Come as far as the server's agreement; raise UplinkError with what it says instead."""
    opened, wants = await dial(call)
    where = f"{call.host}:{call.port}"
    agreed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def end(trouble: str) -> None:
        if not agreed.done():
            agreed.set_result(trouble)

    stream = WebSocketStream(
        opened,
        wants,
        call,
        hear=lambda _: None,
        ended=lambda _: end(f"{where} closed the connection instead of answering"),
        broken=end,
    )
    stream.agreed = lambda: end("")
    try:
        async with asyncio.timeout(call.patience):
            trouble = await agreed
    except TimeoutError as error:
        raise UplinkError(f"{where} did not answer the request within {call.patience:g} s") from error
    finally:
        stream.close()
    if trouble:
        raise UplinkError(trouble)
