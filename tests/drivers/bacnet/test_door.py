"""What others may do to us: nothing. They are clients that we did not write, and bytes of any kind."""

from __future__ import annotations

import asyncio
import errno
import random
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import rusty_bacnet as rusty

from agent.core.clock import SystemClock
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.endpoint import Place
from drivers.bacnet.figures import Figures
from drivers.bacnet.interface import Interface, Sockets
from drivers.bacnet.peer import Peer
from drivers.bacnet.stack import Heard, IAm, Notice, RefusedError, Subscription
from drivers.bacnet.value import ObjectId
from tests.drivers.bacnet.kit import OWN, client, ref
from tests.drivers.bacnet.wire import fake, object_id, wrapped
from tests.peers import bacnet
from tests.virtual import VirtualClock

DEVICE = rusty.ObjectIdentifier(rusty.ObjectType.DEVICE, OWN.instance)
NAME = rusty.PropertyIdentifier.OBJECT_NAME
STRANGER, BBMD = Peer.parse("127.0.0.1:40000"), Peer.parse("127.0.0.1:9")
WRITE = b"\x00\x05\x01\x0f\x0c" + object_id(8, OWN.instance) + b"\x19\x4d\x3e\x75\x02\x00x\x3f"
Attack = Callable[[Any, str], Coroutine[Any, Any, object]]

ATTACKS: dict[str, Attack] = {
    "write": lambda one, at: one.write_property(at, DEVICE, NAME, rusty.PropertyValue.character_string("x")),
    "restart": lambda one, at: one.reinitialize_device(at, rusty.ReinitializedState.COLDSTART),
    "silence": lambda one, at: one.device_communication_control(at, rusty.EnableDisable.DISABLE),
    "delete": lambda one, at: one.delete_object(at, DEVICE),
    "create": lambda one, at: one.create_object(at, rusty.ObjectType.ANALOG_VALUE),
    "subscribe": lambda one, at: one.subscribe_cov(at, 1, DEVICE, False),
}


@pytest.fixture
async def foreigner() -> Any:  # noqa: ANN401 - it has no types
    async with rusty.BACnetClient("127.0.0.1", 0, "127.255.255.255", apdu_timeout_ms=2000) as one:
        yield one


@pytest.mark.parametrize("name", list(ATTACKS))
async def test_a_foreign_client_changes_nothing(foreigner: Any, name: str) -> None:  # noqa: ANN401
    async with client() as ours:
        at = str(ours.address)
        with pytest.raises(rusty.BacnetRejectError, match="reason=9"):
            await ATTACKS[name](foreigner, at)
        assert ours.door.refused == 1
        told = await foreigner.read_property(at, DEVICE, NAME)
        assert "gateway" in str(told.value)


async def test_a_foreign_client_reads_who_we_are(foreigner: Any) -> None:  # noqa: ANN401
    async with client() as ours:
        at = str(ours.address)
        for name in (
            "OBJECT_NAME",
            "VENDOR_NAME",
            "PROTOCOL_SERVICES_SUPPORTED",
            "OBJECT_LIST",
            "SYSTEM_STATUS",
        ):
            await foreigner.read_property(at, DEVICE, getattr(rusty.PropertyIdentifier, name))
        with pytest.raises(rusty.BacnetProtocolError, match="class=2 code=32"):
            await foreigner.read_property(at, DEVICE, rusty.PropertyIdentifier.PRESENT_VALUE)


async def test_a_client_in_javascript_changes_nothing_either() -> None:
    async with client() as ours:
        found = await bacnet.node_bacnet(str(ours.address), OWN.instance)
        assert (found["name"], found["nameAfterwards"]) == ("gateway", "gateway")
        for act in ("write", "restart", "silence", "many"):
            assert found[act].startswith("refused"), act
        assert ours.door.refused == 4


class Line:
    """A bare socket beside us: sends bytes, and gives what comes back."""

    def __init__(self, to: Peer) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(to.place)

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, datagram: bytes) -> None:
        self._socket.send(datagram)

    def answers(self) -> list[bytes]:
        """Give what has come so far."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(2000))
            except BlockingIOError:
                return found


async def settled() -> None:
    """Let the loop take what waits in its sockets."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("virtual")
