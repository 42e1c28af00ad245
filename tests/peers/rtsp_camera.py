"""A camera that speaks RTSP, of another make than our reader (the demo's): it plays the clips of a folder."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def rtsp_camera(folder: Path, *, port: int = 0) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Serve the clips of *folder*; give the process, to be stopped and continued, and its port."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
    words = [sys.executable, "-P", "-m", "agent.demo.camera", "--folder", str(folder), "--port", str(port)]
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
