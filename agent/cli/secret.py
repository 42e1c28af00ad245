"""Keep a secret for `credential:NAME`; list the names, or remove one. A value is never shown.

It is asked for without being shown, or read from what is piped in. Where systemd can encrypt (Debian 12 and
newer) only the service on this very computer can open it; elsewhere, and with --plain, the gateway's user
reads a file. `sudo citygate apply` hands it over.

For example:
  sudo citygate secret set city-password
  sudo citygate secret set client-key < client.key
  sudo citygate secret list
  sudo citygate secret remove city-password
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from agent.cli import options, vault
from agent.core.errors import ConfigError, GatewayError
from agent.core.secrets import PREFIX, name_of

if TYPE_CHECKING:
    import argparse

_LONGEST: Final = 1 << 20  # as systemd's own limit


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate secret` takes."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="set|list|remove")
    for way, text in (("set", "ask for a secret and keep it"), ("remove", "forget a secret")):
        one = ways.add_parser(way, help=text)
        one.add_argument("name", metavar="NAME", help="what follows credential: in the configuration")
        if way == "set":
            one.add_argument("--plain", action="store_true", help="a file that the gateway's user can read")
        options.config(one)
    options.config(ways.add_parser("list", help="list the names"))


def run(args: argparse.Namespace) -> int:
    """Keep, list or remove."""
    if args.way == "list":
        rows = [f"{name}: {how}" for name, how in sorted(vault.kept().items())]
        print("\n".join(rows) or "There is no secret here.")
        return 0
    name = name_of(f"{PREFIX}{args.name}")
    if args.way == "remove":
        if not vault.forget(name):
            raise GatewayError(
                f"there is no secret called {name}; `citygate secret list` shows those there are"
            )
        print(f"removed {name}; `sudo citygate apply` takes it from the service")
        return 0
    how = vault.keep(name, _asked(name), plain=args.plain)
    print(f"kept {name}, {how}; `sudo citygate apply` hands it over")
    return 0


def _asked(name: str) -> bytes:
    if not sys.stdin.isatty():
        value = sys.stdin.buffer.read(_LONGEST + 1).removesuffix(b"\n")
    else:
        from getpass import getpass

        value = getpass(f"{name}: ").encode()
        if getpass(f"{name} again: ").encode() != value:
            raise ConfigError("the two are not the same; nothing was kept")
    if not value or len(value) > _LONGEST:
        raise ConfigError(f"{name} is {'empty' if not value else 'longer than 1 MB'}; nothing was kept")
    return value
