"""What breaks on a BACnet network and on serial lines, with the real daemon and devices of other makes."""

from __future__ import annotations

import itertools
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

import pytest

from tests.faults.trial import Trial
from tests.faults.ways import Way, way
from tests.peers import bacnet, need
from tests.peers.mosquitto import free_port
from tests.peers.proxy import Spoil
from tests.peers.serial_line import serial_line, slave

_AIR = """
[link.bms]
driver = "bacnet-ip"
interface = "127.0.0.1/8"
port = {port}
timeout = "300ms"
[device.ahu]
link = "bms"
instance = 1011
every = "500ms"
[device.ahu.points]
supply = {{ object = "analog-input,3", unit = "Cel" }}
"""
_LINE = """
[link.cellar]
driver = "{driver}"
{where}
timeout = "500ms"
[device.pump]
link = "cellar"
unit = 1
every = "500ms"
[device.pump.points]
r1 = {{ table = "input", addr = 1 }}
r2 = {{ table = "input", addr = 2 }}
"""
_MORE = """
[product.more]
from = ["{points}"]
window = "1s"
late = "100ms"
statistics = ["last"]
[grant.more]
recipient = "city"
products = ["more"]
purpose = "operations"
basis = "public-task"
keep = "30d"
"""


def _with(table: str) -> Callable[[str], str]:
    return lambda text: text + table


# --- BACnet


def _device(host: str, port: int) -> AbstractContextManager[bacnet.Device]:
    return bacnet.rusty(instance=1011, interface=host, port=port, share_port=True, analog_input=5)


def _begin_with_air(trial: Trial) -> tuple[int, ExitStack]:
    """Start the site with an air handler beside its meter; give the port and what keeps the device."""
    port = bacnet.free_port()
    device = trial.stack.enter_context(ExitStack())
    device.enter_context(_device("127.0.0.2", port))
    trial.begin(edit=_with(_AIR.format(port=port)), share=_with(_MORE.format(points="ahu.supply")))
    return port, device


@pytest.mark.long
def test_a_bacnet_device_that_is_killed_is_read_again_when_it_is_back(trial: Trial) -> None:
    port, device = _begin_with_air(trial)
    with trial.hurt():
        device.close()
        trial.told("device-silent")
        device.enter_context(_device("127.0.0.2", port))
    trial.judge()


@pytest.mark.long
def test_a_bacnet_device_that_moved_is_found_by_its_instance(trial: Trial) -> None:
    port, device = _begin_with_air(trial)
    with trial.hurt():
        device.close()
        trial.told("device-silent")
        device.enter_context(_device("127.0.0.3", port))
    trial.judge()


@pytest.mark.long
def test_of_two_devices_with_one_instance_none_is_read_by_chance(trial: Trial) -> None:
    port, device = _begin_with_air(trial)
    with trial.hurt():
        device.close()
        with ExitStack() as both:
            both.enter_context(_device("127.0.0.3", port))
            both.enter_context(_device("127.0.0.4", port))
            trial.told("device-trouble", seconds=60)
            trial.marked("duplicate_instance")
        device.enter_context(_device("127.0.0.2", port))
    trial.judge()


# --- serial lines


@pytest.mark.long
def test_an_adapter_that_is_pulled_and_comes_back_as_another_port_is_found_by_its_name(trial: Trial) -> None:
    with serial_line(trial.folder) as line, ExitStack() as far:
        far.enter_context(slave(line.theirs, 1))
        where = f'path = "{line.ours}"\nlisten = "0s"'
        trial.begin(
            edit=_with(_LINE.format(driver="modbus-rtu", where=where)),
            share=_with(_MORE.format(points="pump.*")),
        )
        with trial.hurt():
            before = line.ours.resolve()
            far.close()
            line.unplug()
            with _taken(before.exists()):
                trial.told("link-failed")
                line.plug()
            far.enter_context(slave(line.theirs, 1))
        trial.judge()
        trial.daemon.close()


@contextmanager
def _taken(there: bool) -> Iterator[None]:
    """Keep some ports, so that the adapter comes back under another number."""
    import os

    assert not there
    held = [os.openpty() for _ in range(4)]
    try:
        yield
    finally:
        for end in itertools.chain.from_iterable(held):
            os.close(end)


def _noise(data: bytes) -> bytes:
    """Put stray bytes before a reply."""
    return b"\x00\xff\x37" + data


def _damaged(data: bytes) -> bytes:
    """Turn one bit, so that the checksum is wrong."""
    return bytes((*data[:-3], data[-3] ^ 0x10, *data[-2:]))


def _halves(data: bytes) -> bytes:
    """Lose the end of a reply."""
    return data[: len(data) // 2]


SPOILS: dict[str, Spoil] = {"noise": _noise, "damaged": _damaged, "halves": _halves}


@contextmanager
def _converter(trial: Trial) -> Iterator[Way]:
    """Run a slave on a line behind a converter that passes its bytes through TCP."""
    with serial_line(trial.folder) as line, slave(line.theirs, 1):
        port = free_port()
        ends = [f"tcp-listen:{port},bind=127.0.0.1,reuseaddr,fork", f"{line.ours},raw,echo=0"]
        with subprocess.Popen([need("socat"), *ends], stderr=subprocess.DEVNULL) as socat:
            try:
                with way(port) as breaks:
                    where = f'host = "127.0.0.1"\nport = {breaks.port}'
                    trial.begin(
                        edit=_with(_LINE.format(driver="modbus-rtu-tcp", where=where)),
                        share=_with(_MORE.format(points="pump.*")),
                    )
                    yield breaks
                    trial.daemon.close()
            finally:
                socat.terminate()


@pytest.mark.long
@pytest.mark.parametrize("spoil", SPOILS)
def test_a_line_with_noise_gives_no_wrong_value(trial: Trial, spoil: str) -> None:
    with _converter(trial) as breaks:
        with trial.hurt():
            breaks.set("garbage", spoil=SPOILS[spoil])
            time.sleep(6)
            breaks.set("ok")
        trial.judge()
        _only_right(trial)


@pytest.mark.long
def test_an_adapter_that_echoes_disturbs_nothing(trial: Trial) -> None:
    with _converter(trial) as breaks:
        with trial.hurt():
            breaks.set("echo")
            time.sleep(6)
            breaks.set("ok")
        trial.judge()
        _only_right(trial)


@pytest.mark.long
def test_late_replies_of_a_line_are_nobody_elses(trial: Trial) -> None:
    with _converter(trial) as breaks:
        with trial.hurt():
            breaks.set("slow", delay=0.4)
            time.sleep(6)
            breaks.set("ok")
        trial.judge()
        _only_right(trial)


def _only_right(trial: Trial) -> None:
    batches = [body for body in trial.books.bodies if body["p_"] == "more" and body["k"] == "batch"]
    values = {(row[0], row[2]) for body in batches for row in body["r"]}
    assert values <= {(f"pump.r{n}", value) for n in (1, 2) for value in (n, None)}, "register i holds i"
