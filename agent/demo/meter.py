"""A meter for the demo: a Modbus TCP server that answers like an Eastron SDM630 and keeps a log of the truth.

Register map: Eastron SDM630-Modbus V2 protocol description, input registers (function 4), each value an
IEEE 754 single in two registers, high word first. It answers reads of input registers and refuses the rest.
Written on bare sockets, so that it shares no code with the driver that reads it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import struct
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final, TextIO

from agent.demo.load import energy, power

_READ_INPUT: Final = 4
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_REGISTERS: Final = 0x180
_ENERGY: Final = 0x48
_FACTOR: Final = 0.97  # the load's power factor


def registers(utc: float, since: float) -> list[int]:
    """Give the meter's input registers at *utc*."""
    watts = power(utc) * 1000
    volts = [230.0 + math.sin(utc / 17 + phase) for phase in range(3)]
    shares = (0.36, 0.33, 0.31)
    apparent = [watts * share / _FACTOR for share in shares]
    amps = [va / volt for va, volt in zip(apparent, volts, strict=True)]
    reactive = [va * math.sqrt(1 - _FACTOR**2) for va in apparent]
    imported = energy(utc, since)
    values: dict[int, Iterable[float]] = {
        0x00: (*volts, *amps, *(watts * one for one in shares), *apparent, *reactive, *[_FACTOR] * 3),
        0x2A: (sum(volts) / 3,),
        0x2E: (sum(amps) / 3, sum(amps)),
        0x34: (watts,),
        0x38: (sum(apparent),),
        0x3C: (sum(reactive), _FACTOR),
        0x46: (50 + 0.01 * math.sin(utc / 5), imported, 0.0, imported * 0.25, 0.0),
        0x156: (imported, imported * 0.25),
    }
    words = [0] * _REGISTERS
    for address, figures in values.items():
        packed = struct.pack(f">{len(tuple(figures))}f", *figures)
        words[address : address + len(packed) // 2] = struct.unpack(f">{len(packed) // 2}H", packed)
    return words


def reply(request: bytes, words: list[int]) -> bytes:
    """Answer one request (function code onwards) from *words*: the data, or a Modbus exception."""
    function = request[0]
    if function != _READ_INPUT:
        return bytes((function | 0x80, _ILLEGAL_FUNCTION))
    if len(request) != 5:
        return bytes((function | 0x80, _ILLEGAL_VALUE))
    address, count = struct.unpack(">HH", request[1:])
    if not 1 <= count <= 125:
        return bytes((function | 0x80, _ILLEGAL_VALUE))
    if address + count > len(words):
        return bytes((function | 0x80, _ILLEGAL_ADDRESS))
    return struct.pack(f">BB{count}H", function, 2 * count, *words[address : address + count])


async def _serve(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, since: float, truth: TextIO
) -> None:
    """Answer one client until it hangs up (Modbus Messaging on TCP/IP Implementation Guide, MBAP header)."""
    try:
        while True:
            head = await reader.readexactly(7)
            transaction, _, length, unit = struct.unpack(">HHHB", head)
            request = await reader.readexactly(length - 1)
            now = time.time()
            answer = reply(request, registers(now, since))
            if answer[0] == _READ_INPUT and _serves_energy(request):
                print(json.dumps({"t": now, "import_energy": energy(now, since)}), file=truth, flush=True)
            writer.write(struct.pack(">HHHB", transaction, 0, len(answer) + 1, unit) + answer)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def _serves_energy(request: bytes) -> bool:
    address, count = struct.unpack(">HH", request[1:])
    return bool(address <= _ENERGY and address + count >= _ENERGY + 2)


async def _run(port: int, log: Path) -> None:
    with log.open("a", encoding="utf-8") as truth:
        handler = partial(_serve, since=time.time(), truth=truth)
        server = await asyncio.start_server(handler, "127.0.0.1", port)
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description="Serve a demo meter on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0: any free port, printed as `port N`")
    parser.add_argument("--truth", type=Path, required=True, help="file for each counter value served")
    args = parser.parse_args()
    asyncio.run(_run(args.port, args.truth))


if __name__ == "__main__":
    main()
