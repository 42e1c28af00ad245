"""Give this gateway an identity of its own: its key is made here and never leaves.

`request` makes the key and prints a certificate request for the city's authority; `accept` takes the
certificate that comes back, if it is for that key; `show` tells how long it lives, and ends with 1 when less
than a third of its life is left. A renewal is the same again: the old identity stays in use until `accept`.

For example:
  sudo citygate identity request > gw1.csr
  sudo citygate identity accept gw1.pem --ca /etc/citygate/city-ca.pem
  citygate identity show
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import options, vault
from agent.config.secrets import PREFIX, name_of
from agent.core.errors import ConfigError, GatewayError
from agent.folders import config_folder

if TYPE_CHECKING:
    import argparse

_DAY: Final = 86400.0
_NEXT: Final = ".next"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate identity` takes."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="request|accept|show")
    request = ways.add_parser("request", help="make a key, and print a certificate request for it")
    accept = ways.add_parser("accept", help="take the certificate that was made for the request")
    accept.add_argument(
        "certificate", metavar="FILE", type=Path, help="the certificate, PEM; a chain follows"
    )
    accept.add_argument("--ca", metavar="FILE", type=Path, help="authority that must have signed it")
    show = ways.add_parser("show", help="tell whose certificate it is and how long it lives")
    for one in (request, accept, show):
        one.add_argument("--name", default="gateway", help="which identity (default: %(default)s)")
        options.config(one)
    request.add_argument("--plain", action="store_true", help="keep the key in a file, not sealed")
    options.json(show)


def run(args: argparse.Namespace) -> int:
    """Make a request, take a certificate, or tell of it."""
    name = name_of(f"{PREFIX}{args.name}")
    return {"request": _request, "accept": _accept, "show": _show}[args.way](name, args)


def _request(name: str, args: argparse.Namespace) -> int:
    from agent.cli import x509
    from agent.config.load import load

    place = load(args.folder).place
    key = x509.new_key()
    asked = x509.request(key, f"{place.city}/{place.site}/{place.gateway}")
    how = vault.keep(_key(name) + _NEXT, key, plain=args.plain)
    print(asked, end="")
    print(
        f"the key is {how}; have this request signed as a client's, then: sudo citygate identity accept FILE",
        file=sys.stderr,
    )
    return 0


def _accept(name: str, args: argparse.Namespace) -> int:
    from agent.cli import x509

    text = args.certificate.read_text("utf-8", "replace")
    found = x509.read(text, str(args.certificate))
    waits = _key(name) + _NEXT in vault.kept()
    key = vault.opened(_key(name) + _NEXT if waits else _key(name))
    if x509.public_of(key) != found.public:
        raise ConfigError(
            f"{args.certificate} is not for the key of this gateway: have the last request signed, "
            f"or make a new one with `sudo citygate identity request`"
        )
    if found.until < time.time():
        raise ConfigError(f"{args.certificate} ended on {x509.day(found.until)}; ask for a new one")
    if args.ca:
        x509.must_verify(text, args.ca)
    place = _file(name)
    part = place.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.chmod(0o644)
    part.replace(place)
    if waits:
        is_plain = vault.kept()[_key(name) + _NEXT] == vault.PLAIN
        vault.keep(_key(name), key, plain=is_plain)
        vault.forget(_key(name) + _NEXT)
    print(f"{found.subject} until {x509.day(found.until)}. In [recipient.NAME] of sharing.toml:\n")
    print(f'certificate = "{place}"\nkey = "credential:{_key(name)}"\n\nThen: sudo citygate apply')
    return 0


def _show(name: str, args: argparse.Namespace) -> int:
    from agent.cli import x509

    place = _file(name)
    if not place.is_file():
        raise GatewayError(f"there is no identity {name} yet: `sudo citygate identity request`")
    found = x509.read(place.read_text("utf-8"), str(place))
    left = found.until - time.time()
    is_old = left < (found.until - found.since) / 3
    if args.json:
        import json

        told = {
            "subject": found.subject,
            "issuer": found.issuer,
            "days": round(left / _DAY, 1),
            "renew": is_old,
        }
        print(json.dumps(told, indent=2))
    else:
        print(
            f"{found.subject}, by {found.issuer}, until {x509.day(found.until)}: {left / _DAY:.0f} days left"
        )
        if is_old:
            print("Less than a third of its life is left: `sudo citygate identity request` begins a renewal.")
    return 1 if is_old else 0


def _key(name: str) -> str:
    return f"{name}-key"


def _file(name: str) -> Path:
    return config_folder() / f"{name}.pem"
