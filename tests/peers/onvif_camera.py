"""A camera that speaks ONVIF and that we did not write (ipycam), in a process with a clock of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers import need
from tests.peers.packages import pages

_SCRIPT = Path(__file__).with_name("ipycam_process.py")


@contextmanager
def onvif_camera(clock: str = "", **fields: Any) -> Iterator[int]:  # noqa: ANN401 - JSON
    """Run one, its clock off by *clock* (such as ``-2h``); give its port. *fields* as in the process."""
    folder = pages("ipycam==1.3.0")
    command = [sys.executable, str(_SCRIPT), json.dumps(fields)]
    if clock:
        command = [need("faketime"), "-f", clock, *command]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            assert line, "the camera's process has ended"
            yield int(line)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # faketime is its parent, and would leave it behind
