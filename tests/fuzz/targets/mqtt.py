"""What brokers and platforms say: MQTT packets, Sparkplug commands, provisioning, a proxy's answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from agent.core.errors import UplinkError
from agent.core.platform import Assigned, Step
from agent.encodings._azure_provisioning import Registration
from agent.encodings._protobuf import block as field
from agent.encodings._protobuf import parts, whole
from agent.encodings._sparkplug_talk import SparkplugTalk
from agent.encodings._sparkplug_wire import BOOLEAN, REBIRTH, Metric, metrics_of, payload
from agent.uplink.mqtt.reading import MOST, Incoming, Publish, Reader
from agent.uplink.mqtt.values import BadPacketError
from agent.uplink.mqtt.writing import publish
from agent.uplink.port import Packet
from agent.uplink.proxy import _judge
from agent.uplink.websocket import frames
from agent.uplink.websocket.upgrade import Answer
from tests.fuzz.target import MARK, Feed, Target, block, pure, texts

_ALLOWED: Final = 4096


def _read(reader: Reader, pieces: Sequence[bytes]) -> tuple[list[Incoming], str]:
    """Give the packets, and what is wrong with the first that is."""
    found: list[Incoming] = []
    try:
        for piece in pieces:
            found += _gathered(reader, piece, found)
            assert len(reader._kept) <= _ALLOWED + 5
    except BadPacketError as error:
        assert error.reason >= 0x80
        return found, str(error)
    return found, ""


def _gathered(reader: Reader, piece: bytes, found: list[Incoming]) -> list[Incoming]:
    for packet in reader.feed(piece):
        found.append(packet)  # noqa: PERF402 - what comes before an error counts
    return []


def _packets(data: bytes, *, five: bool) -> None:
    """Give the same packets and the same refusal however the stream is cut."""
    pieces = Feed(data).pieces()
    found = _read(Reader(five=five, most=_ALLOWED), pieces)
    assert found == _read(Reader(five=five, most=_ALLOWED), [b"".join(pieces)]), "it depends on how it is cut"
    for packet in found[0]:
        if isinstance(packet, Publish):
            assert packet.topic
            assert not set("+#\0") & set(packet.topic)


def _published(data: bytes) -> None:
    """Read what we write: the same topic, body and number."""
    feed = Feed(data)
    five, mid = bool(feed.byte() % 2), 1 + feed.byte()
    topic = feed.block().decode("utf-8", "replace").translate({ord(one): None for one in "+#\0"}) or "t"
    packet = Packet(topic=topic, body=feed.rest(), qos=feed.byte() % 2, retain=True)
    try:
        raw = publish(packet, mid, five=five)
    except ValueError:
        return
    [read] = Reader(five=five, most=MOST).feed(raw)
    assert isinstance(read, Publish)
    assert (read.topic, read.body, read.retain) == (packet.topic, packet.body, True)


def _sparkplug(data: bytes) -> None:
    """Obey one command, hear one host, and pass over everything else."""
    talk = SparkplugTalk("Vaasa", "gw1", host="scada", number=3, now=lambda: 1e9, mark="m")
    for number, body in enumerate(texts(data, 4)):
        topic = talk.topics[number % 2]
        assert talk.hear(topic, body) in ("", "rebirth", "go", "wait")
        if REBIRTH.encode() not in body and topic == talk.topics[0]:
            assert not talk.born or talk.hear(topic, body) == ""
        try:
            made = payload(body, at=1.0, seq=7)
        except ValueError:
            continue
        assert [one[0] for one in parts(made)][-1] == 3


def _provisioned(data: bytes) -> None:
    """Give when to ask again, soon enough; or what was assigned; or a sentence."""
    registration = Registration("gw1")
    registration.next()
    said = texts(data, 4)
    for topic, body in (said[:2], said[2:]):
        try:
            found = registration.hear(topic.decode("latin-1"), body)
        except ValueError as error:
            assert str(error)
            continue
        assert found is None or isinstance(found, (Step, Assigned))
        if isinstance(found, Step):
            assert math.isfinite(found.pause)
            assert 0 <= found.pause <= 3600
        registration.next()


def _proxied(data: bytes) -> None:
    try:
        _judge(data, "http://10.0.0.1:3128")
    except UplinkError as error:
        assert str(error)
        return
    assert data.startswith(b"HTTP/1.")
    assert data.endswith(b"\r\n\r\n")


def _websocket(data: bytes) -> None:
    """Hand over the same bytes, and refuse the same frame, however the stream is cut."""
    pieces = Feed(data).pieces()
    assert _framed(pieces) == _framed([b"".join(pieces)]), "it depends on how it is cut"


def _framed(pieces: Sequence[bytes]) -> tuple[bytes, list[bytes], str]:
    reader, data, control, wrong = frames.Reader(), b"", [], ""
    try:
        for piece in pieces:
            for one in reader.feed(piece):
                if one.kind == frames.BINARY:
                    data += one.data
                else:
                    assert len(one.data) <= 125
                    control.append(one.data)
                    if one.kind == frames.CLOSE:
                        assert frames.closing(one.data).isprintable()
            assert len(reader._kept) < 128
    except frames.BadFrameError as error:
        wrong = str(error)
    return data, control, wrong


def _upgraded(data: bytes) -> None:
    """Go on only with who knows our key and speaks MQTT."""
    answer = Answer("broker:443/mqtt", bytes(16))
    try:
        rests = [answer.feed(piece) for piece in Feed(data).pieces()[:1]]
    except UplinkError as error:
        assert str(error).isprintable()
        return
    assert rests in ([], [None]) or (_ACCEPTED in data and b"mqtt" in data)


_ACCEPTED: Final = b"ICX+Yqv66kxgM0FcWaLWlFLwTAI="
_GOLDEN: Final = (
    "20 03 00 00 00",
    "20 09 00 00 06 21 00 14 22 00 0a",
    "20 0b 00 87 08 1f 00 05 67 6f 20 2e 2e",
    "20 02 00 01",
    "40 02 00 07",
    "40 03 00 07 10",
    "40 04 00 07 87 00",
    "90 04 00 09 00 01",
    "30 05 00 01 61 00 62",
    "33 07 00 01 61 00 05 00 62",
    "d0 00",
    "e0 00",
    "e0 08 98 06 1f 00 03 62 79 65",
    "32 1b 00 03 61 2f 62 00 05 10 02 00 00 00 3c 26 00 01 68 00 01 31 01 01 08 00 00 78",
)
_OLD: Final = ("20 02 00 00", "20 02 00 05", "40 02 00 07", "90 03 00 09 80", "32 06 00 01 61 00 05 62")


def _streams(golden: Sequence[str]) -> Sequence[bytes]:
    raw = [bytes.fromhex(one) for one in golden]
    return [*(bytes((cut,)) + one for cut in (0, 1) for one in raw), b"\3" + b"".join(raw)]


def _commands() -> Sequence[bytes]:
    obeyed = payload(metrics_of([Metric(REBIRTH, BOOLEAN, value=True)]), at=1.0, seq=None)
    other = payload(metrics_of([Metric("x", BOOLEAN, value=True)]), at=1.0, seq=1) + field(9, whole(1, 5))
    states = [
        b'{"online": true, "timestamp": 1700000000000}',
        b'{"online": false, "timestamp": 1800000000000}',
    ]
    return [
        obeyed,
        other,
        *(MARK + one for one in states),
        MARK.join((obeyed, states[0], other, states[1])),
    ]


def _answers() -> Sequence[bytes]:
    topic = b"$dps/registrations/res/202/?$rid=1&retry-after=3"
    waiting = b'{"operationId": "4.x", "status": "assigning"}'
    done = (
        b'{"operationId": "4.x", "status": "assigned", '
        b'"registrationState": {"assignedHub": "h.example", "deviceId": "gw1"}}'
    )
    refused = b'{"errorCode": 401002, "message": "no"}'
    return [
        MARK.join((topic, waiting)),
        MARK.join((topic.replace(b"202", b"200"), done)),
        MARK.join((b"$dps/registrations/res/401/?$rid=1", refused)),
        MARK.join((topic, waiting, topic.replace(b"202", b"200").replace(b"rid=1", b"rid=2"), done)),
    ]


TARGETS: Final = (
    Target(
        name="mqtt-5",
        about="packets of a broker, MQTT 5",
        prepare=pure(lambda data: _packets(data, five=True)),
        seeds=lambda: _streams(_GOLDEN),
        words=(b"\x26\0\1h\0\1", b"\x1f\0\1", b"\xff\xff\xff\x7f", b"\x80\0", b"\x21\0\x14"),
    ),
    Target(
        name="mqtt-3",
        about="packets of a broker, MQTT 3.1.1",
        prepare=pure(lambda data: _packets(data, five=False)),
        seeds=lambda: _streams(_OLD),
        words=(b"\xff\xff\xff\x7f", b"\x80\0", b"\x32"),
    ),
    Target(
        name="mqtt-own",
        about="our own messages, read again",
        prepare=pure(_published),
        seeds=lambda: [b"\0\1" + block(b"a/b") + b"body", b"\1\7" + block("Ä/€".encode()) + b"\0\1"],
    ),
    Target(
        name="sparkplug",
        about="commands to an edge node, and the state of its host",
        prepare=pure(_sparkplug),
        seeds=_commands,
        words=(b'"timestamp":', b'"online":', b"true", b"1e999", b"[", b"{", REBIRTH.encode(), b"NaN"),
        longest=70_000,
        everyday=600,
    ),
    Target(
        name="provisioning",
        about="answers of a provisioning service",
        prepare=pure(_provisioned),
        seeds=_answers,
        words=(
            b"retry-after=inf&",
            b"retry-after=-1&",
            b"inf",
            b"nan",
            b"-1",
            b'"registrationState":',
            b"[",
            b"{}",
            b"null",
        ),
        everyday=600,
    ),
    Target(
        name="websocket",
        about="frames of WebSocket",
        prepare=pure(_websocket),
        seeds=lambda: [
            b"\0" + bytes.fromhex("82 02 20 02 89 01 61 02 02 c0 00 80 01 00"),
            b"\3" + bytes.fromhex("82 7e 00 80") + bytes(128) + bytes.fromhex("88 05 03 e8 62 79 65"),
            b"\1" + bytes.fromhex("82 7f 00 00 00 00 00 01 00 00") + bytes(99),
        ],
        words=(b"\x82\x7e", b"\x82\x7f", b"\x89\0", b"\x88\2\3\xe8", b"\x80\0"),
    ),
    Target(
        name="upgrade",
        about="a server that goes on with WebSocket",
        prepare=pure(_upgraded),
        seeds=lambda: [
            b"\0HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + _ACCEPTED + b"\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n\x82\2",
            b"\0HTTP/1.1 404 no\r\n\r\n",
        ],
        words=(b"\r\n\r\n", b"Upgrade: ", b"mqtt", b", ", b"101", b"Sec-WebSocket-Extensions: x\r\n"),
        longest=9000,
    ),
    Target(
        name="proxy",
        about="what a proxy answers",
        prepare=pure(_proxied),
        seeds=lambda: [
            b"HTTP/1.1 200 Connection established\r\n\r\n",
            b"HTTP/1.0 407 no\r\nProxy-Authenticate: Basic\r\n\r\n",
        ],
        words=(b"\r\n\r\n", b"HTTP/1.", b"200"),
        longest=9000,
    ),
)
