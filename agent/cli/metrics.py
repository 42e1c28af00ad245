"""Print the running gateway's metrics in OpenMetrics form, as it tells them over its control socket.

There is no port to scrape. `[metrics] file` has the gateway write them for node-exporter's folder by itself;
this command is for scripts and for whoever wants to look.

For example:
  citygate metrics
  citygate metrics --form prometheus > /var/lib/prometheus/node-exporter/citygate.prom
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate metrics` takes."""
    parser.add_argument(
        "--form",
        choices=("openmetrics", "prometheus"),
        default="openmetrics",
        help="prometheus: the older text form, which node-exporter's folder wants",
    )
    options.socket(parser)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    from agent.status import ask

    print(ask(args.socket, {"ask": "metrics", "form": args.form})["text"], end="")
    return 0