async def test_a_refusal_goes_back_the_way_the_request_came() -> None:
    async with client() as ours:
        with Line(ours.address) as line:
            line.send(wrapped(WRITE, b"\x01\x0c\x07\xd1\x01\x0c"))  # from station 12 of network 2001
            await settled()
            assert line.answers() == [wrapped(b"\x60\x01\x09", b"\x01\x20\x07\xd1\x01\x0c\xff")]


@pytest.mark.usefixtures("virtual")
@pytest.mark.parametrize("head", [b"\x01\x20\xff\xff\x00\xff", b"\x01\x20\x07\xd1\x00\xff"])
async def test_a_request_to_everybody_gets_no_answer_that_could_be_multiplied(head: bytes) -> None:
    async with client() as ours:
        with Line(ours.address) as line:
            line.send(wrapped(WRITE, head))
            line.send(wrapped(WRITE, function=0x0B))
            await settled()
            assert line.answers() == []


@pytest.mark.usefixtures("virtual")
async def test_requests_of_a_broadcast_manager_are_refused() -> None:
    async with client() as ours:
        with Line(ours.address) as line:
            line.send(b"\x81\x05\x00\x06\x00\x3c")  # register as foreign device
            line.send(b"\x81\x01\x00\x04")  # write the table
            await settled()
            assert line.answers() == [b"\x81\x00\x00\x06\x00\x30", b"\x81\x00\x00\x06\x00\x10"]


async def test_a_flood_of_questions_is_not_answered_as_a_flood(virtual: VirtualClock) -> None:
    async with client(clock=virtual) as ours:
        with Line(ours.address) as line:
            for _ in range(1000):
                line.send(wrapped(b"\x10\x08"))
            await settled()
            assert len(line.answers()) == 60
            await virtual.sleep(10)
            line.send(wrapped(b"\x10\x08"))
            await settled()
            assert line.answers() == [wrapped(OWN.i_am())]


NOTIFICATION = (
    b"\x00\x05\x07\x01\x09\x01\x1c" + object_id(8, 5) + b"\x2c" + object_id(0, 1)
    + b"\x39\x3c\x4e\x09\x55\x2e\x44\x41\xa0\x00\x00\x2f\x4f"
)  # fmt: skip


async def test_a_notification_without_subscription_is_turned_away() -> None:
    heard: list[Heard] = []
    async with client() as ours:
        ours.listen(heard.append)
        with Line(ours.address) as line:
            line.send(wrapped(NOTIFICATION))
            await settled()
            assert line.answers() == [wrapped(b"\x50\x07\x01\x91\x05\x91\x4f")]
        assert heard == []


async def test_a_notification_is_heard_as_long_as_its_subscription_lasts() -> None:
    heard: list[Heard] = []
    one = ObjectId.parse("analog-input,1")
    async with fake() as device, client() as ours:
        ours.listen(heard.append)
        await ours.subscribe(device.peer, Subscription(1, one, 60, confirmed=True))
        device.send(NOTIFICATION, ours.address.place)
        await settled()
        assert [type(found) for found in heard] == [Notice]
        await ours.unsubscribe(device.peer, 1, one)
        device.send(NOTIFICATION, ours.address.place)
        await settled()
        assert len(heard) == 1


async def test_what_is_sent_to_everybody_is_heard_and_not_what_we_sent_ourselves() -> None:
    heard: list[Heard] = []
    place = Place(interface=Interface("127.0.0.1", "127.255.255.255"), port=bacnet.free_port())
    ours = Client(place, OWN, Pace(), SystemClock())
    await ours.open()
    try:
        ours.listen(heard.append)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
            device.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            device.bind(("127.0.0.3", 0))
            i_am = b"\x10\x00\xc4\x02\x00\x03\xf3\x22\x01\xe0\x91\x03\x21\x0f"
            device.sendto(wrapped(i_am, function=0x0B), ("127.255.255.255", place.port))
            await settled()
            assert [getattr(found, "instance", None) for found in heard] == [1011]
        await ours.who_is()
        await settled()
        assert ours.door.rival is None
        assert len(heard) == 1
    finally:
        await ours.close()


async def test_somebody_with_our_number_is_noticed() -> None:
    async with client() as ours:
        with Line(ours.address) as line:
            line.send(wrapped(OWN.i_am()))
            await settled()
        assert ours.door.rival is not None


