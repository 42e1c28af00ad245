"""A made-up broker behind the uplink's port: it may be away, slow, deaf, or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from agent.core.command import Heard
from agent.core.errors import UplinkError
from agent.uplink.port import Call, LinkInfo, Lost, Packet

MODES: Final = ("away", "deaf", "forgetful", "slow", "refusing", "nobody", "full", "breaking")


class Broker:
    """One recipient's broker. *take* gets each message as often as it comes."""

    def __init__(self, rng: Random, take: Callable[[Packet], None]) -> None:
        self.mode = "well"
        self.links: list[SimLink] = []
        self.connections = 0
        self._rng = rng
        self._take = take

    async def connect(self, call: Call) -> SimLink:
        """Take a connection; raise UplinkError where there is nobody."""
        await asyncio.sleep(self._rng.uniform(0.01, 0.3))
        if self.mode == "away":
            raise UplinkError(f"{call.host}:{call.port} is away")
        self.connections += 1
        link = SimLink(self, self._rng, self._rng.choice((1, 2, 5, 20, 65535)))
        self.links = [one for one in self.links if not one.closed.done()] + [link]
        return link

    def take(self, packet: Packet) -> None:
        """Keep what has come."""
        self._take(packet)

    def drop(self) -> None:
        """Break every connection."""
        for link in self.links:
            link.lose("the broker closed the connection")

    def forget(self) -> None:
        """Hear nothing more of the process that was at the other end: it is no more."""
        for link in self.links:
            link.gone = True
        self.links = []


class SimLink:
    """One live connection."""

    def __init__(self, broker: Broker, rng: Random, receive_maximum: int) -> None:
        self.info = LinkInfo(receive_maximum=receive_maximum)
        self.closed: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self.gone = False
        self._broker, self._rng = broker, rng
        self._flying: dict[asyncio.Future[int], Packet] = {}
        self._arrival = 0.0

    def publish(self, packet: Packet) -> asyncio.Future[int]:
        """Take a message; the answer comes later, or never."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[int] = loop.create_future()
        if self.closed.done():
            answer.set_exception(ConnectionError("the connection is lost"))
            answer.exception()
            return answer
        self._flying[answer] = packet
        assert len(self._flying) <= self.info.receive_maximum, "more under way than the broker allows"
        # one after the other, as TCP brings them; timers that are due together have no order
        self._arrival = max(self._arrival + 1e-6, loop.time() + self._rng.uniform(0.001, 0.05))
        loop.call_at(self._arrival, self._arrive, answer, packet)
        return answer

    async def listen(
        self, topics: Sequence[str], hear: Callable[[Heard], None], *, retained: bool = True
    ) -> None:
        """Take the subscription; nobody says anything here."""

    async def leave(self) -> None:
        """Say goodbye."""
        self.lose("left")

    def abort(self) -> None:
        """Close."""
        self.lose("aborted")

    def lose(self, why: str) -> None:
        """End it, and every answer that is still awaited."""
        if self.closed.done():
            return
        self.closed.set_result(Lost(text=why))
        for answer in self._flying:
            if not answer.done():
                answer.set_exception(ConnectionError(why))
                answer.exception()
        self._flying.clear()

    def _arrive(self, answer: asyncio.Future[int], packet: Packet) -> None:
        if self.gone or self.closed.done():
            return
        match self._broker.mode:
            case "deaf" | "away":
                return
            case "forgetful":  # it has it, and the answer is lost with the connection
                self._broker.take(packet)
                self.lose("the broker reset the connection")
            case "breaking":
                if self._rng.random() < 0.3:
                    self.lose("the broker reset the connection")
                else:
                    self._accept(answer, packet)
            case "slow":
                self._broker.take(packet)
                delay = self._rng.uniform(0.1, 8.0)
                asyncio.get_running_loop().call_later(delay, self._answer, answer, 0)
            case "refusing":
                self._answer(answer, self._rng.choice((0x80, 0x83, 0x87, 0x90)))
            case "full":
                self._answer(answer, 0x97)
            case "nobody":
                self._answer(answer, 0x10)
            case _:
                self._accept(answer, packet)

    def _accept(self, answer: asyncio.Future[int], packet: Packet) -> None:
        self._broker.take(packet)
        self._answer(answer, 0)

    def _answer(self, answer: asyncio.Future[int], reason: int) -> None:
        self._flying.pop(answer, None)
        if not answer.done():
            answer.set_result(reason)
