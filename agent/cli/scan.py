"""Look for devices, say what they are, and write the tables that make them part of a site.

What is found is printed as TOML, ready to be pasted, or written to a new file; how far the search is stands
on the error output. It only reads, one request at a time on each line, and goes through the running gateway
where that holds a line. Ctrl-C ends it and prints what was found so far.

For example:
  citygate scan modbus 10.20.0.15               every unit behind one address
  citygate scan modbus 10.20.0.0/24 --out found.toml
  citygate scan serial                          every serial adapter: who speaks, or which units answer
  citygate scan modbus 10.20.0.15 --json | jq .found[].what
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options
from agent.core.errors import ConfigError, GatewayError
from agent.core.search import Found, Missed, Progress

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.cli.proposal import Proposed
    from agent.core.plan import Plan
    from agent.core.search import Search, Told

_INTERRUPTED = 130
_NEXT = "next: put it into a site file (or use --out FILE), then `citygate check` and `citygate read`"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate scan` takes: a word for each search, with its options."""
    import argparse as parsing

    from agent.cli.search_words import add_words, describe
    from agent.registry import kinds, plugin

    words = kinds("search")
    ways = parser.add_subparsers(dest="way", metavar="|".join(words), required=True)
    for word in words:
        kind = plugin("search", word)
        text, examples = describe(kind)
        way = ways.add_parser(
            word,
            help=text.partition("\n")[0].removesuffix("."),
            description=text,
            epilog=f"examples:\n{examples}",
            formatter_class=parsing.RawDescriptionHelpFormatter,
        )
        add_words(way, kind)
        way.add_argument(
            "--out", metavar="FILE", type=Path, help="write the tables to a new file; one that is there stays"
        )
        options.config(way)
        options.socket(way)
        options.json(way)


def run(args: argparse.Namespace) -> int:
    """Search; 1 when nothing was found, 130 when somebody interrupted it."""
    from agent.cli.progress import ProgressBar
    from agent.cli.search_words import settings_of
    from agent.registry import plugin

    search = settings_of(plugin("search", args.way), args)
    if args.out is not None and args.out.exists():
        raise ConfigError(f"{args.out} is there already, and nothing is overwritten; name a new file")
    found: list[Found] = []
    missed: list[Missed] = []
    bar = ProgressBar()

    def tell(one: Told) -> None:
        match one:
            case Progress():
                bar.show(one)
            case Found():
                found.append(one)
                bar.say(f"found {one.address}: {one.what}")
            case Missed():
                missed.append(one)
                bar.say(f"{one.address}: {one.why}")

    try:
        whole = _searched(search, args, tell)
    except GatewayError:
        if found:
            _give(found, missed, args, whole=False)
        raise
    finally:
        bar.end()
    _give(found, missed, args, whole=whole)
    _say_next(args, found, whole=whole)
    if not whole:
        return _INTERRUPTED
    return 0 if found else 1


def _searched(search: Search, args: argparse.Namespace, tell: Callable[[Told], None]) -> bool:
    """Search; say whether it came to its end."""
    import asyncio
    import signal

    from agent.cli.lent import Lent
    from agent.core.clock import SystemClock

    # a command usually ends at once by Ctrl-C; here the event loop takes it, and ports are closed in order
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(search.search(Lent(args.folder, args.socket), SystemClock(), tell))
    except KeyboardInterrupt:
        return False
    return True


def _give(found: list[Found], missed: list[Missed], args: argparse.Namespace, *, whole: bool) -> None:
    """Print what was found, or write it to the file that was named."""
    from agent.cli.proposal import proposals, text_of

    proposed = proposals(found, _plan(args.folder))
    text = text_of(proposed)
    if args.out is not None and found:
        with args.out.open("x", encoding="utf-8") as file:
            file.write(text)
    if args.json:
        _print_json(proposed, missed, whole=whole)
    elif args.out is not None and found:
        from agent.cli.screen import table

        rows = [[one.found.address, one.found.what, one.link, one.device] for one in proposed]
        print(table(("where", "what", "link", "device"), rows))
    else:
        print(text, end="")


def _say_next(args: argparse.Namespace, found: list[Found], *, whole: bool) -> None:
    """Say on the error output what to do next."""
    if not whole:
        print("interrupted: this is what was found so far" if found else "interrupted", file=sys.stderr)
    elif not found:
        print("nothing was found", file=sys.stderr)
    elif args.out is not None:
        print(f"written to {args.out}; next: `citygate check` and `citygate read`", file=sys.stderr)
    elif not args.json:
        print(_NEXT, file=sys.stderr)


def _plan(folder: Path) -> Plan | None:
    """Give the site as it stands, so that names stay free; None where there is none, or a faulty one."""
    from agent.config.load import load

    try:
        return load(folder)
    except (ConfigError, OSError):
        return None


def _print_json(proposed: list[Proposed], missed: list[Missed], *, whole: bool) -> None:
    import json

    from msgspec import to_builtins

    rows = [
        {
            "address": one.found.address,
            "what": one.found.what,
            "note": one.found.note,
            "link": one.link,
            "device": one.device,
            "known": one.known,
            "toml": one.toml,
        }
        for one in proposed
    ]
    print(json.dumps({"complete": whole, "found": rows, "missed": to_builtins(missed)}, indent=2))
