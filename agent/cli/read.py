"""Show live values with their quality, their age and the raw words they were made of.

Reads through the running gateway, between two of its polls, so that the device sees one client. When no
gateway runs here, it connects by itself. Names may be points, devices or links; none means everything.

For example:
  citygate read                     every point of every device
  citygate read main-meter          one device
  citygate read main-meter.active_power --every 2s
  citygate read plant-room --json
  citygate read boiler --explore --addr 52              what may stand in a register that no point names
  citygate read plant-room --explore --addr 52 --unit 7 --expect "230 V"
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.options import add_explore
from agent.cli.screen import figure, sentence, span, table
from agent.core.duration import Duration
from agent.core.errors import ConfigError, GatewayError
from agent.why.advice import ADVICE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.core.driver import Reading
    from agent.core.plan import Link, Plan

    Answer = list[dict[str, Any]]


_FEW = 12  # names in a sentence
_LEAST, _MOST = 1e-9, 1e12  # nobody measures outside, but words in the wrong order often lie there


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate read` takes."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="point, device or link")
    parser.add_argument("--every", metavar="TIME", help="read again and again, such as 2s")
    add_explore(parser)
    options.config(parser)
    options.socket(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the values once, or until Ctrl-C; 1 when none of them is good."""
    if args.explore:
        from agent.cli.explore import explore

        return explore(args)
    if stray := [word for word in ("addr", "unit", "table", "expect") if getattr(args, word) is not None]:
        raise ConfigError(f"--{stray[0]} belongs to --explore")
    try:
        pause = Duration.parse(args.every) if args.every else None
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from error
    while True:
        readings, way = _read(args)
        _print(readings, way, as_json=args.json)
        if pause is None:
            return 0 if any(one["quality"] == "good" for one in readings) else 1
        time.sleep(pause)


def _read(args: argparse.Namespace) -> tuple[Answer, str]:
    """Read through the daemon if one runs, else by ourselves."""
    from agent.status import ask, somebody_listens

    if somebody_listens(args.socket):
        links = {one["name"]: one for one in ask(args.socket, {"ask": "status"})["links"]}
        names = [
            inner
            for name in args.names
            for inner in ([one["name"] for one in links[name]["devices"]] if name in links else [name])
        ]
        answer = ask(args.socket, {"ask": "read", "points": names})
        return answer["readings"], "through the running gateway"
    import asyncio

    from agent.config.load import load

    plan = load(args.folder)
    wanted = set(matching(plan, args.names))
    return asyncio.run(_by_ourselves(plan, wanted)), "directly, because no gateway runs here"


def matching(plan: Plan, names: Sequence[str]) -> list[str]:
    """Give the points that *names* mean, all if none; raise ConfigError with the nearest name."""
    everything = [(link.name, point.name) for link in plan.links for point in link.driver.points()]
    groups: dict[str, list[str]] = {}
    for link, point in everything:
        for name in {link, point.partition(".")[0], point.rpartition(".")[0], point}:
            groups.setdefault(name, []).append(point)
    for name in names:
        if name not in groups:
            from difflib import get_close_matches

            near = get_close_matches(name, groups, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else f"; known: {', '.join(_heads(everything))}"
            raise ConfigError(f'no point, device or link is called "{name}"{hint}')
    chosen = [point for name in names for point in groups[name]] or [point for _, point in everything]
    return list(dict.fromkeys(chosen))


def _heads(points: Sequence[tuple[str, str]]) -> list[str]:
    """List the names of links and devices, a dozen at most."""
    names = [one for link, point in points for one in (link, point.partition(".")[0])]
    known = list(dict.fromkeys(names))
    return known if len(known) <= _FEW else [*known[:_FEW], "..."]


async def _by_ourselves(plan: Plan, wanted: set[str]) -> Answer:
    answer: Answer = []
    for link in plan.links:
        chosen = tuple(point.name for point in link.driver.points() if point.name in wanted)
        if chosen:
            answer += await _link(link, chosen)
    return answer


async def _link(link: Link, chosen: tuple[str, ...]) -> Answer:
    from agent.core.clock import SystemClock
    from agent.core.driver import CanRead

    if not isinstance(link.driver, CanRead):
        raise GatewayError(f"{link.name}: driver {link.kind} cannot be read without a running gateway")
    clock = SystemClock()
    units = {point.name: point.unit for point in link.driver.points()}
    readings: Sequence[Reading] = await link.driver.read(chosen, clock)
    now = clock.boot()
    return [
        {
            "point": one.sample.point,
            "value": one.sample.value,
            "unit": units.get(one.sample.point, ""),
            "quality": str(one.sample.quality),
            "why": one.sample.why,
            "age": max(0.0, now - one.sample.at),
            "raw": one.raw,
        }
        for one in readings
    ]


def _print(readings: Answer, way: str, *, as_json: bool) -> None:
    if as_json:
        import json

        print(json.dumps({"readings": readings}), flush=True)
        return
    rows = [
        [
            one["point"],
            figure(one["value"]),
            one["unit"],
            one["quality"] + (f" ({one['why']})" if one["why"] else ""),
            "-" if one["age"] is None else span(one["age"]),
            one["raw"],
        ]
        for one in readings
    ]
    print(f"{time.strftime('%H:%M:%S')}, {way}")
    print(table(("point", "value", "unit", "quality", "age", "raw words"), rows))
    print("".join(f"{sentence(one)}\n" for one in advice(readings)), end="", flush=True)


def advice(readings: Answer) -> list[str]:
    """Say what to look at next, once for each kind of trouble."""
    whys = {one["why"]: one["point"] for one in reversed(readings) if one["quality"] != "good"}
    found = [f"{point}: {ADVICE[why]}" for why, point in reversed(whys.items()) if why in ADVICE]
    far_off = [one["point"] for one in readings if one["value"] and not _LEAST < abs(one["value"]) < _MOST]
    if far_off:
        found.append(f"{far_off[0]} is far off: compare type and byte_order with the meter's manual")
    return found
