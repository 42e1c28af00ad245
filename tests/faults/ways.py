"""A way between the gateway and another that breaks, for tests that are no coroutines."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.disks import need_root
from tests.peers import need
from tests.peers.proxy import Mode, Proxy, Spoil


class Way:
    """A proxy on a loop of its own thread."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self._proxy = proxy
        self._loop = loop
        self.port = proxy.port

    def set(self, mode: Mode, *, delay: float = 0.1, spoil: Spoil | None = None) -> None:
        """Change how the way behaves, at once; *spoil* is what ``garbage`` makes of the far end's bytes."""

        def change() -> None:
            self._proxy.delay = delay
            self._proxy.spoil = spoil or self._proxy.spoil
            self._proxy.set(mode)

        self._loop.call_soon_threadsafe(change)


@contextmanager
def way(upstream: int) -> Iterator[Way]:
    """Lead to the port *upstream* for the length of a ``with`` block."""
    loop = asyncio.new_event_loop()
    proxy = Proxy(upstream)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(proxy.start(), loop).result(10)
        yield Way(proxy, loop)
    finally:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


@contextmanager
def lossy(port: int, share: float) -> Iterator[None]:
    """Let the kernel lose a *share* of all packets from and to a *port* of this computer, at random."""
    need_root()
    words = ["-i", "lo", "-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", str(share)]
    rules = [[*words, end, str(port), "-j", "DROP"] for end in ("--dport", "--sport")]
    for rule in rules:
        subprocess.run([need("iptables"), "-w", "-I", "INPUT", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run([need("iptables"), "-w", "-D", "INPUT", *rule], check=True)
