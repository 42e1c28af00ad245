"""One event loop for all that has to await: nothing in it ever waits for anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tests.virtual import VirtualLoop

T = TypeVar("T")


class FuzzLoop(VirtualLoop):
    """A virtual loop; a connection to anywhere brings ``answer`` and then its end."""

    answer = b""

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        host: str | None = None,
        port: int | None = None,
        **_: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to somebody who has said all already."""
        del host, port
        protocol = protocol_factory()
        transport = _Deaf(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self.answer)
        protocol.eof_received()
        return transport, protocol


class _Deaf(asyncio.Transport):
    """Takes what is written and forgets it."""

    def __init__(self, protocol: Any) -> None:  # noqa: ANN401 - of any kind
        super().__init__()
        self._protocol = protocol
        self._closed = False

    def write(self, data: Any) -> None:  # noqa: ANN401 - bytes in any of their forms
        """Forget it."""

    def is_closing(self) -> bool:
        """Say whether it is over."""
        return self._closed

    def close(self) -> None:
        """End it, once."""
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


_LOOPS: list[FuzzLoop] = []


def loop() -> FuzzLoop:
    """Give the loop, made at its first use."""
    if not _LOOPS:
        _LOOPS.append(FuzzLoop())
    return _LOOPS[0]


def completed(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine* to its end."""
    return loop().run_until_complete(coroutine)


def close() -> None:
    """Close the loop; a later use makes a new one."""
    while _LOOPS:
        _LOOPS.pop().close()
