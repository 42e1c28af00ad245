"""Run recorded samples through the products and print what would leave. No device, no broker, no waiting.

SAMPLES is a file of JSON lines, or - for standard input:
  {"at": "2026-11-21T20:00:00Z", "point": "main-meter.active_power", "value": 12.5}
"at" may be seconds since 1970, "value" null; "quality" (good, uncertain, bad) and "why" may follow.

For example:
  citygate try samples.jsonl ./site
  citygate try - ./site < samples.jsonl
  citygate try samples.jsonl --json | jq .body
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.core.message import Message
    from agent.core.product import Route


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate try` takes."""
    parser.add_argument("samples", metavar="SAMPLES", help="file of JSON lines, or -")
    options.folder(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print every message that would leave; 1 when none would."""
    from agent.cli.recorded import samples
    from agent.cli.replay import Replay
    from agent.config.load import load

    replay = Replay(load(args.folder))
    count = 0
    try:
        opened = Path(args.samples).open(encoding="utf-8") if args.samples != "-" else nullcontext(sys.stdin)  # noqa: SIM115
    except OSError as error:
        raise ConfigError(f"{args.samples}: cannot be read: {error.strerror}") from error
    with opened as lines:
        name = "standard input" if args.samples == "-" else args.samples
        for route, message in replay.leaving(samples(lines, name)):
            count += 1
            _print(route, message, as_json=args.json)
            if args.samples == "-":
                sys.stdout.flush()  # whoever sends samples as they come wants to see windows as they close
    for point, number in replay.unwanted.items():
        print(
            f"{point}: {number} {'sample' if number == 1 else 'samples'} that no product takes",
            file=sys.stderr,
        )
    if not count:
        print("nothing would leave: no granted product takes these samples", file=sys.stderr)
    return 0 if count else 1


def _print(route: Route, message: Message, *, as_json: bool) -> None:
    text = message.body.decode("utf-8") if message.utf8 else message.body.hex()
    if as_json:
        body = json.loads(text) if message.content_type == "application/json" else text
        print(json.dumps({"route": route.id, "topic": message.topic, "body": body}))
    else:
        print(f"{route.recipient} <- {message.topic}\n  {text}")
