"""A camera that speaks RTSP, of another make than our reader: it plays the clips of a folder."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REQUIREMENT = "aio-rtsp-toolkit[server]==0.1.4"


@contextmanager
def rtsp_camera(folder: Path, *, port: int = 0) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve the clips of *folder*; give the process, to be stopped and continued, and its port."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    from tests.peers.packages import package

    words = [sys.executable, "-P", __file__, str(package(REQUIREMENT)), str(folder), str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(port)
            yield process, port
        finally:
            process.kill()


def _wait(port: int) -> None:
    until = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    from aio_rtsp_toolkit import server

    asyncio.run(server.serve(sys.argv[2], "127.0.0.1", int(sys.argv[3])))
