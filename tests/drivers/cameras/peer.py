"""The other end of the line, played by the test: a Unix socket at which plans arrive and records leave."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from msgspec import json

from agent.core.sight import RECORD, VERSION, Watch, What, cells


class Vision:
    """A ``citygate-vision`` that says what the test wants."""

    def __init__(self, path: Path) -> None:
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listening.bind(str(path))
        self._listening.listen(8)
        self._listening.setblocking(False)
        self._line: socket.socket | None = None
        self.watch = Watch(cameras=(), width=1, offset=0.0)
        self.seq = 0

    async def session(self) -> None:
        """Wait for the next plan."""
        loop = asyncio.get_running_loop()
        line, _ = await loop.sock_accept(self._listening)
        self.hang_up()
        self._line = line
        self.watch = json.decode(await loop.sock_recv(self._line, 1 << 18), type=Watch)
        self.seq = 0

    async def say(self, what: int, value: int = 0, *, cell: int = 0, bucket: int = 0, stamp: int = 0) -> None:
        """Send one record."""
        self.seq += 1
        width = self.watch.width
        await self.raw(RECORD.pack(VERSION, what, cell, bucket, width, value, self.seq, stamp))

    async def bucket(self, now: float, **values: int) -> None:
        """Send all numbers of the bucket that ended before *now*; those not named are 0."""
        watch = self.watch
        bucket = int((now + watch.offset) // watch.width) - 1
        stamp = round(((bucket + 1) * watch.width - watch.offset) * 1e9)
        for place, cell in enumerate(cells(watch)):
            value = values.get(cell.name.rpartition(".")[2], 0)
            what = What.NUMBER if value >= 0 else What.UNKNOWN
            await self.say(what, max(0, value), cell=place, bucket=bucket, stamp=stamp)

    async def raw(self, packet: bytes) -> None:
        """Send anything."""
        assert self._line is not None
        await asyncio.get_running_loop().sock_sendall(self._line, packet)

    def hang_up(self) -> None:
        """End the session as a killed process would."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def close(self) -> None:
        """End for good."""
        self.hang_up()
        self._listening.close()
