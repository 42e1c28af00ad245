"""Tell why a point or a product does not arrive: the first stage that stops it, and what to do next.

Asks the running gateway, and walks from the link over device, sample, window, privacy, grant and outbox to
the broker. The exit status is 0 when it arrives at each recipient, 1 when something stops it.

For example:
  citygate why energy                           to each recipient that a grant names
  citygate why energy city
  citygate why main-meter.active_power --json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agent.cli import options
from agent.cli.screen import sentence, table

if TYPE_CHECKING:
    import argparse

    Object = dict[str, Any]

_MARKS: Final = {"passes": "ok", "doubtful": "but", "stops": "STOP"}


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate why` takes."""
    parser.add_argument("name", metavar="NAME", help="a point, such as main-meter.active_power, or a product")
    parser.add_argument("recipient", metavar="RECIPIENT", nargs="?", default="", help="to this one alone")
    options.socket(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print each way, stage by stage, as far as it goes."""
    from agent.status import ask

    found = ask(args.socket, {"ask": "why", "name": args.name, "recipient": args.recipient})
    if args.json:
        import json

        print(json.dumps(found, indent=2))
    else:
        print("\n\n".join(_way(found["name"], one) for one in found["ways"]))
    return 0 if found["arrives"] else 1


def _way(name: str, way: Object) -> str:
    parts = [name, *(one for one in (way["product"], way["recipient"]) if one and one != name)]
    rows = [[one["name"], _MARKS[one["verdict"]], one["says"]] for one in way["stages"]]
    last = way["stages"][-1]
    acts = [one["act"] for one in way["stages"] if one["act"] and one["verdict"] == "doubtful"]
    if way["arrives"]:
        end = ["It arrives.", *(sentence(f"But see: {one}") for one in acts)]
    else:
        end = [sentence(f"Next: {last['act']}")]
    return "\n".join([" -> ".join(parts), table(("stage", "", "what was found"), rows), *end])
