"""A search goes through the running gateway's link as it would go by itself, and can say nothing else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.driver import Desk
from agent.core.duration import Duration
from agent.core.errors import GatewayError
from agent.core.sample import Sample
from agent.core.search import Found, Told
from drivers.bacnet.client import Client, Pace
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.peer import Peer
from drivers.bacnet.plain import decoded, encoded
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.probe import Remote, serve
from drivers.bacnet.roll_call import Attendance, RollCall
from drivers.bacnet.stack import Heard, Notice, RefusedError, Route, SilentError, Stack, Subscription
from drivers.bacnet.value import Bits, Fault, Null, ObjectId, Opaque, Value
from drivers.bacnet_ip import BacnetIp
from drivers.searches.bacnet import Bacnet
from tests.drivers.bacnet.kit import client, ref
from tests.drivers.bacnet.stations import Station, town
from tests.drivers.bacnet.test_roll_call import Eager, at_home
from tests.peers import bacnet


class Through:
    """A link of a running gateway, asked as through its socket: everything is text on the way."""

    name = "bms"

    def __init__(self, desk: Desk, **settings: Any) -> None:  # noqa: ANN401
        self.settings = {"driver": "bacnet-ip", "interface": "127.0.0.1/8", **settings}
        self._desk = desk

    async def probe(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        told = await self._desk.probe(json.loads(json.dumps(dict(question), allow_nan=False)))
        answer: Mapping[str, Any] = json.loads(json.dumps(dict(told), allow_nan=False))
        return answer


class Holding:
    """The facts of a gateway that holds one link."""

    def __init__(self, link: Through) -> None:
        self._link = link

    def shipped(self, folder: str) -> dict[str, dict[str, Any]]:
        raise AssertionError(folder)

    def secret(self, reference: str) -> str:
        raise AssertionError(reference)

    async def held(self) -> list[Through]:
        return [self._link]


@pytest.fixture(scope="module")
def device() -> Iterator[bacnet.Device]:
    with bacnet.rusty(instance=1011, name="air handler", analog_input=30, multistate_input=1) as one:
        yield one


@asynccontextmanager
async def served(ours: Client) -> AsyncIterator[Remote]:
    """Let a client of ours answer probes; give the far end."""
    desk = Desk()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(ours, desk, Eager()))
        remote = Remote(Through(desk), Eager())
        await remote.open()
        watching = tasks.create_task(remote.watch())
        yield remote
        watching.cancel()
        serving.cancel()


async def test_a_search_through_a_running_link_finds_what_one_of_its_own_finds(device: bacnet.Device) -> None:
    port = bacnet.free_port()
    polled = BacnetDevice(
        name="ahu", address=device.address, every=Duration(0.1),
        points={"t": BacnetPoint(object="analog-input,1")},
    )  # fmt: skip
    link = BacnetIp(name="bms", interface="127.0.0.1/8", port=port, devices=(polled,))
    desk, samples = Desk(), list[Sample]()
    told: list[Told] = []
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(link.run(samples.extend, SystemClock(), desk))
        through = Holding(Through(desk, port=port))
        search = Bacnet(targets=(device.address,), port=port, settle=Duration(0.5))
        await search.search(through, SystemClock(), told.append)
        running.cancel()
    alone: list[Told] = []
    search = Bacnet(targets=(device.address,), interface="127.0.0.1/8", port=0, settle=Duration(0.3))
    await search.search(Holding(Through(desk, port=1)), SystemClock(), alone.append)
    [found], [expected] = ([one for one in some if isinstance(one, Found)] for some in (told, alone))
    assert found.device == expected.device
    assert (found.on, expected.on) == ("bms", "")
    assert desk.figures["probes"] != 0
    assert samples
    assert [sample.value for sample in samples] == [pytest.approx(20.1)] * len(samples)


async def test_every_call_of_the_seam_goes_through(device: bacnet.Device) -> None:
    async with client() as ours, served(ours) as remote:
        stack: Stack = remote
        assert await stack.read(device.peer, ref("device,1011 object-name")) == "air handler"
        many = [ref("analog-input,1 present-value"), ref("63,1 present-value")]
        assert await stack.read_many(device.peer, many) == [pytest.approx(20.1), Fault("error", 31, 1)]
        with pytest.raises(RefusedError, match="unknown-object"):
            await stack.read(device.peer, ref("analog-input,999 present-value"))
        with pytest.raises(SilentError, match="does not answer"):
            await stack.read(Peer.parse("127.0.0.1:9"), ref("device,1 object-name"))
        with pytest.raises(SilentError, match="nobody can be asked"):
            await stack.who_is()
        with pytest.raises(RefusedError):
            await stack.subscribe(device.peer, Subscription(1, ObjectId(0, 1), 60))


async def test_who_is_there_is_heard_through_a_running_link() -> None:
    stations = [Station(1, "127.0.1.1"), Station(77, "127.0.1.9", 2001, b"\x0c")]
    there = Attendance()
    async with (
        town(stations, router="127.0.1.9") as (_, port),
        at_home(port) as ours,
        served(ours) as remote,
    ):
        remote.listen(there.note)
        await RollCall(remote, Eager(), there, settle=3).everybody(0, 99, lambda *_: None)
    assert {str(peer) for peer in there.devices} == {f"127.0.1.1:{port}", "2001:12"}
    assert set(there.networks) == {2001}


@pytest.mark.parametrize(
    "question",
    [
        {"ask": "write", "at": "127.0.0.1"},
        {"ask": "read", "at": "127.0.0.1"},
        {"ask": "read", "at": "127.0.0.1", "refs": [[0, 1, 85, -1]], "value": 1},
        {"ask": "read", "at": "nowhere", "refs": [[0, 1, 85, -1]]},
        {"ask": "read", "at": "127.0.0.1", "refs": [[1024, 1, 85, -1]]},
        {"ask": "read-many", "at": "127.0.0.1", "refs": [[0, 1, 85, -1]] * 201},
        {},
    ],
)
async def test_what_is_no_bounded_read_is_declined_in_a_sentence(question: dict[str, Any]) -> None:
    desk = Desk()
    async with client() as ours, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve(ours, desk, SystemClock()))
        with pytest.raises(GatewayError, match="this cannot be asked of a BACnet link: "):
            await Through(desk).probe(question)
        serving.cancel()


values = st.recursive(
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=6)
    | st.builds(ObjectId, st.integers(0, 1023), st.integers(0, 4194303))
    | st.builds(Bits, st.lists(st.booleans(), max_size=6).map(tuple))
    | st.just(Null())
    | st.builds(Opaque, st.binary(max_size=6)),
    lambda some: st.lists(some, max_size=4).map(tuple),
    max_leaves=8,
)


@given(
    values | st.builds(Fault, st.sampled_from(["error", "reject", "abort", "garbled"]), st.integers(0, 255))
)
def test_a_value_survives_the_way_through_the_socket(value: Value) -> None:
    assert decoded(json.loads(json.dumps(encoded(value), allow_nan=False))) == value


@pytest.mark.parametrize("told", [{"word": 1}, {"object": 1}, {}, None, {"bytes": "xy"}])
def test_words_that_are_not_known_are_refused(told: object) -> None:
    with pytest.raises(GatewayError, match="this command does not know"):
        decoded(told)


async def test_what_a_link_does_besides_reading_is_refused_to_who_looks_around(device: bacnet.Device) -> None:
    async with client() as ours, served(ours) as remote:
        with pytest.raises(RefusedError, match="unrecognized-service"):
            await remote.unsubscribe(device.peer, 1, ObjectId(0, 1))
        assert remote.counts(device.peer).requests == 0


async def test_a_value_that_is_a_refusal_is_one_on_this_side_too() -> None:
    class Odd:
        async def probe(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
            return {"value": encoded(Fault("error", 31, 1))}

    with pytest.raises(RefusedError, match="unknown-object"):
        await Remote(Odd(), Eager()).read(Peer.parse("10.0.0.7"), ref("analog-input,1 present-value"))  # type: ignore[arg-type]


async def test_a_question_under_way_when_the_link_ends_is_answered_in_a_sentence() -> None:
    async with client(Pace(timeout=20, retries=0, rate=0)) as ours:
        desk = Desk()
        serving = asyncio.create_task(serve(ours, desk, Eager()))
        asking = desk.probe({"ask": "read", "at": "127.0.0.1:9", "refs": [[8, 1, 77, -1]]})
        for _ in range(10):
            await asyncio.sleep(0)
        assert ours._pending
        serving.cancel()
        with pytest.raises(GatewayError, match="the link ended before it could ask"):
            await asking


async def test_a_notice_is_no_voice_and_a_router_is_one() -> None:
    async with client() as ours, served(ours) as remote:
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        remote.listen(heard.put_nowait)
        router, elsewhere = Peer.parse("10.0.0.1"), Peer.parse("10.0.0.7")
        ours._tell(Notice(elsewhere, 1, 7, ObjectId(0, 1), 60, ()))
        ours._tell(Route(router, (5, 2001)))
        async with asyncio.timeout(5):
            assert await heard.get() == Route(router, (5, 2001))


async def test_an_answer_that_nobody_waits_for_any_more_harms_nothing(device: bacnet.Device) -> None:
    question = {"ask": "read", "at": device.address, "refs": [[8, 1011, 77, -1]]}
    nobody = question | {"at": "127.0.0.1:9"}
    async with client() as ours, served(ours) as remote:
        link = remote._held
        assert isinstance(link, Through)
        gone = link._desk.probe(nobody)
        for _ in range(200):  # until it is being asked
            if not ours._pending:
                await asyncio.sleep(0.001)
        assert ours._pending
        gone.cancel()
        assert decoded((await link.probe(question))["value"]) == "air handler"
