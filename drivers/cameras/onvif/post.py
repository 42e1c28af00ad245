"""One question over HTTP, and its answer, within a size and a time; it follows nobody anywhere else."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from agent.core.errors import DriverError
from drivers.cameras.onvif.tree import LARGEST

_HEAD: Final = 16_384


class Reply(Struct, frozen=True):
    """Status, body, the challenge of a camera that wants to know who asks, and the time on its clock."""

    status: int
    body: bytes
    challenge: str = ""
    utc: float | None = None


class End(Struct, frozen=True):
    """Where a service is."""

    host: str
    port: int
    path: str = "/onvif/device_service"

    def moved(self, address: str) -> End:
        """Give the service at *address* on the same host: a camera behind a router knows its name wrongly."""
        try:
            parts = urlsplit(address)
            port = parts.port or 80
        except ValueError:
            return self
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
            return self
        return End(self.host, port if parts.hostname == self.host else self.port, path)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


async def post(end: End, body: bytes, wait: float, proof: str = "") -> Reply:
    """Ask *end*; raise DriverError when no answer comes, or none that is HTTP."""
    try:
        async with asyncio.timeout(wait):
            return await _exchange(end, body, proof)
    except TimeoutError:
        raise DriverError(f"does not answer within {wait:g} s") from None
    except asyncio.LimitOverrunError:
        raise DriverError("answers with something that is not HTTP") from None
    except (OSError, EOFError) as error:
        why = getattr(error, "strerror", None) or "it ended the connection"
        raise DriverError(f"cannot be asked: {why}") from error
    except (ValueError, IndexError) as error:
        raise DriverError("answers with something that is not HTTP") from error


async def _exchange(end: End, body: bytes, proof: str) -> Reply:
    reader, writer = await asyncio.open_connection(end.host, end.port, limit=_HEAD)
    try:
        head = [
            f"POST {end.path} HTTP/1.1",
            f"Host: {end}",
            "Content-Type: application/soap+xml; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *([f"Authorization: {proof}"] if proof else []),
        ]
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        await writer.drain()
        raw = await reader.readuntil(b"\r\n\r\n")
        lines = raw.decode("latin-1").split("\r\n")
        if not lines[0].startswith("HTTP/1."):
            raise ValueError(lines[0])
        fields = _fields(lines[1:])
        status = int(lines[0].split()[1])
        return Reply(status, await _body(reader, fields), _challenge(lines), _utc(fields.get("date", "")))
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _fields(lines: list[str]) -> dict[str, str]:
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().casefold(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    """Read the body, one byte more than may be read at most: who reads it on refuses that."""
    if fields.get("transfer-encoding", "").casefold() == "chunked":
        whole = b""
        while len(whole) <= LARGEST and (size := int((await reader.readline()).split(b";")[0], 16)):
            if size > LARGEST:
                return bytes(LARGEST + 1)
            whole += (await reader.readexactly(size + 2))[:-2]
        return whole
    if "content-length" in fields:
        return await reader.readexactly(min(max(0, int(fields["content-length"])), LARGEST + 1))
    whole = b""
    while len(whole) <= LARGEST and (part := await reader.read(65_536)):
        whole += part
    return whole


def _challenge(lines: list[str]) -> str:
    """Give the digest challenge, if there is one among several."""
    wanted = (line.partition(":") for line in lines if line.casefold().startswith("www-authenticate:"))
    return next(
        (value.strip() for _, _, value in wanted if value.strip().casefold().startswith("digest ")), ""
    )


def _utc(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, IndexError, OverflowError):
        return None
