"""List the lines that the log can hold, or explain one: what it means and what to do.

The code stands in the journal's field CODE. Neither a journal nor a running gateway is needed.

For example:
  citygate messages
  citygate messages device-silent
  citygate messages --json
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.cli import options
from agent.cli.screen import table
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate messages` takes."""
    parser.add_argument("code", metavar="CODE", nargs="?", help="explain this one alone")
    parser.add_argument(
        "--form",
        choices=("list", "page", "journal"),
        default="list",
        help="a list, the page for maintainers, or the journal's catalogue",
    )
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print them."""
    from agent.core.catalogue.every import entries
    from agent.report.messages import journal_catalogue, level, page, row, sheet

    known = {one.code: one for one in entries()}
    if args.code and args.code not in known:
        from difflib import get_close_matches

        near = get_close_matches(args.code, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else "`citygate messages` lists them"
        raise ConfigError(f'there is no message "{args.code}"; {hint}')
    chosen = [known[args.code]] if args.code else list(known.values())
    if args.json:
        import json

        print(json.dumps([row(one) for one in chosen], indent=2))
    elif args.form != "list":
        print(page() if args.form == "page" else journal_catalogue(), end="")
    elif args.code:
        print(sheet(chosen[0]))
    else:
        print(table(("code", "level", "what"), [[one.code, level(one), row(one)["title"]] for one in chosen]))
    return 0
