"""MQTT over aiomqtt, with what it drops: PUBACK reasons, and an end to waiting when the link dies.

A new client for every connection (an old paho client re-sends what it still holds), clean start, no session,
no topic aliases. It leans on a few private names of aiomqtt and paho, listed in ``HOOKS``; a test fails when
one of them vanishes.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent.core.command import Heard
from agent.core.errors import UplinkError
from agent.core.message import Message
from agent.uplink import tls
from agent.uplink.dial import dial
from agent.uplink.mqtt.writing import publish_properties
from agent.uplink.port import Call, LinkInfo, Lost, Packet, TwoWay
from agent.uplink.reasons import meaning

HOOKS: Final = {
    aiomqtt.Client: (
        "_on_connect", "_on_disconnect", "_on_message", "_on_publish", "_on_socket_register_write",
        "_wait_for",
    ),
    paho.Client: ("_create_socket", "_handle_pubackcomp", "loop_read", "loop_write", "socket"),
}  # fmt: skip
"""What we override or call although it is not promised to us."""
INSTANCE_HOOKS: Final = ("_client", "_connected", "_disconnected", "_loop")

_REASON_AT: Final = 2
_UNSPECIFIED: Final = 0x80
_FOR_PUBACK: Final = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})  # MQTT 5, table 3-4
_DRAIN: Final = 100  # packets that may still lie in the socket when it is closed

_log = logging.getLogger(__name__)


async def connect(call: Call) -> TwoWay:
    """Open a connection as *call* says; raise UplinkError with a sentence."""
    opened, _ = await dial(call)
    client = AckedClient(call, opened)
    try:
        await client.open()
    except BaseException:
        client.abort()
        raise
    return client


class _Ear(logging.Logger):
    """Takes what paho logs: keeps the last socket error, shows the rest to developers only."""

    def __init__(self) -> None:
        # paho tells each packet: only where somebody listens is it worth the formatting
        wanted = logging.DEBUG if _log.isEnabledFor(logging.DEBUG) else logging.ERROR
        super().__init__(f"{__name__}.paho", wanted)
        self.trouble: OSError | None = None

    def handle(self, record: logging.LogRecord) -> None:
        """Keep an error; it becomes part of our own sentence."""
        for arg in record.args if isinstance(record.args, tuple) else ():
            if isinstance(arg, OSError):
                self.trouble = arg
        _log.debug("paho: %s", record.getMessage())


class _Packed:
    """Bytes that paho takes for its Properties: it asks a PUBLISH's for nothing but ``pack``.

    Its own way of packing costs more than all the rest of sending.
    """

    __slots__ = ("_bytes",)

    def __init__(self, packet: Packet) -> None:
        self._bytes = publish_properties(packet)

    def pack(self) -> bytes:
        """Give the properties with their length in front, as they stand in the packet."""
        return self._bytes


class AckedClient(aiomqtt.Client):
    """One connection whose ``publish`` tells the truth; see ``agent.uplink.port.Link``."""

    def __init__(self, call: Call, opened: socket.socket) -> None:
        five = call.version == "5"
        self._ear = _Ear()
        super().__init__(
            call.host,
            call.port,
            username=call.username,
            password=call.password,
            identifier=call.client_id,
            protocol=aiomqtt.ProtocolVersion.V5 if five else aiomqtt.ProtocolVersion.V311,
            clean_session=None if five else True,
            clean_start=True if five else paho.MQTT_CLEAN_START_FIRST_ONLY,
            properties=_session(five),
            keepalive=call.keepalive,
            timeout=call.patience,
            max_inflight_messages=call.window,
            max_queued_outgoing_messages=0,
            will=_will(call.will, five=five),
            logger=self._ear,
        )
        self._call = call
        self._five = five
        self._where = f"{call.host}:{call.port}"
        self._opened = opened
        # ours is open and verified already; paho would open another one, in a way that cannot be cancelled
        setattr(self._client, "_create_socket", lambda: opened)  # noqa: B010 - a method, for mypy
        self._acks: dict[int, asyncio.Future[int]] = {}
        self._odd: dict[int, int] = {}
        self._handle_ack = self._client._handle_pubackcomp  # noqa: SLF001 - see HOOKS
        setattr(self._client, "_handle_pubackcomp", self._handle_any_ack)  # noqa: B010 - as above
        self._closed: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self._refusal: int | None = None
        self._listener: Callable[[Heard], None] | None = None
        self._info = LinkInfo()

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
        entering = asyncio.ensure_future(self.__aenter__())
        try:
            await asyncio.shield(entering)
        except asyncio.CancelledError:
            self.abort()  # ends the waiting for CONNACK, so that nothing of this connection survives
            await asyncio.wait([entering])
            entering.exception()  # seen
            raise
        except aiomqtt.MqttError as error:
            raise UplinkError(self._no_welcome(error)) from error
        self._disconnected.add_done_callback(self._ended)

    def publish(self, packet: Packet) -> asyncio.Future[int]:  # type: ignore[override]  # says more than its parent
        """Send; the future gives the PUBACK's reason, or ConnectionError once the link is lost."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        properties = cast(Properties, _Packed(packet)) if self._five else None
        info = self._client.publish(packet.topic, packet.body, packet.qos, packet.retain, properties)
        if info.rc != paho.MQTT_ERR_SUCCESS:
            _fail(answer, paho.error_string(info.rc))
        elif packet.qos == 0:
            answer.set_result(0)
        else:  # no await in between: the PUBACK cannot have been read yet
            self._acks[info.mid] = answer
        return answer

    async def listen(
        self, topics: Sequence[str], hear: Callable[[Heard], None], *, retained: bool = True
    ) -> None:
        """Subscribe with QoS 1, and hand over what comes; *retained*: also what was kept for us."""
        self._listener = hear
        try:
            for topic in topics:
                how = _options(retained=retained) if self._five else None
                for reason in await self.subscribe(topic, qos=0 if how else 1, options=how):
                    if (reason if isinstance(reason, int) else reason.value) >= _UNSPECIFIED:
                        raise UplinkError(f"{self._where} does not let us read {topic}")
        except aiomqtt.MqttError as error:
            raise UplinkError(f"{self._where} did not let us listen: {error}") from error

    async def leave(self) -> None:
        """Say goodbye and close; whatever hinders it, the socket is closed in the end."""
        try:
            await self.__aexit__(None, None, None)
        except aiomqtt.MqttError as error:
            _log.debug("no orderly goodbye to %s: %s", self._where, error)
        finally:
            self.abort()

    def abort(self) -> None:
        """Close without a word: the broker sends the last will. Answers that have arrived still count."""
        if self._opened.fileno() >= 0:
            try:
                # not SSLSocket's own, which would go on to read what follows as plain text
                socket.socket.shutdown(self._opened, socket.SHUT_RDWR)
            except OSError as error:
                _log.debug("%s was gone already: %s", self._where, error)
        for _ in range(_DRAIN):
            if self._client.socket() is None or self._client.loop_read() != paho.MQTT_ERR_SUCCESS:
                break
        self._end("we closed the connection", None)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401 - the library's own signature, here and below
        flags: paho.ConnectFlags,
        reason_code: Any,  # noqa: ANN401
        properties: Properties | None = None,
    ) -> None:
        given: dict[str, Any] = properties.json() if properties is not None else {}  # type: ignore[no-untyped-call]
        self._info = LinkInfo(
            receive_maximum=given.get("ReceiveMaximum", 65535), maximum_packet=given.get("MaximumPacketSize")
        )
        code = getattr(reason_code, "value", reason_code)
        if code:
            self._refusal = int(code)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401
        flags: paho.DisconnectFlags,
        reason_code: Any,  # noqa: ANN401
        properties: Properties | None = None,
    ) -> None:
        super()._on_disconnect(client, userdata, flags, reason_code, properties)
        if not self._connected.done():  # aiomqtt would wait for its timeout
            self._connected.set_exception(aiomqtt.MqttError("closed"))
        if flags.is_disconnect_packet_from_server:
            code = int(reason_code.value)
            self._end(f"{self._where} ended the connection: {meaning(code)}", code)
        else:
            self._end(f"the connection to {self._where} was lost{self._cause()}", None)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401
        mid: int,
        reason_code: Any,  # noqa: ANN401
        properties: Properties,
    ) -> None:
        answer = self._acks.pop(mid, None)
        if answer is None:
            super()._on_publish(client, userdata, mid, reason_code, properties)
        elif not answer.done():
            answer.set_result(self._odd.pop(mid, int(getattr(reason_code, "value", 0))))

    def _handle_any_ack(self, kind: Any) -> Any:  # noqa: ANN401
        """Let paho see an error it knows where a broker answers with one that is not for PUBACK.

        It would end the connection, and the same message would end the next one: mosquitto answers with 0x95
        to what is above its message_size_limit.
        """
        packet = self._client._in_packet["packet"]  # noqa: SLF001
        if kind == "PUBACK" and len(packet) > _REASON_AT and packet[_REASON_AT] not in _FOR_PUBACK:
            self._odd[int.from_bytes(packet[:2], "big")] = packet[_REASON_AT]
            known = bytes((_UNSPECIFIED,))
            self._client._in_packet["packet"] = packet[:_REASON_AT] + known + packet[_REASON_AT + 1 :]  # noqa: SLF001
        return self._handle_ack(kind)

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401
        if self._listener is not None:
            given = message.properties
            self._listener(
                Heard(
                    message.topic,
                    bytes(message.payload),
                    bool(message.retain),
                    str(getattr(given, "ResponseTopic", "")),
                    bytes(getattr(given, "CorrelationData", b"")),
                )
            )

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ANN401
        # CONNECT is queued by another thread; aiomqtt would add the writer of a socket that is closed by then
        self._loop.call_soon_threadsafe(self._add_writer, sock)

    def _add_writer(self, sock: socket.socket) -> None:
        if sock.fileno() >= 0:
            self._loop.add_writer(sock.fileno(), self._client.loop_write)

    def _ended(self, disconnected: asyncio.Future[None]) -> None:
        """Note an end that reached aiomqtt on another way than a DISCONNECT."""
        trouble = None if disconnected.cancelled() else disconnected.exception()
        self._end(f"the connection to {self._where} was lost{f': {trouble}' if trouble else ''}", None)

    def _end(self, text: str, reason: int | None) -> None:
        if not self._closed.done():
            self._closed.set_result(Lost(text=text, reason=reason))
        waiting, self._acks, self._odd = self._acks, {}, {}
        for answer in waiting.values():
            _fail(answer, text)

    def _no_welcome(self, error: aiomqtt.MqttError) -> str:
        """Say why there was no CONNACK, or a bad one."""
        if self._refusal is not None:
            return f"{self._where} does not let us in: {meaning(self._refusal)}"
        if str(error) == "closed":
            if isinstance(self._ear.trouble, OSError) and self._call.tls:
                return tls.explain(self._ear.trouble, self._where, host=self._call.host)
            hint = (
                "; it may want a client certificate" if self._call.tls and not self._call.certificate else ""
            )
            return f"{self._where} closed the connection instead of answering{hint}"
        return f"{self._where} did not answer CONNECT within {self._call.patience:g} s; is it an MQTT broker?"

    def _cause(self) -> str:
        trouble = self._ear.trouble
        return f": {trouble.strerror or trouble}" if trouble else ""


def _fail(answer: asyncio.Future[int], text: str) -> None:
    if not answer.done():
        answer.set_exception(ConnectionError(text))
        answer.exception()  # seen: nobody may be waiting


def _session(five: bool) -> Properties | None:
    if not five:
        return None
    made = _empty(PacketTypes.CONNECT)
    made.SessionExpiryInterval = 0
    return made


def _options(*, retained: bool) -> SubscribeOptions:
    return SubscribeOptions(qos=1, retainHandling=0 if retained else 2)


def _empty(kind: int) -> Properties:
    return Properties(kind)  # type: ignore[no-untyped-call]


def _will(message: Message | None, *, five: bool) -> aiomqtt.Will | None:
    if message is None:
        return None
    made = None
    if five:
        made = _empty(PacketTypes.WILLMESSAGE)
        made.ContentType = message.content_type
        made.PayloadFormatIndicator = int(message.utf8)
    return aiomqtt.Will(message.topic, message.body, message.qos, message.retain, made)
