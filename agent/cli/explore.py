"""Shows what an unknown register of a device may mean, the likeliest first, each with the line to copy."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from agent.cli.proposal import inline
from agent.cli.screen import sentence, table
from agent.core.driver import CanExplore, Guess, LinkSettings, Riddle
from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.core.plan import Link, Plan
    from agent.core.search import Held

_EXPECTED: Final = re.compile(r"\s*([-+]?\d+(?:[.,]\d+)?)\s*(\S*)\s*")
_MOST: Final = 12
_UNLIKELY: Final = 0.25
_ENDPOINT: Final = ("host", "port", "path")


def explore(args: argparse.Namespace) -> int:
    """Read around the address and print the guesses; 1 when none is likely."""
    from agent.config.load import load

    if args.addr is None or len(args.names) != 1:
        raise ConfigError("--explore needs the NAME of one device or link, and --addr N")
    link, device = _named(load(args.folder), args.names[0])
    if device and args.unit is not None:
        raise ConfigError(
            f"{device} has its unit number already; leave --unit out, or name its link {link.name}"
        )
    value, ucum = _expected(args.expect)
    riddle = Riddle(
        addr=args.addr, device=device, unit=args.unit, table=args.table or "", value=value, ucum=ucum
    )
    found, way = _explored(link, riddle, args)
    if args.json:
        from msgspec import to_builtins

        print(json.dumps({"guesses": to_builtins(found)}, indent=2))
    else:
        _print(found, way)
    return 0 if found and found[0].likely > _UNLIKELY else 1


def _explored(link: Link, riddle: Riddle, args: argparse.Namespace) -> tuple[Sequence[Guess], str]:
    """Ask, through the running gateway if it has the line."""
    import asyncio

    from agent.cli.lent import Lent
    from agent.core.clock import SystemClock

    if not isinstance(link.driver, CanExplore):
        raise GatewayError(f"{link.name}: driver {link.kind} has no registers to explore")
    driver = link.driver

    async def look() -> tuple[Sequence[Guess], str]:
        held = _holder(link, await Lent(args.folder, args.socket).held())
        way = "through the running gateway" if held else "directly, because no gateway holds the line"
        return await driver.explore(riddle, SystemClock(), held), way

    return asyncio.run(look())


def _holder(link: Link, held: Sequence[Held]) -> Held | None:
    """Give the running link that has the same line as *link*."""
    ours = {key: getattr(link.driver, key) for key in _ENDPOINT if getattr(link.driver, key, None)}
    return next(
        (one for one in held if {key: one.settings.get(key) for key in ours} == ours),
        None,
    )


def _named(plan: Plan, name: str) -> tuple[Link, str]:
    """Give the link called *name*, or that of the device called so, and the device; raise ConfigError."""
    from agent.config.hints import nearest

    places = {link.name: (link, "") for link in plan.links}
    for link in plan.links:
        assert isinstance(link.driver, LinkSettings)
        places |= {str(one.name): (link, str(one.name)) for one in link.driver.devices}
    if name not in places:
        hint = nearest(name, list(places))
        raise ConfigError(f'no device or link is called "{name}"' + (f"; {hint}" if hint else ""))
    return places[name]


def _expected(text: str | None) -> tuple[float | None, str]:
    """Read ``230.4`` or ``230.4 V``; raise ConfigError."""
    if text is None:
        return None, ""
    match = _EXPECTED.fullmatch(text)
    if match is None:
        raise ConfigError(f'--expect: "{text}" is no value; write 230.4 or "230.4 V"')
    return float(match[1].replace(",", ".")), match[2]


def _print(found: Sequence[Guess], way: str) -> None:
    likely = [one for one in found[:_MOST] if one.likely > _UNLIKELY] or list(found[:3])
    rows = [[one.value, one.where, one.raw, f"{one.likely:.0%}", one.why] for one in likely]
    print(way)
    print(table(("value", "where", "raw words", "likely", "why"), rows))
    points = [one for one in likely if "text" not in one.keys]
    if points:
        print(sentence("the likeliest first, as lines of [device.NAME.points]:"))
        print("\n".join(f"  my_point = {inline(one.keys)}  # {one.value}" for one in points))
    if len(found) > len(likely):
        print(sentence(f"{len(found) - len(likely)} less likely ones: --json prints them all"))
