"""A Modbus device on loopback that provokes: right answers, refusals, garbage, silence, hang-ups.

Written on bare bytes, so that it shares no code with what it spies on. Source: MODBUS Application Protocol
Specification V1.1b3, and MODBUS over Serial Line V1.02 for the check sum.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from agent.prove.spies.heard import Heard

_READS: Final = (1, 2, 3, 4)
_IDENTIFY: Final = b"\x2b\x0e"
_REFUSALS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 11)
_TURNS: Final = 16
_HEAD: Final = 6


@asynccontextmanager
async def modbus_spy(*, rtu: bool) -> AsyncIterator[tuple[int, Heard]]:
    """Listen on a free port of loopback; give the port and what is heard."""
    heard = Heard()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await reader.read(4096):
                answer = _serve(request, heard, rtu=rtu)
                if answer is None:
                    break
                writer.write(answer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heard


def _serve(request: bytes, heard: Heard, *, rtu: bool) -> bytes | None:
    """Note what was asked; give an answer, which may be empty, or None to hang up."""
    unit, body = (request[0], request[1:-2]) if rtu else (request[_HEAD], request[_HEAD + 1 :])
    heard.asked += 1
    if body[0] not in _READS and body[:2] != _IDENTIFY:
        heard.writes.append(f"function code {body[0]} to unit {unit}")
    return _provoked(heard.asked, body, lambda answer: _framed(answer, unit, request, rtu=rtu))


def _provoked(turn: int, body: bytes, framed: Callable[[bytes], bytes]) -> bytes | None:
    """Give the answer of one turn: mostly right, so that more is asked, and everything else in between."""
    match turn % _TURNS:
        case 3 | 9:
            return framed(bytes((body[0] | 0x80, _REFUSALS[turn // 6 % len(_REFUSALS)])))
        case 6:
            return b""
        case 11:
            return bytes(range(40))
        case 13:
            return framed(b"\x10" + body[1:5])  # as if registers had been written
        case 15:
            return None
    return framed(_right(body))


def _right(body: bytes) -> bytes:
    """Give zeros for what was asked; of itself it tells nothing."""
    if body[0] not in _READS:
        return bytes((body[0] | 0x80, 1))
    count = int.from_bytes(body[3:5], "big")
    size = (count + 7) // 8 if body[0] in (1, 2) else 2 * count
    return bytes((body[0], size & 0xFF)) + bytes(size)


def _framed(answer: bytes, unit: int, request: bytes, *, rtu: bool) -> bytes:
    if rtu:
        message = bytes((unit,)) + answer
        return message + _check_sum(message)
    return request[:4] + (len(answer) + 1).to_bytes(2, "big") + bytes((unit,)) + answer


def _check_sum(message: bytes) -> bytes:
    value = 0xFFFF
    for byte in message:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")
