"""Run a whole small site on this computer: a meter, an air handler, an MQTT broker, the gateway, the city.

Shows live values, then what left beside the meter's truth. Ctrl-C ends all of it. With --seconds it ends
by itself and judges: the exit status is 0 only if the birth and at least three messages in a row arrived
of each product whose figures agree with the truth.

For example:
  citygate demo
  citygate demo --seconds 45
  citygate demo --folder /tmp/site  keeps configuration, outbox and logs there
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate demo` takes."""
    parser.add_argument("--seconds", type=float, metavar="N", help="end after N seconds and judge")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep its files in DIR")


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    import asyncio
    from importlib.util import find_spec

    from agent.core.errors import GatewayError

    if absent := [name for name in ("BAC0", "iotcore", "jsonschema") if find_spec(name) is None]:
        raise GatewayError(f"the demo needs {', '.join(absent)}; try: pip install 'citygate[demo]'")
    from agent.demo.run import run as demo

    return asyncio.run(demo(args.seconds, folder=args.folder))
