"""Tries the way to a broker step by step: name, TLS, WebSocket, welcome, each topic, with an empty message.

It takes nobody's place: its client id is not the gateway's, it leaves no will, and nothing that it sends is
retained.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from agent.core.errors import UplinkError
from agent.uplink.clients import connect
from agent.uplink.dial import dial
from agent.uplink.port import Call, Link, Packet, TwoWay
from agent.uplink.reasons import NO_SUBSCRIBER, meaning

TEST: Final = ("test", "1")
"""The User Property of a message that only tries whether it would be taken."""

_CURES: Final = {
    NO_SUBSCRIBER: "somebody must subscribe; until then data wait here",
    0x87: "let the broker's access list allow it; `citygate policy export` writes that list",
    0x90: "ask the operator which topics the broker takes",
    0x95: "ask the operator for a larger limit",
    0x97: "ask the operator for a larger quota, or set a smaller rate",
}  # fmt: skip
_EXPIRY: Final = 1  # second: nobody who comes later should get it


class Finding(Struct, frozen=True, kw_only=True):
    """What one step found: whether it passes, what it says, and what to do where it does not."""

    step: str
    verdict: Literal["passes", "doubtful", "stops"]
    says: str
    act: str = ""


async def trial(call: Call, topics: Sequence[str], heard: Sequence[str] = ()) -> list[Finding]:
    """Try each step until one stops; *topics* are those that the gateway would publish to.

    *heard* are those on which it would listen.
    """
    call = replace(call, client_id=f"{call.client_id}-test", will=None)
    found: list[Finding] = []
    steps = {"name": _name, "connection": _way, **({"websocket": _web} if call.websocket else {})}
    try:
        for step in steps.values():
            found += [await step(call)]
        link = await connect(call)
    except UplinkError as error:
        name = [*steps, "welcome"][len(found)]
        return [*found, Finding(step=name, verdict="stops", says=str(error), act=_act(name))]
    try:
        found.append(Finding(step="welcome", verdict="passes", says=_welcome(call, link)))
        for topic in topics:
            found.append(await _topic(call, link, topic))
            if link.closed.done():
                break
        found += [await _hearing(link, topic) for topic in heard if not link.closed.done()]
        await link.leave()
    finally:
        link.abort()
    return found


async def _name(call: Call) -> Finding:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(call.host.encode(), call.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        said = getattr(error, "strerror", None) or "it is no name"
        raise UplinkError(
            f'no address is known for "{call.host}" ({said}); check the name, and whether DNS works here'
        ) from error
    addresses = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
    return Finding(step="name", verdict="passes", says=f"{call.host} is {addresses}")


async def _way(call: Call) -> Finding:
    """Open the socket, with TLS if asked, and close it again."""
    opened, _ = await dial(call)
    try:
        version = getattr(opened, "version", None)
        if version is None:
            return Finding(step="connection", verdict="passes", says="a plain connection, without encryption")
        until = _until(opened)
        says = f"{version()}, with a certificate made out to {call.host}{until}"
        return Finding(step="connection", verdict="passes", says=says)
    finally:
        opened.close()


async def _web(call: Call) -> Finding:
    """Have the server agree to WebSocket with MQTT within it, and close it again."""
    # imported here, since nobody else should pay for it
    from agent.uplink.websocket.knock import knock

    await knock(call)
    return Finding(step="websocket", verdict="passes", says=f"{call.websocket} takes MQTT within WebSocket")


def _until(opened: socket.socket) -> str:
    told: dict[str, object] = getattr(opened, "getpeercert", dict)() or {}
    return f", good until {told['notAfter']}" if "notAfter" in told else ""


def _welcome(call: Call, link: Link) -> str:
    said = [f"MQTT {call.version}", f"{link.info.receive_maximum} messages at once"]
    if link.info.maximum_packet is not None:
        said.append(f"{link.info.maximum_packet} bytes at most")
    return ", ".join(said)


async def _topic(call: Call, link: Link, topic: str) -> Finding:
    packet = Packet(topic=topic, body=b"", user=(TEST,), expiry=_EXPIRY)
    answer = link.publish(packet)
    with suppress(ConnectionError):
        await asyncio.wait([answer], timeout=call.patience)
    if not answer.done():
        says = f"no answer within {call.patience:g} s"
        return Finding(step=topic, verdict="stops", says=says, act="ask the operator what holds it up")
    if answer.exception() is not None:
        return Finding(step=topic, verdict="stops", says=link.closed.result().text, act=_act("welcome"))
    return judged(topic, answer.result(), telling=call.version == "5")


async def _hearing(link: TwoWay, topic: str) -> Finding:
    """Try to listen on *topic*; nothing that comes is obeyed."""
    try:
        await link.listen([topic], lambda _: None, retained=False)
    except UplinkError as error:
        return Finding(step=topic, verdict="stops", says=str(error), act=_CURES[0x87])
    # mosquitto takes any subscription, and keeps back what its access list does not let us read
    return Finding(step=topic, verdict="passes", says="the subscription is taken")


def judged(topic: str, reason: int, *, telling: bool) -> Finding:
    """Say what a broker's answer means; *telling*: whether it is able to tell a refusal."""
    if reason >= 0x80:
        act = _CURES.get(reason, "ask the operator")
        return Finding(step=topic, verdict="stops", says=f"refused: {meaning(reason)}", act=act)
    if reason == NO_SUBSCRIBER:
        return Finding(step=topic, verdict="doubtful", says="taken, but nobody listens", act=_CURES[reason])
    if not telling:
        act = "look at the other end: MQTT 3.1.1 cannot tell a refusal"
        return Finding(step=topic, verdict="doubtful", says="answered, which says little", act=act)
    return Finding(step=topic, verdict="passes", says="taken")


def _act(step: str) -> str:
    return {
        "name": "check the name, and whether DNS works here",
        "connection": "do as the line says; or look at what stands between: firewall, proxy, broker",
        "websocket": "ask the operator which path takes MQTT, and write it behind the port of the broker",
        "welcome": "check user name, password and client id with the operator of the broker",
    }[step]


def unsaid(kinds: Sequence[str], encoding: str) -> Iterator[Finding]:
    """Say which topics are not tried, since an empty message could confuse who reads them."""
    says = f"not tried: an empty message may confuse a platform that expects {encoding}"
    act = "run the gateway, and look at `citygate why`"
    for kind in kinds:
        yield Finding(step=kind, verdict="doubtful", says=says, act=act)
