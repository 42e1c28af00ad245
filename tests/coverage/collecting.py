"""Hears what processes that may not write have reached, and puts it beside what the others wrote."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from threading import Thread

from coverage import CoverageData

from tests.coverage.confined import PLACE


@contextmanager
def collecting(into: Path) -> Iterator[dict[str, str]]:
    """Listen for as long as the block lasts, where the environment that it gets says.

    *into* is the beginning of the names of the files.
    """
    numbers = itertools.count()

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            if told := self.rfile.read():  # nothing comes from a process that was killed
                data = CoverageData(str(into), suffix=f"confined.{next(numbers)}")
                data.loads(told)
                data.close()

    with tempfile.TemporaryDirectory() as folder:  # whose name is short: that of a socket must be
        place = str(Path(folder, "socket"))
        with ThreadingUnixStreamServer(place, Handler) as server:
            listening = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
            listening.start()
            try:
                yield {PLACE: place}
            finally:
                server.shutdown()
                listening.join()
