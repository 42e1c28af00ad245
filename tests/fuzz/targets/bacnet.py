"""BACnet: datagrams from anybody on the network, answers of devices, and tables of whole buildings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Final

from agent.core.errors import ConfigError
from drivers.bacnet import apdu, frames
from drivers.bacnet.apdu import Confirmed
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.convert import Told, reading
from drivers.bacnet.ede import ede_files, ede_of
from drivers.bacnet.endpoint import Place
from drivers.bacnet.exchange import Exchange
from drivers.bacnet.interface import Interface
from drivers.bacnet.own import OwnDevice
from drivers.bacnet.peer import Peer
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.stack import Heard, Notice
from drivers.bacnet.tags import GarbledError, application, closing, context, opening, packed_object
from drivers.bacnet.value import Fault, ObjectId, Ref, Value
from tests.fuzz.loop import completed
from tests.fuzz.target import MARK, Feed, Target, block, pure, texts
from tests.virtual import VirtualClock

_DEVICE: Final = Peer.at("10.0.0.9", 47808)
_ROUTED: Final = Peer(2001, b"\x0c")
_SENSOR: Final = ObjectId(0, 1)
_ASKED: Final = Ref(_SENSOR, 85)
_MANY: Final = [_ASKED, Ref(_SENSOR, 111), Ref(ObjectId(8, apdu.ANY_INSTANCE), 76, 0)]
_OWN: Final = OwnDevice(instance=4000001, name="citygate", timeout=1.0)
_REPLIES: Final = frozenset({0x10, 0x20, 0x30, 0x40, 0x42, 0x50, 0x60, 0x71})
_POINTS: Final = (
    BacnetPoint(object="analog-input,1"),
    BacnetPoint(object="analog-input,1", scale=1e300, offset=-3.0),
    BacnetPoint(object="binary-input,1", codes={"1": 1.0, "0": 0.0}),
)


def _judged(value: Value | Fault) -> None:
    """Demand a finite number or a reason of whatever a device told."""
    said = (
        Told(value=value, at=1.0),
        Told(value=value, at=1.0, flags=value, reliability=value, event_state=value),
    )
    for found in (reading("d.p", point, told) for point in _POINTS for told in said):
        sample = found.sample
        assert sample.value is None or math.isfinite(sample.value), value
        assert sample.value is not None or sample.why
        assert len(found.raw) < 400


async def _client() -> tuple[Client, list[tuple[bytes, Any]], list[Heard]]:
    """Make a client with requests under way and a subscription; and what it sends and hears."""
    interface = Interface(host="10.0.0.2", broadcast="10.0.0.255")
    client = Client(Place(interface=interface, port=47808), _OWN, Pace(), VirtualClock())
    sent: list[tuple[bytes, Any]] = []
    heard: list[Heard] = []
    # the one way out of it, in the place of a socket
    main = SimpleNamespace(sendto=lambda data, to: sent.append((data, to)))
    client._endpoint._sockets = SimpleNamespace(main=main, ears=())  # type: ignore[assignment]
    for peer in (_DEVICE, _ROUTED):
        client._pending[peer, 1] = Exchange(Confirmed.READ_PROPERTY)
        client._pending[peer, 2] = Exchange(Confirmed.READ_PROPERTY_MULTIPLE)
        client._pending[peer, 3] = Exchange(Confirmed.SUBSCRIBE_COV)
        client._subscribed.add((peer, 7, _SENSOR))
    client.listen(heard.append)
    return client, sent, heard


def _datagrams(data: bytes) -> None:
    """Answer only with what harms nobody, and hear only what is subscribed."""
    completed(_received(Feed(data)))


async def _received(feed: Feed) -> None:
    client, sent, heard = await _client()
    for number, raw in enumerate(feed.blocks(), 1):
        client._endpoint.received(raw, _DEVICE if feed.byte() < 128 else Peer.at("10.0.0.77", 47808))
        assert len(sent) <= number, "two datagrams for one"
    for datagram, _ in sent:
        parts = frames.split(datagram)
        assert parts is not None
        function, body = parts
        if function != frames.Bvlc.RESULT:
            frame = frames.parse(function, body, _DEVICE)
            if frame is not None:
                assert frame.data[0] in _REPLIES, datagram.hex()
    for one in heard:
        if isinstance(one, Notice):
            assert (one.peer, one.process, one.object) in client._subscribed
            for _, value in one.values:
                _judged(value)
    for (peer, number), exchange in client._pending.items():
        assert len(exchange._parts) <= apdu.SEGMENTS * frames.MOST
        if exchange.done.done() and isinstance(outcome := exchange.done.result(), bytes):
            _answered(outcome, number)
        del peer


def _answered(data: bytes, number: int) -> None:
    try:
        if number == 2:
            answers = apdu.read_many_ack(data, _MANY)
            assert len(answers) == len(_MANY)
            for one in answers:
                _judged(one)
        else:
            _judged(apdu.read_ack(data, _ASKED))
    except GarbledError:
        pass


def _messages(data: bytes) -> None:
    """Read answers, errors, notices and I-Ams, or call them garbled."""
    feed = Feed(data)
    kind = feed.byte() % 6
    raw = feed.rest()
    try:
        match kind:
            case 0 | 1:
                _answered(raw, kind + 1)
            case 2:
                found = apdu.notice(raw, _DEVICE)
                assert len(found.values) <= 65
                for _, value in found.values:
                    _judged(value)
            case 3:
                _judged(apdu.error(raw))
            case 4:
                assert 0 <= apdu.i_am(raw, _DEVICE).instance <= 0x3FFFFF
            case 5:
                apdu.wanted(raw)
    except GarbledError:
        pass
    assert len(_OWN.answer(1, raw)) < 600


def _ede(data: bytes) -> None:
    """Read a table or refuse it in a sentence; what was read is the same when written and read again."""
    states, table = texts(data, 2)
    try:
        found = ede_of(table, "x_EDE.csv", (states, "x_StateTexts.csv") if states else None)
    except ConfigError as error:
        assert str(error).startswith("x_")
        return
    assert all(one.startswith(("x_EDE.csv:", "x_StateTexts.csv")) for one in found.faults)
    for device in found.devices:
        assert 0 <= device.instance <= 4_194_302
        assert len({one.id for one in device.objects}) == len(device.objects)
    written = ede_files(found.devices, project="x", changed="2026-11-28")
    again = ede_of(written[0], "x_EDE.csv", (written[1], "x_StateTexts.csv"))
    assert not again.faults, again.faults[:2]
    assert {one.instance: {each.id: each.unit for each in one.objects} for one in again.devices} == {
        one.instance: {each.id: each.unit for each in one.objects} for one in found.devices
    }


def _value(inner: bytes) -> bytes:
    return context(0, packed_object(_SENSOR)) + context(1, b"\x55") + opening(3) + inner + closing(3)


def _answers() -> list[bytes]:
    real = application(4, b"\x41\xac\0\0")
    inner = context(2, b"\x55") + opening(4) + real + closing(4)
    other = context(2, b"\x6f") + opening(4) + application(8, b"\x04\0") + closing(4)
    failed = (
        context(2, b"\x4c")
        + context(3, b"\0")
        + opening(5)
        + application(9, b"\2")
        + application(9, b"\x20")
        + closing(5)
    )
    many = context(0, packed_object(_SENSOR)) + opening(1) + inner + other + closing(1)
    many += context(0, packed_object(ObjectId(8, 1011))) + opening(1) + failed + closing(1)
    values = [
        real,
        application(5, b"\x40\x35\0\0\0\0\0\0"),
        application(7, b"\0Halle"),
        application(2, b"\5"),
        b"\x11",
        b"\0",
    ]
    return [_value(one) for one in values] + [many]


def _notices() -> list[bytes]:
    value = context(0, b"\x55") + opening(2) + application(4, b"\x41\xac\0\0") + closing(2)
    flags = context(0, b"\x6f") + opening(2) + application(8, b"\x04\x40") + closing(2)
    head = (
        context(0, b"\7")
        + context(1, packed_object(ObjectId(8, 1011)))
        + context(2, packed_object(_SENSOR))
        + context(3, b"\x3c")
    )
    return [head + opening(4) + value + flags + closing(4)]


def _message_seeds() -> Sequence[bytes]:
    error = application(9, b"\2") + application(9, b"\x20")
    i_am = (
        application(12, packed_object(ObjectId(8, 1011)))
        + application(2, b"\5\xc4")
        + application(9, b"\0")
        + application(2, b"\x0f")
    )
    return [
        *(bytes((kind,)) + one for kind in (0, 1) for one in _answers()),
        *(b"\2" + one for one in _notices()),
        b"\3" + error,
        b"\3" + opening(0) + error + closing(0),
        b"\4" + i_am,
        b"\5",
        b"\5" + context(0, b"\1") + context(1, b"\xff"),
    ]


def _sent(apdus: Sequence[bytes], *, routed: bool = False, function: int = 0x0A) -> bytes:
    head = b"\1\x08\x07\xd1\1\x0c" if routed else b"\1\0"
    return b"".join(block(frames.datagram(frames.Bvlc(function), head + one)) + b"\0" for one in apdus)


def _datagram_seeds() -> Sequence[bytes]:
    answers, notice = _answers(), _notices()[0]
    parts = [b"\x3c\2" + bytes((n, 4)) + b"\x0e" + answers[-1][8 * n : 8 * n + 8] for n in range(8)]
    last = b"\x38\2\x08\4\x0e" + answers[-1][64:]
    who = b"\1\x80\1\x07\xd1\x07\xd2"
    return [
        *(_sent([b"\x30\1\x0c" + one], routed=routed) for one in answers for routed in (False, True)),
        _sent([b"\x30\2\x0e" + answers[-1]]),
        _sent([*parts, last]),
        _sent([*parts, parts[0], last], routed=True),
        _sent([b"\x20\3\x05"]),
        _sent([b"\x50\1\x0c\x91\2\x91\x20"]),
        _sent([b"\x60\1\x09"]),
        _sent([b"\x71\1\4"]),
        _sent([b"\x10\2" + notice]),
        _sent([b"\0\5\x09\1" + notice]),
        _sent([b"\x10\x08"], function=0x0B),
        _sent([b"\x10\0" + _message_seeds()[-3][1:]], function=0x0B),
        _sent([b"\0\5\x09\x0f\x0c\0\0\0\1"]),
        block(frames.datagram(frames.Bvlc.UNICAST, who)) + b"\0",
        block(frames.result(0)) + b"\0",
        block(b"\x81\x05\0\6\0\x3c") + b"\0",
        block(b"\x81\4\0\x10\x0a\0\0\x09\xba\xc0\1\0\x10\x08\0\0") + b"\0",
    ]


def _ede_seeds() -> Sequence[bytes]:
    head = (
        b"#keyname;device obj.-instance;object-name;object-type;object-instance;description;"
        b"min-present-value;state-text-reference;unit-code\r\n"
    )
    rows = b"a;1011;AHU1.SupT;0;1;supply;-3,5;;62\r\nb;1011;Fan;BI;2;;;1;\r\nc;1011;AHU1;8;1011;;;;\r\n"
    about = b"PROJECT_NAME;Halle\r\nVERSION_OF_LAYOUT;2.3\r\n"
    states = b"#State Text Reference\r\n1;off;on\r\n2;cold;mild;warm\r\n"
    table = about + head + rows
    wide = table.decode().encode("utf-16")
    return [
        states + MARK + table,
        MARK + table,
        MARK + table.replace(b";", b","),
        MARK + wide,
        states + MARK + b"sep=\t\r\n" + table.replace(b";", b"\t"),
        MARK + b"\xef\xbb\xbf" + table,
    ]


_WORDS: Final = (
    b"\x0e",
    b"\x0f",
    b"\x1e",
    b"\x3e",
    b"\x3f",
    b"\x4e",
    b"\x4f",
    b"\xc4",
    b"\x0c\0\0\0\1",
    b"\x19\x55",
)
TARGETS: Final = (
    Target(
        name="bacnet-datagrams",
        about="datagrams: answers in parts, notices, routers, broadcast managers",
        prepare=pure(_datagrams),
        seeds=_datagram_seeds,
        words=(*_WORDS, b"\x81\x0a\0", b"\1\x20\xff\xff"),
        everyday=300,
    ),
    Target(
        name="bacnet-messages",
        about="values, errors, notices, I-Am",
        prepare=pure(_messages),
        seeds=_message_seeds,
        words=_WORDS,
    ),
    Target(
        name="ede",
        about="tables of a building's objects",
        prepare=pure(_ede),
        seeds=_ede_seeds,
        words=(b";", b"\r\n", b'"', b"sep=", b"1011", b"AI", b"'", b"=", b"degrees-celsius"),
        everyday=150,
    ),
)
