"""Opens a connection with the client that the recipient names; each is imported only when it is."""

from __future__ import annotations

from agent.core.errors import UplinkError
from agent.uplink.port import Call, TwoWay


async def connect(call: Call) -> TwoWay:
    """Open a connection as *call* says; raise UplinkError with a sentence."""
    if call.client == "aiomqtt":
        if call.websocket:
            raise UplinkError('client = "aiomqtt" knows no WebSocket here; leave it out')
        try:
            from agent.uplink.aiomqtt_client import connect as through
        except ImportError as error:
            text = 'client = "aiomqtt" needs a library that is not here: pip install "citygate[aiomqtt]"'
            raise UplinkError(text) from error
    else:
        from agent.uplink.client import connect as through
    return await through(call)