@pytest.mark.usefixtures("virtual")
async def test_late_doubled_and_foreign_answers_are_harmless() -> None:
    async with fake() as device, client() as ours:
        point = ref("analog-input,1 present-value")
        assert await ours.read(device.peer, point) == 21
        device.change = lambda reply: [reply, reply]  # doubled
        assert await ours.read(device.peer, point) == 21
        device.change = lambda reply: [
            b"\x30" + bytes((reply[1] ^ 1,)) + reply[2:],
            reply,
        ]  # of another number
        assert await ours.read(device.peer, point) == 21
        device.change = lambda reply: [reply.replace(object_id(0, 1), object_id(0, 2))]  # of another question
        with pytest.raises(RefusedError, match="garbled"):
            await ours.read(device.peer, point)
        with Line(ours.address) as line:  # of another station
            reader = asyncio.ensure_future(ours.read(device.peer, point))
            device.change = lambda reply: [reply]
            line.send(wrapped(device.one(5, (0, 1, 85)).replace(b"\x41\xa8", b"\x42\xa8")))
            assert await reader == 21
        assert ours.strays >= 2


def junk(seed: int, count: int) -> Iterator[bytes]:
    """Give bytes of all kinds: noise, frames with noise in them, sound frames cut, changed or made longer."""
    chance = random.Random(seed)
    sound = [
        wrapped(WRITE),
        wrapped(b"\x10\x08\x09\x00\x1a\x03\xe8"),
        wrapped(b"\x10\x00\xc4\x02\x00\x03\xf3\x22\x05\xc4\x91\x03\x21\x0f"),
        wrapped(b"\x00\x05\x01\x0c\x0c" + object_id(8, OWN.instance) + b"\x19\x4c"),
        wrapped(b"\x30\x01\x0e\x0c\x00\x00\x00\x01\x1e\x29\x55\x4e\x44\x41\xa0\x00\x00\x4f\x1f"),
        wrapped(b"\x3c\x01\x00\x10\x0e" + bytes(40)),
        wrapped(
            b"\x00\x05\x01\x01\x09\x01\x1c" + object_id(8, 5) + b"\x2c" + object_id(0, 1) + b"\x39\x3c\x4e"
        ),
        wrapped(b"\x01\x07\xd1", b"\x01\x80"),
        wrapped(b"\x10\x08", b"\x01\x28\xff\xff\x00\x07\xd1\x01\x0c\xff", 0x04),
    ]
    for _ in range(count):
        data = bytearray(chance.choice(sound))
        match chance.randrange(5):
            case 0:
                data = bytearray(chance.randbytes(chance.randrange(60)))
            case 1:
                del data[chance.randrange(len(data)) :]
            case 2:
                data[4:] = chance.randbytes(chance.randrange(80))
            case 3:
                data += chance.randbytes(chance.randrange(20))
            case _:
                data[chance.randrange(len(data))] = chance.randrange(256)
        if len(data) >= 4 and chance.random() < 0.8:
            data[:4] = b"\x81" + data[1:2] + len(data).to_bytes(2, "big")
        yield bytes(data)


