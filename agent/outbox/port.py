"""The way from the event loop to the disk: one thread that does one thing after the other, or none.

Simulations call the disk directly, so that the same seed gives the same history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from agent.core.errors import OutboxError

T = TypeVar("T")


class Port(Protocol):
    """Runs blocking functions in the order in which they were handed over."""

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Hand over *function*; whoever stops waiting does not stop it."""
        ...

    def close(self) -> None:
        """Wait for what was handed over, and end."""
        ...


class Threaded:
    """A thread of its own: a slow card delays no sample."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="outbox")

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run *function* on the thread."""
        return asyncio.get_running_loop().run_in_executor(self._thread, function)

    def close(self) -> None:
        """Wait for the thread."""
        self._thread.shutdown()


class Inline:
    """No thread: *submit* returns when the disk has."""

    def submit(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run *function* here and now."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(function())
        except OutboxError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Nothing waits."""
