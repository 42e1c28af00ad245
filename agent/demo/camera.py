"""A camera for the demo: the clips of a folder over RTSP, on loopback, with a server that is not ours.

The package ``aio-rtsp-toolkit`` plays them at their own speed. It shares no code with what reads them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
from pathlib import Path


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description="Serve clips over RTSP on loopback.")
    parser.add_argument("--folder", type=Path, required=True, help="folder of the clips")
    parser.add_argument("--port", type=int, required=True, help="TCP port of 127.0.0.1")
    args = parser.parse_args()
    # it reports each request to standard output, which nobody reads
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
        from aio_rtsp_toolkit import server

        asyncio.run(server.serve(str(args.folder), "127.0.0.1", args.port))


if __name__ == "__main__":
    main()
