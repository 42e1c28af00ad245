"""CPU of listening to serial sensors: per frame, under noise; and a fuzz run.

Run ``python -m bench.serial_frames`` from the checkout; prints one JSON line per figure. The fuzz feeds
random streams, cut anywhere, with good frames at known places: every one must be found, nothing else taken,
nothing raised, and no more than its bound kept.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

from drivers.lines import LinesDevice, LinesPoint
from drivers.p1 import P1, P1Device
from drivers.serial.dust import DustSensor, sds011_parser, sds011_values
from drivers.serial.source import CHUNK
from drivers.serial.telegram import LONGEST, TelegramParser
from drivers.serial.text import LineParser
from tests.drivers.serial.telegrams import DSMR_50, FLUVIUS, told
from tests.drivers.serial.test_fixed import SDS011

STREAMS = 50_000
ROUNDS = 400
SOON = 64  # bytes: what a port gives at once at 115200 baud and a latency of some ms


def main() -> None:
    """Measure and print."""
    meter = P1(path="/dev/null", devices=(P1Device(name="home"),)).hearers()[0]
    sensor = DustSensor("air", 2.0, sds011_values, {})
    hall = LinesDevice(name="hall", points={"t": LinesPoint(), "h": LinesPoint()}).hearer()
    line = b'{"t": 21.5, "h": 40, "id": 17}\r\n'
    p1, dust, text = TelegramParser(), sds011_parser(), LineParser(1024, "utf-8")
    for what, once, aim in (
        ("P1 telegram of 1 kB, DSMR 5", lambda: _listen(p1, meter, told_50), 1000.0),
        ("P1 telegram, Fluvius", lambda: _listen(p1, meter, told_fluvius), 1000.0),
        ("SDS011 frame", lambda: _listen(dust, sensor, SDS011), 50.0),
        ("JSON line", lambda: _listen(text, hall, line), 50.0),
    ):
        _say(what, _seconds(once) * 1e6, "us CPU", aim)
    noise = random.Random(1).randbytes(1 << 20)
    for what, parser in (
        ("P1", TelegramParser()),
        ("SDS011", sds011_parser()),
        ("lines", LineParser(1024, "utf-8")),
    ):
        begun = time.process_time()
        for at in range(0, len(noise), CHUNK):
            parser.feed(noise[at : at + CHUNK])
        spent = time.process_time() - begun
        # a line at 115200 baud carries 11.5 kB a second
        _say(f"{what}: noise at 115200 baud", spent / len(noise) * 11_520 * 100, "% CPU", 1.0)
    begun = time.process_time()
    _say("fuzzed streams: good telegrams lost", float(sum(_fuzz(seed) for seed in range(STREAMS))), "", 0.0)
    _say(f"{STREAMS} fuzzed streams took", time.process_time() - begun, "s CPU", None)


told_50, told_fluvius = told(DSMR_50), told(FLUVIUS)


def _listen(parser: Any, hearer: Any, data: bytes) -> None:  # noqa: ANN401 - each has frames of its own
    for at in range(0, len(data), SOON):
        for frame in parser.feed(data[at : at + SOON]):
            hearer.hear(frame, 0.0)


def _fuzz(seed: int) -> int:
    """Feed one random stream; give how many good telegrams were lost (or taken too many)."""
    chance = random.Random(seed)
    parser, good, data = TelegramParser(), 0, b""
    for _ in range(chance.randrange(4)):
        data += chance.choice((b"", b"!", b"/", b"/XYZ5\r\n", told_50[: chance.randrange(800)], b"\r\n!12"))
        data += chance.randbytes(chance.randrange(60))
        if chance.random() < 0.7:
            data += chance.choice((told_50, told_fluvius))
            good += 1
        else:
            damaged = bytearray(told_50)
            damaged[chance.randrange(len(damaged) - 2)] ^= 1 << chance.randrange(5)
            data += damaged
    found = at = 0
    while at < len(data):
        size = chance.randrange(1, 400)
        found += len(parser.feed(data[at : at + size]))
        at += size
        assert len(parser._buffer) <= 2 * LONGEST + CHUNK  # noqa: SLF001 - the bound is what is tested
    return abs(found - good)


def _seconds(once: Callable[[], None]) -> float:
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(ROUNDS):
            once()
        best = min(best, (time.process_time() - begun) / ROUNDS)
    return best


def _say(what: str, value: float, unit: str, aim: float | None) -> None:
    print(json.dumps({"bench": "serial_frames", "what": what, "value": value, "unit": unit, "aim": aim}))


if __name__ == "__main__":
    main()
