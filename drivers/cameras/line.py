"""The line to the process that sees pixels: a unit of its own where systemd runs one, else a child of ours.

Bytes are read with recv(2) alone, so that a descriptor that somebody attaches to them is dropped by the
kernel.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import json

from agent.core.errors import DriverError
from agent.core.sight import PLAN_LIMIT, RECORD, Watch
from agent.core.vision import PROGRAM

_UNIT: Final = Path("/run/citygate-vision.sock")
_PATIENCE: Final = 5.0  # seconds for the process to end
_SOON: Final = 2.0  # a back-off that disturbs nobody: what was ended should be back soon
_KEPT: Final = ("PATH", "CREDENTIALS_DIRECTORY", "CONFIGURATION_DIRECTORY", "PYTHONPATH", "LANG")

_OWN: Final = {
    "HOME": "/nonexistent",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # pictures come and go by megabytes: what is freed is to be given back
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
    "MALLOC_MMAP_THRESHOLD_": "262144",
}


class Line:
    """One session's socket, and the child at its end if there is one."""

    def __init__(self, near: socket.socket, child: asyncio.subprocess.Process | None) -> None:
        self._socket = near
        self._child = child

    async def hear(self) -> bytes:
        """Wait for one packet; raise DriverError with the reason when nobody speaks any more."""
        try:
            packet = await asyncio.get_running_loop().sock_recv(self._socket, RECORD.size + 1)
        except OSError:
            packet = b""
        if packet:
            return packet
        raise DriverError(await self._ending(), patience=_SOON)

    async def _ending(self) -> str:
        if self._child is None:
            return f"{PROGRAM} has ended; `journalctl -u citygate-vision` says why"
        try:
            async with asyncio.timeout(_PATIENCE):
                status = await self._child.wait()
        except TimeoutError:
            return f"{PROGRAM} has closed its line, and does not end"
        if status < 0:
            return f"{PROGRAM} was ended by {signal.Signals(-status).name}"
        return f"{PROGRAM} has ended with status {status}; its own words stand above in the log"


@asynccontextmanager
async def opened(watch: Watch, *, unconfined: bool) -> AsyncIterator[Line]:
    """Begin a session with the plan *watch*; raise DriverError when that is not possible."""
    plan = json.encode(watch)
    if len(plan) > PLAN_LIMIT:
        raise DriverError(f"what is drawn takes {len(plan)} bytes, and {PLAN_LIMIT} may be sent")
    unit = _unit()
    if unit.exists() and not unconfined:
        near, child = await _reached(unit), None
    else:
        near, child = await _started(unconfined=unconfined)
    try:
        try:
            await asyncio.get_running_loop().sock_sendall(near, plan)
        except OSError as error:
            raise DriverError(f"{PROGRAM} takes no plan: {error.strerror}", patience=_SOON) from error
        yield Line(near, child)
    finally:
        near.close()  # which ends the process
        if child is not None:
            await _gone(child)


def _unit() -> Path:
    return Path(os.environ.get("CITYGATE_VISION_SOCKET", _UNIT))


async def _reached(unit: Path) -> socket.socket:
    near = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(near, str(unit))
    except OSError as error:
        near.close()
        raise DriverError(f"{unit} cannot be reached: {error.strerror}", patience=_SOON) from error
    return near


async def _started(*, unconfined: bool) -> tuple[socket.socket, asyncio.subprocess.Process]:
    """Start the process as a child, with one end of a pair of sockets as its only way to us."""
    program = _program()
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    near.setblocking(False)
    words = [program, "watch", "--fd", str(far.fileno()), *(["--unconfined"] if unconfined else [])]
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        child = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=[far.fileno()],
            env={**kept, **_OWN},
            start_new_session=True,  # Ctrl-C is for the agent, whose end ends it
        )
    except OSError as error:
        near.close()
        raise DriverError(f"{PROGRAM} cannot be started: {error.strerror}") from error
    finally:
        far.close()
    return near, child


def _program() -> str:
    """Find the program: beside this interpreter, else on the path."""
    import shutil  # with its compressors half a megabyte, and only for cameras

    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if not found:
        raise DriverError(f"{PROGRAM} is not installed: install citygate with its extra [vision]")
    return found


async def _gone(child: asyncio.subprocess.Process) -> None:
    """Wait until the child has ended; insist after a while."""
    try:
        async with asyncio.timeout(_PATIENCE):
            await child.wait()
    except TimeoutError:
        child.kill()
        await child.wait()
