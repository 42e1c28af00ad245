"""An encrypted connection that cannot be made is not made at all: nothing is ever sent in plain text instead.

Brokers on loopback end the handshake at once, answer in plain text, or say nothing that is TLS; the uplink
must raise an error, and every byte it sent must belong to a TLS handshake. A site whose brokers are reached
without encryption over a network says so itself: nothing can enforce it there.
"""

from __future__ import annotations

import asyncio
from typing import Final

from agent.core.errors import UplinkError
from agent.core.plan import Plan
from agent.prove.outcome import Outcome, judged, unenforced
from agent.prove.scene import Scene
from agent.uplink.port import Call

_HANDSHAKE: Final = 0x16
_NAME: Final = "prove"
_PATIENCE: Final = 2.0
_WELCOME: Final = b"\x20\x03\x00\x00\x00"  # what a broker without TLS would answer to a CONNECT
_ANSWERS: Final = {
    "ended the handshake": b"",
    "answered in plain text": _WELCOME,
    "spoke HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def prove(scene: Scene) -> Outcome:
    """Call brokers that do not speak TLS."""
    faults = asyncio.run(_call_all(scene))
    if faults:
        return judged(faults)
    said = f"{len(_ANSWERS)} brokers without TLS were called; none got a word."
    plain = _plain(scene.plan)
    if plain:
        return unenforced(said, f"Reached without encryption, as the policy says: {', '.join(plain)}.")
    return judged((), said)


async def _call_all(scene: Scene) -> list[str]:
    faults = []
    for what, answer in _ANSWERS.items():
        heard, connected = await _call(scene, answer)
        if connected:
            faults.append(f"The uplink took a broker that {what} for an encrypted one.")
        if heard and (heard[0] != _HANDSHAKE or _NAME.encode() in heard):
            faults.append(f"The uplink sent {len(heard)} bytes in plain text to a broker that {what}.")
    return faults


async def _call(scene: Scene, answer: bytes) -> tuple[bytes, bool]:
    """Call a broker that answers *answer*; give what it heard, and whether it was taken for one with TLS."""
    heard = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(65536))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        call = Call(
            host="127.0.0.1",
            port=port,
            tls=True,
            client_id=_NAME,
            username=_NAME,
            password=_NAME,
            patience=_PATIENCE,
        )
        try:
            link = await scene.parts.connect(call)
        except UplinkError:
            return bytes(heard), False
        link.abort()
        return bytes(heard), True


def _plain(plan: Plan) -> list[str]:
    return [one.name for one in plan.recipients if one.tls is None and one.host not in _LOOPBACK]
