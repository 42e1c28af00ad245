"""Show the requests that one cycle of each device will make, and the share of the bus they take.

For example:
  citygate plan                     every link
  citygate plan ./site --points     with the points that each request serves
  citygate plan --json | jq .[].request
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli import options
from agent.cli.screen import span, table

if TYPE_CHECKING:
    import argparse

    from agent.core.driver import Poll
    from agent.core.plan import Link


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate plan` takes."""
    options.folder(parser)
    parser.add_argument("--points", action="store_true", help="name the points that each request serves")
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the poll plan of every link."""
    from agent.config.load import load

    plan = load(args.folder)
    polls = [(link, polls_of(link)) for link in plan.links]
    if args.json:
        _print_json(polls)
        return 0
    for link, requests in polls:
        print(f"{link.name} ({link.kind}): {_sentence(requests)}")
        print(table(*_rows(requests, with_points=args.points)))
    return 0


def polls_of(link: Link) -> tuple[Poll, ...]:
    """List the requests of *link*; none if its driver cannot tell."""
    from agent.core.driver import CanPlan

    return tuple(link.driver.plan()) if isinstance(link.driver, CanPlan) else ()


def bus_share(requests: tuple[Poll, ...]) -> float:
    """Give the share of the time that the bus is busy with *requests*."""
    return sum(one.bus_ms / 1000 / one.every for one in requests if one.every)


def _sentence(requests: tuple[Poll, ...]) -> str:
    if not requests:
        return "its driver does not poll"
    points = sum(len(one.points) for one in requests)
    share = bus_share(requests)
    words = "request serves" if len(requests) == 1 else "requests serve"
    return f"{len(requests)} {words} {points} points" + (f"; bus busy {share:.1%}" if share else "")


def _rows(requests: tuple[Poll, ...], *, with_points: bool) -> tuple[list[str], list[list[str]]]:
    heads = ["device", "request", "every", "points", "bus ms", *(["which"] if with_points else [])]
    return heads, [
        [
            one.device,
            one.request,
            span(one.every),
            str(len(one.points)),
            f"{one.bus_ms:.1f}" if one.bus_ms else "-",
            *([", ".join(one.points)] if with_points else []),
        ]
        for one in requests
    ]


def _print_json(polls: list[tuple[Link, tuple[Poll, ...]]]) -> None:
    import json

    from msgspec import to_builtins

    flat = [{"link": link.name, **to_builtins(one)} for link, requests in polls for one in requests]
    print(json.dumps(flat, indent=2))
