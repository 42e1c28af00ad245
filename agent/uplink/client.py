"""Our own MQTT connection: packets of ``agent.uplink.mqtt`` over a stream; see ``agent.uplink.port.Link``.

One object is one connection: clean start, no session, no topic aliases, nothing is ever sent twice. A broker
that breaks the standard is told so and left.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, cast

from agent.core.catalogue.uplinks import MESSAGE_IMPOSSIBLE
from agent.core.command import Heard
from agent.core.errors import UplinkError
from agent.uplink.dial import dial
from agent.uplink.mqtt import properties, writing
from agent.uplink.mqtt.reading import (
    Connack,
    Disconnect,
    Incoming,
    Pingresp,
    Puback,
    Publish,
    Reader,
    Suback,
)
from agent.uplink.mqtt.values import PROTOCOL, BadPacketError
from agent.uplink.port import Call, LinkInfo, Lost, Packet, TwoWay
from agent.uplink.pulse import Pulse
from agent.uplink.reasons import TOO_LARGE, meaning
from agent.uplink.stream import Stream, Wants

if TYPE_CHECKING:
    from agent.uplink.websocket.stream import WebSocketStream

_PARTING: Final = 1.0  # seconds for the broker to close after our goodbye
_BAD_TOPIC: Final = 0x90
_REFUSED: Final = 0x80
_LAST_ID: Final = 0xFFFF
_MOST_WORDS: Final = 120  # of a stranger's text

_log = logging.getLogger(__name__)


async def connect(call: Call) -> TwoWay:
    """Open a connection as *call* says; raise UplinkError with a sentence."""
    opened, wants = await dial(call)
    made = Client(call, opened, wants)
    try:
        await made.open()
    except BaseException:
        made.abort()
        raise
    return made


class Client:
    """One connection."""

    def __init__(self, call: Call, opened: socket.socket, wants: Wants) -> None:
        self._call = call
        self._five = call.version == "5"
        self._where = f"{call.host}:{call.port}"
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(five=self._five)
        self._stream = self._streamed(opened, wants)
        self._welcome: asyncio.Future[Connack] = self._loop.create_future()
        self._closed: asyncio.Future[Lost] = self._loop.create_future()
        self._acks: dict[int, asyncio.Future[int]] = {}
        self._subs: dict[int, asyncio.Future[int]] = {}
        self._listener: Callable[[Heard], None] | None = None
        self._last_id = 0
        self._info = LinkInfo()
        self._pulse = Pulse(ping=lambda: self._send(writing.PING), dead=self._silent)

    def _streamed(self, opened: socket.socket, wants: Wants) -> Stream | WebSocketStream:
        if not self._call.websocket:
            return Stream(opened, wants, hear=self._hear, ended=self._ended)
        # imported here, since nobody else should pay for it
        from agent.uplink.websocket.stream import WebSocketStream

        return WebSocketStream(
            opened, wants, self._call, hear=self._hear, ended=self._ended, broken=self._end
        )

    @property
    def info(self) -> LinkInfo:
        """What the broker allows."""
        return self._info

    @property
    def closed(self) -> asyncio.Future[Lost]:
        """Done as soon as the connection is gone."""
        return self._closed

    async def open(self) -> None:
        """Send CONNECT and wait for the answer; raise UplinkError."""
        self._stream.send(writing.connect(self._call, five=self._five))
        try:
            async with asyncio.timeout(self._call.patience):
                answer = await self._welcome
        except TimeoutError as error:
            text = f"did not answer CONNECT within {self._call.patience:g} s; is it an MQTT broker?"
            raise UplinkError(f"{self._where} {text}") from error
        if answer.reason:
            raise UplinkError(f"{self._where} does not let us in: {meaning(answer.reason)}{_told(answer)}")
        self._info = _allowed(answer.properties, self._where)
        self._pulse.start(_number(answer.properties, properties.KEEP_ALIVE, self._call.keepalive))

    def publish(self, packet: Packet) -> asyncio.Future[int]:
        """Send; the future gives the PUBACK's reason, or ConnectionError once the link is lost.

        What no broker could take is answered here, with the reason that a broker would give.
        """
        answer: asyncio.Future[int] = self._loop.create_future()
        if self._closed.done():
            _fail(answer, self._closed.result().text)
            return answer
        mid = self._next_id() if packet.qos else 0
        try:
            raw = writing.publish(packet, mid, five=self._five)
        except ValueError as error:
            MESSAGE_IMPOSSIBLE.tell(_log, self._where, error)
            answer.set_result(_BAD_TOPIC)
            return answer
        if self._info.maximum_packet is not None and len(raw) > self._info.maximum_packet:
            answer.set_result(TOO_LARGE)
            return answer
        if mid:
            self._acks[mid] = answer
        else:
            answer.set_result(0)
        self._send(raw)
        return answer

    async def listen(
        self, topics: Sequence[str], hear: Callable[[Heard], None], *, retained: bool = True
    ) -> None:
        """Subscribe with QoS 1, and hand over what comes; *retained*: also what was kept for us."""
        self._listener = hear
        for topic in topics:
            if self._closed.done():
                raise UplinkError(self._closed.result().text)
            answer = self._subs[mid := self._next_id()] = self._loop.create_future()
            self._send(writing.subscribe(topic, mid, five=self._five, retained=retained))
            try:
                async with asyncio.timeout(self._call.patience):
                    reason = await answer
            except (TimeoutError, ConnectionError) as error:
                why = str(error) or f"no answer within {self._call.patience:g} s"
                raise UplinkError(f"{self._where} did not let us listen: {why}") from error
            if reason >= _REFUSED:
                raise UplinkError(f"{self._where} does not let us read {topic}: {meaning(reason)}")

    async def leave(self) -> None:
        """Say goodbye and close; the broker is given a moment to close first, so that it has read all."""
        if not self._closed.done():
            self._send(writing.disconnect(five=self._five))
            await asyncio.wait([self._closed], timeout=_PARTING)
        self.abort()

    def abort(self) -> None:
        """Close without a word: the broker sends the last will. Answers that have arrived still count."""
        self._stream.drain()
        self._end("we closed the connection")

    def _send(self, raw: bytes) -> None:
        self._pulse.sent()
        self._stream.send(raw)

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % _LAST_ID + 1
            if self._last_id not in self._acks and self._last_id not in self._subs:
                return self._last_id

    # -- what the broker says

    def _hear(self, data: bytes) -> None:
        self._pulse.heard()
        try:
            for packet in self._reader.feed(data):
                if type(packet) is Puback:
                    self._acknowledged(packet)
                else:
                    self._take(packet)
                if self._closed.done():
                    return
        except BadPacketError as error:
            if self._welcome.done():
                self._stream.last(writing.disconnect(error.reason, five=self._five))
            self._end(f"{self._where} does not speak MQTT as it should: {error}; the link is given up")

    def _acknowledged(self, packet: Puback) -> None:
        answer = self._acks.pop(packet.mid, None)
        if answer is None:
            raise BadPacketError(f"an answer to message {packet.mid}, which does not wait for one", PROTOCOL)
        if not answer.done():
            answer.set_result(packet.reason)

    def _take(self, packet: Incoming) -> None:
        match packet:
            case Connack() if not self._welcome.done():
                self._welcome.set_result(packet)
            case Disconnect():
                said = f' ("{_plain(packet.text)}")' if packet.text else ""
                text = f"{self._where} ended the connection: {meaning(packet.reason)}{said}"
                self._end(text, packet.reason)
            case Pingresp() if self._welcome.done():
                pass
            case Suback() if packet.mid in self._subs:
                self._subs.pop(packet.mid).set_result(packet.reasons[0])
            case Publish() if self._listener is not None:
                if packet.mid:
                    self._send(writing.puback(packet.mid))
                self._listener(
                    Heard(packet.topic, packet.body, packet.retain, packet.reply_to, packet.correlation)
                )
            case _:
                raise BadPacketError(f"{type(packet).__name__.upper()} out of turn", PROTOCOL)

    # -- the end

    def _silent(self, seconds: float) -> None:
        self._end(f"{self._where} has not answered a ping for {seconds:.0f} s: the link is given up")

    def _ended(self, error: OSError | None) -> None:
        """Note that the socket is gone."""
        if self._welcome.done():
            cause = f": {error.strerror or error}" if error else ""
            self._end(f"the connection to {self._where} was lost{cause}")
        elif error is not None and self._call.tls:
            from agent.uplink import tls

            self._end(tls.explain(error, self._where, host=self._call.host))
        else:
            wants = self._call.tls and not self._call.certificate
            hint = "; it may want a client certificate" if wants else ""
            # without TLS nothing has been worked out for us yet
            self._end(
                f"{self._where} closed the connection instead of answering{hint}", cheap=not self._call.tls
            )

    def _end(self, text: str, reason: int | None = None, *, cheap: bool = False) -> None:
        self._pulse.stop()
        self._stream.close()
        if not self._closed.done():
            self._closed.set_result(Lost(text=text, reason=reason))
        if not self._welcome.done():
            self._welcome.set_exception(UplinkError(text, cheap=cheap))
            self._welcome.exception()  # seen: nobody may be waiting
        waiting = [*self._acks.values(), *self._subs.values()]
        self._acks, self._subs = {}, {}
        for answer in waiting:
            _fail(answer, text)


def _allowed(given: Mapping[int, properties.Value], where: str) -> LinkInfo:
    if _number(given, properties.MAXIMUM_QOS, 2) == 0:
        raise UplinkError(f"{where} acknowledges nothing (maximum QoS 0): what it lost, nobody would know")
    maximum = given.get(properties.MAXIMUM_PACKET)
    return LinkInfo(
        receive_maximum=_number(given, properties.RECEIVE_MAXIMUM, 65535),
        maximum_packet=cast(int | None, maximum),
    )


def _number(given: Mapping[int, properties.Value], code: int, default: int) -> int:
    return cast(int, given.get(code, default))


def _told(answer: Connack) -> str:
    text = answer.properties.get(properties.REASON)
    return f' ("{_plain(cast(str, text))}")' if text else ""


def _plain(text: str) -> str:
    """Make a stranger's words fit for a log."""
    return "".join(one if one.isprintable() else "?" for one in text[:_MOST_WORDS])


def _fail(answer: asyncio.Future[int], text: str) -> None:
    if not answer.done():
        answer.set_exception(ConnectionError(text))
        answer.exception()  # seen: nobody may be waiting
