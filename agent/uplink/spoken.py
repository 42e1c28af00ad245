"""A connection for an encoding that counts its messages as they leave; to the session it is like any other.

It says first what must come first, and completes each body. What goes out with QoS 0 has no answer: one
message of QoS 1 follows as a mark, and the broker's answer to it proves that all before it has arrived, since
they share one ordered stream.
"""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from agent.core.message import HISTORY, SILENT, Message, Talk
from agent.uplink.port import Link, LinkInfo, Lost, Packet


class Spoken:
    """One live connection and its talk; see ``agent.uplink.port.Link``."""

    def __init__(self, link: Link, talk: Talk) -> None:
        self._link = link
        self._talk = talk
        self._unproven: list[asyncio.Future[int]] = []

    @property
    def info(self) -> LinkInfo:
        """What the broker allows."""
        return self._link.info

    @property
    def closed(self) -> asyncio.Future[Lost]:
        """Done as soon as the connection is gone."""
        return self._link.closed

    def publish(self, packet: Packet) -> asyncio.Future[int]:
        """Send; for QoS 0 the future is done when a mark behind it was answered."""
        late, silent = HISTORY in packet.user, SILENT in packet.user
        for message in self._talk.opening():
            self._send(_packet(message))
        topic, before = self._talk.before(packet.topic, late=late, silent=silent)
        for message in before:
            self._send(_packet(message))
        answer = self._send(replace(packet, topic=topic))
        for message in self._talk.after(topic):
            self._send(_packet(message))
        if packet.qos or (answer.done() and answer.exception() is not None):
            return answer
        if not self._unproven:  # one mark for all that leaves in this turn of the loop
            asyncio.get_running_loop().call_soon(self._prove)
        proven: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._unproven.append(proven)
        return proven

    async def leave(self) -> None:
        """Say goodbye and close."""
        await self._link.leave()

    def abort(self) -> None:
        """Close without a word; what no mark has proven is not answered."""
        self._link.abort()
        self._fail(self._unproven, "the connection was closed")

    def _send(self, packet: Packet) -> asyncio.Future[int]:
        late = HISTORY in packet.user
        body = self._talk.dress(packet.topic, packet.body, late=late)
        return self._link.publish(replace(packet, body=body))

    def _prove(self) -> None:
        waiting, self._unproven = self._unproven, []
        answer = self._link.publish(_packet(self._talk.mark))
        answer.add_done_callback(lambda done: self._proven(done, waiting))

    def _proven(self, answer: asyncio.Future[int], waiting: list[asyncio.Future[int]]) -> None:
        """Believe any answer: a broker that refuses the mark has read what came before it too."""
        error = answer.exception()
        if error is not None:
            self._fail(waiting, str(error))
            return
        for one in waiting:
            if not one.done():
                one.set_result(0)

    @staticmethod
    def _fail(waiting: list[asyncio.Future[int]], text: str) -> None:
        for one in waiting:
            if not one.done():
                one.set_exception(ConnectionError(text))
                one.exception()  # seen: nobody may be waiting


def _packet(message: Message) -> Packet:
    return Packet(
        topic=message.topic,
        body=message.body,
        qos=message.qos,
        retain=message.retain,
        content_type=message.content_type,
        utf8=message.utf8,
    )
