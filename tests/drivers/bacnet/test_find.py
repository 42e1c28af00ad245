"""Devices are found by their instance: they share our port on other addresses of loopback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from agent.core.clock import SystemClock
from agent.core.duration import Duration
from agent.core.sample import Quality
from drivers.bacnet.device import BacnetDevice
from drivers.bacnet.find import Finder, UnfoundError
from drivers.bacnet.peer import Peer
from drivers.bacnet.point import BacnetPoint
from drivers.bacnet.stack import IAm, RefusedError, Route, SilentError
from drivers.bacnet.value import Fault, ObjectId, Ref
from drivers.bacnet_ip import BacnetIp
from tests.drivers.bacnet.kit import good, running
from tests.peers import bacnet
from tests.virtual import VirtualClock


@pytest.fixture(scope="module")
def port() -> int:
    return bacnet.free_port()


def at(host: str, port: int, instance: int = 1011) -> AbstractContextManager[bacnet.Device]:
    return bacnet.rusty(instance=instance, interface=host, port=port, share_port=True, analog_input=5)


@pytest.fixture
def device(port: int) -> Iterator[bacnet.Device]:
    with at("127.0.0.2", port) as one:
        yield one


def link(port: int, *devices: BacnetDevice) -> BacnetIp:
    return BacnetIp(
        name="bms", interface="127.0.0.1/8", port=port, timeout=Duration(0.3), rate=0.0, devices=devices
    )


def sought(instance: int = 1011, address: str = "") -> BacnetDevice:
    point = BacnetPoint(object="analog-input,3", unit="Cel")
    return BacnetDevice(
        name="ahu-1", instance=instance, address=address, every=Duration(0.1), points={"supply": point}
    )


async def test_a_device_is_found_by_its_instance(device: bacnet.Device, port: int) -> None:
    assert device.peer == Peer.parse(f"127.0.0.2:{port}")
    [reading] = await link(port, sought()).read((), SystemClock())
    assert reading.sample.value == pytest.approx(20.3)


async def test_a_device_that_is_not_there_is_named_as_such(
    device: bacnet.Device, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    [reading] = await link(port, sought(77)).read((), SystemClock())
    assert (reading.sample.value, reading.sample.quality) == (None, Quality.BAD)
    assert reading.sample.why == "no_reply"
    assert "nobody calls itself device 77" in caplog.text


async def test_two_devices_of_one_instance_are_not_read_by_chance(
    device: bacnet.Device, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with at("127.0.0.3", port) as second:
        [reading] = await link(port, sought()).read((), SystemClock())
        assert (reading.sample.value, reading.sample.why) == (None, "duplicate_instance")
        assert f"{device.address} and {second.address}" in caplog.text
        [reading] = await link(port, sought(address=second.address)).read((), SystemClock())
        assert reading.sample.value == pytest.approx(20.3)


async def test_a_device_that_moved_is_found_again(port: int) -> None:
    with at("127.0.0.2", port) as first:
        async with running(link(port, sought())) as (seen, desk):
            await seen.until("ahu-1.supply", good)
            assert desk.figures["ahu-1.at"] == first.address
            assert desk.figures["hint"] == ""  # our own broadcasts are not somebody else's
            first.kill()
            with at("127.0.0.4", port) as second:
                second.set("ANALOG_INPUT", 3, 31.0, type="real")
                await seen.until("ahu-1.supply", lambda one: one.value == 31)
                assert any(one.why == "no_reply" for one in seen.of("ahu-1.supply"))


class Told:
    """A network at the seam: what devices answer, and who says who it is."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.hear: Any = None

    def listen(self, hear: Any) -> Any:  # noqa: ANN401
        self.hear = hear

    async def read(self, _: Peer, __: Ref) -> Any:  # noqa: ANN401
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def who_is(self, low: int, high: int, at: Peer | None = None) -> None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.hear(answer)


UNKNOWN = RefusedError(Fault("error", 31, 1))


@pytest.mark.parametrize("second", [RefusedError(Fault("reject", 9)), ObjectId(8, 1011), "somebody"])
async def test_a_device_that_will_not_say_who_it_is_is_read_at_its_address(
    second: object, virtual: VirtualClock
) -> None:
    finder = Finder(Told(UNKNOWN, second), virtual, 1.0)  # type: ignore[arg-type]
    assert (await finder.find(sought(address="10.0.0.7"))).peer == Peer.parse("10.0.0.7")


async def test_where_nobody_can_be_asked_a_device_is_not_found_and_says_why(virtual: VirtualClock) -> None:
    finder = Finder(Told(SilentError("not registered at 10.0.0.1")), virtual, 1.0)  # type: ignore[arg-type]
    with pytest.raises(UnfoundError, match=r"not registered at 10\.0\.0\.1"):
        await finder.find(sought())
    assert finder.troubles == {"ahu-1": "not registered at 10.0.0.1"}


async def test_a_device_that_speaks_from_elsewhere_is_looked_for_again(virtual: VirtualClock) -> None:
    first, second = (IAm(Peer.parse(at), 1011, 480, False, 1) for at in ("10.0.0.7", "10.0.0.8"))
    network = Told(first, second)
    finder = Finder(network, virtual, 1.0)  # type: ignore[arg-type]
    assert (await finder.find(sought())).peer == first.peer
    network.hear(first)
    network.hear(Route(first.peer, (5,)))
    assert (await finder.find(sought())).peer == first.peer
    network.hear(second)
    assert (await finder.find(sought())).peer == second.peer
