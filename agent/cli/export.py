"""Write what must be set up at a recipient's platform before it understands what comes.

PLATFORM is fiware (bodies for the IoT Agent's /iot/services and /iot/devices), thingsboard (for /api/device),
azure (for an IoT Hub's /devices/ID, and its route) or aws (thing, policy and rule of IoT Core).
Each recipient of that platform has documents of its own; they are printed, or written into a folder as
RECIPIENT-DOCUMENT.json.

For example:
  citygate export fiware ./site
  citygate export fiware ./site --into ./provisioning
  citygate export fiware ./site | jq .city.devices
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from agent.cli import options
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.core.plan import Plan

PLATFORMS: Final = {
    "fiware": "fiware",
    "thingsboard": "thingsboard",
    "azure": "azure-iot-hub",
    "aws": "aws-iot-core",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate export` takes."""
    parser.add_argument("platform", metavar="PLATFORM", choices=[*PLATFORMS], help=", ".join(PLATFORMS))
    options.folder(parser)
    parser.add_argument("--into", metavar="OUT", type=Path, help="folder to write into; made if need be")


def run(args: argparse.Namespace) -> int:
    """Print or write the documents."""
    from agent.config.load import load

    found = documents(load(args.folder), PLATFORMS[args.platform])
    if args.into is None:
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    args.into.mkdir(parents=True, exist_ok=True)
    for recipient, made in found.items():
        for name, document in made.items():
            path = args.into / f"{recipient}-{name}.json"
            path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
            print(path)
    return 0


def documents(plan: Plan, encoding: str) -> dict[str, dict[str, Any]]:
    """Give the documents by recipient and name; raise ConfigError if no recipient has that encoding."""
    from agent.core.message import CanProvision
    from agent.registry import encoder

    products = {one.id: one for one in plan.products}
    found: dict[str, dict[str, Any]] = {}
    for recipient in plan.recipients:
        made = encoder(recipient, plan.place)
        if recipient.encoding == encoding and isinstance(made, CanProvision):
            mine = [products[one.product] for one in plan.routes if one.recipient == recipient.name]
            found[recipient.name] = dict(made.provision(mine))
    if not found:
        used = ", ".join(sorted({one.encoding for one in plan.recipients})) or "none"
        raise ConfigError(f'no recipient has encoding = "{encoding}"; used here: {used}')
    return found
