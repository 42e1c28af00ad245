"""Ways to the brokers that count bytes and break: one for each side, all in a process of its own.

    python -m bench.peers.ways BROKER...

It prints its ports; each line of its standard input is how all ways are from then on (`ok`, `cut`, `hole`),
and is answered with the bytes that each has carried, to the broker and back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import cast

from tests.peers.proxy import Mode, Proxy


class Ways:
    """The running process, seen from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.ports: list[int] = json.loads(self._line())

    def be(self, mode: Mode) -> list[int]:
        """Let all be so from now on; give the bytes that each has carried."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{mode}\n")
        self._process.stdin.flush()
        found: list[int] = json.loads(self._line())
        return found

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextlib.contextmanager
def leading(brokers: Sequence[int]) -> Iterator[Ways]:
    """Run a way to each of the ports *brokers*."""
    command = [sys.executable, "-m", "bench.peers.ways", *map(str, brokers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Ways(process)
        finally:
            process.terminate()


async def main() -> None:
    """Carry until nobody listens any more."""
    ways = [Proxy(int(broker)) for broker in sys.argv[1:]]
    for one in ways:
        await one.start()
    print(json.dumps([one.port for one in ways]), flush=True)
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        for one in ways:
            one.set(cast("Mode", line.decode().strip()))
        print(json.dumps([one.carried for one in ways]), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
