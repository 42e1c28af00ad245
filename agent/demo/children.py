"""Starts the demo's programs, each as a process of its own, and ends every one of them in any case."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError

_PR_SET_PDEATHSIG: Final = 1
_PATIENCE: Final = 8.0


class Child:
    """One running program; its errors lie in ``log``."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    async def line(self) -> str:
        """Wait for its next line; raise GatewayError when it has ended instead."""
        assert self._process.stdout is not None
        text = await self._process.stdout.readline()
        if not text:
            raise await self._ended()
        return text.decode().rstrip()

    async def watch(self) -> None:
        """Wait until it ends, which it should not: raise GatewayError."""
        raise await self._ended()

    async def stop(self) -> None:
        """Ask it to end; insist after a while."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def _ended(self) -> GatewayError:
        status = await self._process.wait()
        tail = self.log.read_text(encoding="utf-8", errors="replace")[-1500:].rstrip()
        return GatewayError(f"the {self.name} ended with status {status}; its last words:\n{tail}")


@contextlib.asynccontextmanager
async def child(
    name: str, *words: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """Run ``python -m WORDS`` for as long as the block lasts."""
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", *words,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C is ours to pass on, in order
            preexec_fn=_end_with_parent,
        )  # fmt: skip
    one = Child(name, process, log)
    try:
        yield one
    finally:
        await one.stop()


def _end_with_parent() -> None:
    """Ask the kernel to end this process when the demo itself is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
