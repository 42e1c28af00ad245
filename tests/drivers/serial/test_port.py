"""A serial port is ours alone, is read without blocking, and says clearly what is wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]

from agent.core.errors import DriverError
from drivers.serial import opening as module
from drivers.serial.port import SerialPort
from drivers.serial.tcp import connect
from tests.drivers.serial.kit import Adapter


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    plugged = Adapter(tmp_path).plug()
    yield plugged
    plugged.unplug()


async def test_bytes_come_as_they_are_sent(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600)
    adapter.send(b"\x00\xff\r\n\x11\x13\x03")
    got = b""
    async with asyncio.timeout(10):
        while len(got) < 7:
            got += await port.read()
    assert got == b"\x00\xff\r\n\x11\x13\x03"
    port.close()


async def test_a_second_owner_is_refused(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600)
    with pytest.raises(DriverError, match="is in use by another program"):
        SerialPort(str(adapter.path), 9600)
    port.close()
    SerialPort(str(adapter.path), 9600).close()


async def test_speed_and_form_are_set_and_parity_is_checked(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600, "7E1")
    iflag, _, cflag, _, ispeed, _, cc = adapter.termios()
    port.close()
    assert ispeed == termios.B9600
    assert iflag & termios.INPCK
    assert not iflag & (termios.IXON | termios.ICRNL)
    assert cc[termios.VMIN] in (1, b"\x01")
    assert not cflag & termios.PARODD
    assert not port.low_latency, "a pseudo-terminal has no adapter that could hurry"


async def test_an_unplugged_adapter_ends_the_read_at_once(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600)
    reading = asyncio.create_task(port.read())
    await asyncio.sleep(0)
    adapter.unplug()
    with pytest.raises(DriverError, match=r"is gone \(.+\); was its adapter unplugged\?"):
        async with asyncio.timeout(5):
            await reading
    port.close()


async def test_a_cancelled_read_leaves_nothing_behind(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600)
    reading = asyncio.create_task(port.read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    adapter.send(b"x")
    async with asyncio.timeout(10):
        assert await port.read() == b"x"
    port.close()


async def test_a_port_that_is_not_there_names_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BY_ID", tmp_path / "by-id")
    with pytest.raises(DriverError, match="usb-Old is not there; no serial adapter is plugged in"):
        SerialPort(str(tmp_path / "usb-Old"), 9600)
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id" / "usb-New-port0").touch()
    with pytest.raises(DriverError, match=r"is not there; plugged in \(.*by-id\): usb-New-port0"):
        SerialPort(str(tmp_path / "usb-Old"), 9600)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (serial.SerialException(13, "could not open port"), "may not be opened; .* group dialout"),
        (serial.SerialException(16, "busy"), "is in use by another program"),
        (serial.SerialException(5, "Input/output error."), "cannot be opened: Input/output error"),
        (ValueError("Not a valid baudrate: -1"), "cannot be set up: Not a valid baudrate"),
    ],
)
async def test_what_is_wrong_with_a_port_is_a_sentence(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(serial, "Serial", fails)
    with pytest.raises(DriverError, match=sentence):
        SerialPort("/dev/ttyUSB0", 9600)


async def test_what_is_no_terminal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DriverError, match="file cannot be opened"):
        SerialPort(str(tmp_path / "file"), 9600)


async def test_without_pyserial_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(DriverError, match=r"install citygate\[serial\]"):
        SerialPort("/dev/ttyUSB0", 9600)


@pytest.mark.parametrize("name", ["p1", "sds011", "pms", "lines"])
def test_naming_a_driver_does_not_load_pyserial(name: str) -> None:
    program = f"import sys, drivers.{name}; sys.exit('serial' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_a_serial_server_passes_bytes_on_and_its_end_is_told() -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = await connect("127.0.0.1", port)
        assert await source.read() == b"hello"
        with pytest.raises(DriverError, match=f"127.0.0.1 port {port} closed the connection"):
            await source.read()
        source.close()
    with pytest.raises(DriverError, match="cannot be reached"):
        await connect("127.0.0.1", port)


async def test_bytes_that_another_took_meanwhile_are_waited_for_again(adapter: Adapter) -> None:
    port = SerialPort(str(adapter.path), 9600)
    loop, thief = asyncio.get_running_loop(), os.dup(port._fd)
    loop.add_reader(thief, lambda: (os.read(thief, 1), loop.remove_reader(thief)))
    reading = asyncio.create_task(port.read())
    await asyncio.sleep(0)
    adapter.send(b"x")
    await asyncio.sleep(0.05)
    assert not reading.done()
    adapter.send(b"y")
    async with asyncio.timeout(10):
        assert await reading == b"y"
    os.close(thief)
    port.close()


async def test_an_adapter_that_can_hand_bytes_on_at_once_is_told_to(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[bool] = []
    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", lambda _, on: wanted.append(on))
    port = SerialPort(str(adapter.path), 9600)
    assert (port.low_latency, wanted) == (True, [True])
    port.close()


async def test_a_port_that_cannot_be_set_up_is_closed_again(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(termios, "tcsetattr", refuses)
    with pytest.raises(DriverError, match="cannot be"):
        SerialPort(str(adapter.path), 9600)
    monkeypatch.undo()
    monkeypatch.setattr(module, "_keep_out", refuses)
    with pytest.raises(DriverError, match=r"cannot be set up: .*Input/output error"):
        SerialPort(str(adapter.path), 9600)
    monkeypatch.undo()
    SerialPort(str(adapter.path), 9600).close()


async def test_a_serial_server_that_resets_or_takes_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line: socket.socket = writer.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with await asyncio.start_server(reset, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        source = await connect("127.0.0.1", port)
        with pytest.raises(DriverError, match=f"127.0.0.1 port {port} is lost: Connection reset by peer"):
            await source.read()
        source.close()
    monkeypatch.setattr("drivers.serial.tcp._CONNECT", 0.1)
    with socket.socket() as listening, contextlib.ExitStack() as waiting:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        with pytest.raises(DriverError, match=r"does not answer: no connection within 0\.1 s"):
            await connect(*listening.getsockname())


async def test_a_port_that_fails_at_a_read_is_gone(adapter: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    port = SerialPort(str(adapter.path), 9600)
    adapter.send(b"x")
    monkeypatch.setattr(os, "read", fails)
    with pytest.raises(DriverError, match=r"is gone \(Input/output error\); was its adapter unplugged"):
        await port.read()
    monkeypatch.undo()
    port.close()
