"""FIWARE's IoT Agent for JSON, between a broker and a context broker that only writes down what it hears.

It is run, never copied from (AGPL-3.0). No package installs it: where absent, tests are skipped by name.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers import need
from tests.peers.mosquitto import free_port

_HOME: Final = Path(__file__).parents[2] / "build" / "peers" / "iotagent-json"
_CONTEXT: Final = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld"
_PATIENCE: Final = 30.0
_FIWARE: Final = {"fiware-service": "vaasa", "fiware-servicepath": "/"}


class IotAgent:
    """A running agent: devices are provisioned at ``north``; ``upserts`` is what the context broker heard."""

    def __init__(self, north: int) -> None:
        self.north = north
        self.upserts: list[dict[str, Any]] = []
        self.tenants: set[str] = set()
        self.news = asyncio.Condition()

    async def provision(self, way: str, body: Mapping[str, Any]) -> int:
        """Post *body* to ``/iot/{way}``; give the status."""
        status, _ = await _http(self.north, f"/iot/{way}", json.dumps(body).encode())
        return status

    async def until(self, count: int) -> list[dict[str, Any]]:
        """Wait until *count* entities were told; give them."""
        async with asyncio.timeout(_PATIENCE), self.news:
            await self.news.wait_for(lambda: len(self.upserts) >= count)
        return self.upserts

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Be a context broker: take everything, answer 204."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()
        if "entityoperations/upsert" in head:
            self.tenants.add(fields.get("ngsild-tenant", ""))
            async with self.news:
                self.upserts += json.loads(body)
                self.news.notify_all()


@asynccontextmanager
async def iot_agent(folder: Path, mqtt: int) -> AsyncIterator[IotAgent]:
    """Run an agent at the broker on port *mqtt*, for the length of an ``async with`` block."""
    home, north = _installed(), free_port()
    config = folder / "config.js"
    where = os.path.relpath(config, home)  # noqa: ASYNC240 - names only; the agent wants it from its own folder
    agent = IotAgent(north)
    server = await asyncio.start_server(agent.serve, "127.0.0.1", 0)
    config.write_text(
        f"module.exports = {json.dumps(_config(mqtt, north, server.sockets[0].getsockname()[1]))}"
    )
    process = await asyncio.create_subprocess_exec(
        need("node"), "bin/iotagent-json", where, cwd=home,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_PATIENCE):
            while (await _http(north, "/iot/about", None))[0] != 200:  # noqa: ASYNC110 - nobody tells when it is up
                await asyncio.sleep(0.1)
        yield agent
    finally:
        process.terminate()
        await process.wait()
        server.close()
        await server.wait_closed()


def _config(mqtt: int, north: int, broker: int) -> dict[str, Any]:
    at = "127.0.0.1"
    context = {"host": at, "port": str(broker), "ngsiVersion": "ld", "jsonLdContext": _CONTEXT}
    iota = {
        "logLevel": "FATAL", "timestamp": True, "server": {"port": north}, "types": {},
        "deviceRegistry": {"type": "memory"}, "contextBroker": context, "service": "vaasa",
        "subservice": "/", "providerUrl": f"http://{at}:{north}", "deviceRegistrationDuration": "P1M",
        "defaultType": "Thing", "defaultResource": "/iot/json",
    }  # fmt: skip
    channel = {
        "host": at,
        "port": mqtt,
        "qos": 1,
        "retain": False,
        "retries": 5,
        "retryTime": 1,
        "keepalive": 60,
    }
    return {"mqtt": channel, "http": {"port": free_port()}, "defaultKey": "citygate", "iota": iota}


def _installed() -> Path:
    """Give the folder of an installed agent."""
    if not (_HOME / "node_modules").is_dir():
        pytest.skip(f"needs the IoT Agent for JSON, installed in {_HOME.parent.name}/{_HOME.name}")
    return _HOME


async def _http(port: int, path: str, body: bytes | None) -> tuple[int, bytes]:
    """Ask over HTTP; 0 as the status while nobody listens."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0, b""
    head = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    head += [f"{name}: {value}" for name, value in _FIWARE.items()]
    head += ["Content-Type: application/json", f"Content-Length: {len(body or b'')}", "", ""]
    writer.write("\r\n".join(head).encode() + (body or b""))
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split(b" ", 2)[1]) if answer else 0, answer