@pytest.mark.parametrize("count", [4000, pytest.param(100_000, marks=pytest.mark.long)])
async def test_a_storm_of_junk_neither_stops_nor_slows_the_link(count: int) -> None:
    async with fake() as device, client() as ours:
        point = ref("analog-input,1 present-value")
        lags: list[float] = []
        device.change = lambda reply: [next(noise), reply]
        noise = junk(7, 10**9)
        with Line(ours.address) as line:
            for at, datagram in enumerate(junk(1, count)):
                line.send(datagram or b"x")
                if at % 50 == 0:
                    began = time.perf_counter()
                    assert await ours.read(device.peer, point) == 21
                    lags.append(time.perf_counter() - began)
        assert sorted(lags)[len(lags) * 99 // 100] < 0.05
        assert ours.dropped > count / 4
        assert ours.counts(device.peer).silences == 0


async def test_i_am_is_heard_from_behind_a_router() -> None:
    heard: list[Heard] = []
    async with client() as ours:
        ours.listen(heard.append)
        with Line(ours.address) as line:
            i_am = b"\x10\x00\xc4\x02\x00\x03\xf3\x22\x01\xe0\x91\x03\x21\x0f"
            line.send(wrapped(i_am, b"\x01\x28\xff\xff\x00\x07\xd1\x01\x0c\xff"))
            await settled()
        assert heard == [IAm(Peer.parse("2001:12"), 1011, 480, segments=False, vendor=15)]


@pytest.mark.usefixtures("virtual")
async def test_what_reaches_the_endpoint_from_strangers_changes_nothing() -> None:
    notice = b"\x10\x02\x09\x01\x1c\x02\x00\x03\xf3\x2c\x00\x00\x00\x01\x39\x3c\x4e"
    notice += b"\x09\x55\x2e\x44\x41\xa0\x00\x00\x2f\x4f"
    async with client() as ours:
        heard: list[Heard] = []
        ours.listen(heard.append)
        endpoint = ours._endpoint
        endpoint.received(wrapped(notice), STRANGER)  # nobody subscribed
        endpoint.received(b"\x81\x00\x00\x06\x00\x00", STRANGER)  # a confirmation that nobody asked for
        assert (heard, ours.dropped) == ([], 0)
        assert ours.registration is None


async def test_a_broadcast_manager_that_is_not_ours_forwards_nothing_to_us() -> None:
    ours = Client(Place(interface=Interface("127.0.0.1"), port=0, bbmd=BBMD), OWN, Pace(), SystemClock())
    heard: list[Heard] = []
    ours.listen(heard.append)
    i_am = b"\x10\x00\xc4" + object_id(8, 77) + b"\x22\x05\xc4\x91\x03\x21\x0f"
    forwarded = wrapped(i_am, Peer.parse("10.9.9.9").mac + b"\x01\x00", 0x04)
    ours._endpoint.received(forwarded, STRANGER)
    assert (heard, ours.dropped) == ([], 1)
    ours._endpoint.received(forwarded, BBMD)
    assert [one.instance for one in heard if isinstance(one, IAm)] == [77]


class Broken:
    """A socket that the kernel has no room, or no way, for any more."""

    def __init__(self, error: OSError) -> None:
        self.error = error

    def sendto(self, *_: object) -> None:
        raise self.error

    def recvfrom(self, _: int) -> None:
        raise self.error


async def test_a_full_or_failing_socket_costs_its_datagrams_and_no_more() -> None:
    async with client() as ours:
        endpoint, kept = ours._endpoint, ours._endpoint._sockets
        endpoint._sockets = Sockets(Broken(BlockingIOError()), ())  # type: ignore[arg-type]
        endpoint.send(b"\x10\x08", STRANGER, STRANGER)
        assert (ours.dropped, ours.unsent) == (1, 0)
        endpoint._readable(Broken(OSError(errno.ENOBUFS, "No buffer space available")))  # type: ignore[arg-type]
        assert (ours.dropped, ours.unsent) == (1, 1)
        assert not endpoint._lost.done()
        endpoint._sockets = kept


async def test_a_link_that_is_ended_while_it_registers_gives_its_socket_back() -> None:
    ours = Client(Place(interface=Interface("127.0.0.1"), port=0, bbmd=BBMD), OWN, Pace(), SystemClock())
    opening = asyncio.create_task(ours.open())
    await asyncio.sleep(0)
    assert ours._endpoint._sockets is not None
    main = ours._endpoint._sockets.main
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert ours._endpoint._sockets is None
    assert main.fileno() == -1


async def test_a_link_shows_its_registration_its_strays_and_its_rival() -> None:
    ours = Client(Place(interface=Interface("127.0.0.1"), port=0, bbmd=BBMD), OWN, Pace(), SystemClock())
    figures: dict[str, float | str] = {}
    ours._endpoint.received(wrapped(b"\x20\x63\x0c"), STRANGER)  # an answer to no question
    ours._endpoint.received(
        wrapped(b"\x10\x00\xc4" + object_id(8, OWN.instance) + b"\x22\x05\xc4\x91\x03\x21\x0f"), STRANGER
    )
    Figures(figures).link(ours, ())
    assert figures["registration"] == f"{BBMD} waiting"
    assert figures["strays"] == 1
    assert figures["hint"] == f"{STRANGER} calls itself by our device_id: set another one"


@pytest.mark.usefixtures("virtual")
async def test_a_flood_for_a_broadcast_manager_is_not_answered_as_a_flood() -> None:
    async with client() as ours:
        with Line(ours.address) as line:
            for _ in range(100):
                ours._endpoint.received(b"\x81\x05\x00\x06\x00\x3c", Peer.at(*line._socket.getsockname()))
            await settled()
            assert 1 <= len(line.answers()) <= 10
        assert ours.dropped == 100
