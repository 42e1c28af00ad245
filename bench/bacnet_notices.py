"""Notices of changed BACnet values: how many are heard of those sent, and what each costs; against bacpypes3.

A bare socket plays the device: it grants the subscription, then sends notices at a steady rate, and last a
burst. Each side runs in a process of its own. What the kernel drops because nobody fetched it in time is
lost; that is why we ask it for a longer queue.
"""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time

from bench._report import Figure, show

RATES, SECONDS, BURST = (300, 1000, 3000), 2.0, 6000
_TAIL = 2.0
_OBJECT, _DEVICE = struct.pack(">I", 1), struct.pack(">I", 8 << 22 | 1011)


def main() -> None:
    """Flood both with the same notices, and tell."""
    figures = []
    for rate in (*RATES, 0):
        sent = BURST if rate == 0 else int(rate * SECONDS)
        what = f"a burst of {sent}" if rate == 0 else f"{rate} a second"
        print(f"{what} ...", flush=True)
        ours, bare = (_run(way, rate, sent) for way in ("ours", "bacpypes3"))
        name = "burst" if rate == 0 else str(rate)
        figures.append(
            Figure(
                name=f"bacnet_notices.{name}.cpu", what=f"CPU of a notice, {what}", value=ours["cpu_us"],
                unit="us", against="bacpypes3", floor=bare["cpu_us"],
            )
        )  # fmt: skip
        figures.append(
            Figure(
                name=f"bacnet_notices.{name}.lost", what=f"part that was lost, {what}",
                value=1 - ours["notices"] / sent, unit="1", against="everything sent", floor=1.0,
            )
        )  # fmt: skip
        print(f"  heard of {sent}: ours {ours['notices']:.0f}, bacpypes3 {bare['notices']:.0f}", flush=True)
        if rate and rate <= 1000:
            assert ours["notices"] >= 0.999 * sent, "notices were lost"
    show(figures)


def _run(way: str, rate: int, sent: int) -> dict[str, float]:
    """Play the device for one listener."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        device.bind(("127.0.0.1", 0))
        device.settimeout(10)
        port = device.getsockname()[1]
        seconds = (sent / rate if rate else 1.0) + _TAIL
        words = [sys.executable, "-m", "bench._bacnet", "notices", way, f"127.0.0.1:{port}", str(seconds)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as listener:
            assert listener.stdout is not None
            there, process = _grant(device)
            while listener.poll() is None and not _told(device, there, process, listener):
                pass
            _flood(device, there, process, rate=rate, sent=sent)
            device.settimeout(0.2)
            while listener.poll() is None:
                _answer(device)
            found: dict[str, float] = json.loads(listener.stdout.read())
    return found


def _grant(device: socket.socket) -> tuple[tuple[str, int], bytes]:
    """Wait for the subscription and accept it; give who asked, and its process number as it stood there."""
    while True:
        data, there = device.recvfrom(2000)
        if data[6] >> 4 == 0 and data[9] == 5:
            device.sendto(_framed(bytes((0x20, data[8], 5))), there)
            size = data[10] & 7
            return there, data[10 : 11 + size]


def _told(
    device: socket.socket, there: tuple[str, int], process: bytes, listener: subprocess.Popen[str]
) -> bool:
    """Send a first notice, answer what else is asked, and wait until the listener is ready."""
    device.sendto(_notice(process, 0.0), there)
    device.settimeout(0.2)
    _answer(device)
    assert listener.stdout is not None
    return listener.stdout.readline() == "ready\n"


def _answer(device: socket.socket) -> None:
    """Refuse what is asked beside the subscription; accept its end."""
    try:
        data, there = device.recvfrom(2000)
    except TimeoutError:
        return
    if data[6] >> 4 == 0:
        accepts = data[9] == 5
        told = bytes((0x20, data[8], 5)) if accepts else bytes((0x50, data[8], data[9], 0x91, 2, 0x91, 32))
        device.sendto(_framed(told), there)


def _flood(device: socket.socket, there: tuple[str, int], process: bytes, *, rate: int, sent: int) -> None:
    begun = time.perf_counter()
    for number in range(sent):
        device.sendto(_notice(process, float(number % 1000)), there)
        if rate:
            while time.perf_counter() < begun + number / rate:
                time.sleep(0.0002)


def _notice(process: bytes, value: float) -> bytes:
    """Write an unconfirmed notice with present value and status flags."""
    real = b"\x2e\x44" + struct.pack(">f", value) + b"\x2f"
    flags = b"\x2e\x82\x04\x00\x2f"
    values = b"\x4e\x09\x55" + real + b"\x09\x6f" + flags + b"\x4f"
    return _framed(b"\x10\x02" + process + b"\x1c" + _DEVICE + b"\x2c" + _OBJECT + b"\x3a\x0e\x10" + values)


def _framed(message: bytes) -> bytes:
    return b"\x81\x0a" + struct.pack(">H", len(message) + 6) + b"\x01\x00" + message


if __name__ == "__main__":
    main()
