"""Give this gateway an identity of its own: its key is made here and never leaves.

`request` makes the key and prints a certificate request for the city's authority; `accept` takes the
certificate that comes back, if it is for that key; `show` tells how long it lives, and ends with 1 when less
than a third of its life is left. A renewal is the same again: the old identity stays in use until `accept`.
`renew` does all of it when that third has begun: a program of yours gets the request on its standard input
and prints the certificate.

For example:
  sudo citygate identity request > gw1.csr
  sudo citygate identity accept gw1.pem --ca /etc/citygate/city-ca.pem
  citygate identity show
  sudo citygate identity renew --by /etc/citygate/renew
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import options, vault
from agent.core.errors import ConfigError, GatewayError
from agent.core.folders import config_folder
from agent.core.secrets import PREFIX, name_of

if TYPE_CHECKING:
    import argparse

    from agent.cli.x509 import Certificate

_DAY: Final = 86400.0
_NEXT: Final = ".next"
_PATIENCE: Final = 300.0  # seconds that an authority may take


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate identity` takes."""
    ways = parser.add_subparsers(dest="way", required=True, metavar="request|accept|show|renew")
    request = ways.add_parser("request", help="make a key, and print a certificate request for it")
    accept = ways.add_parser("accept", help="take the certificate that was made for the request")
    accept.add_argument(
        "certificate", metavar="FILE", type=Path, help="the certificate, PEM; a chain follows"
    )
    show = ways.add_parser("show", help="tell whose certificate it is and how long it lives")
    renew = ways.add_parser("renew", help="have a certificate made for a new key when the old one ages")
    renew.add_argument("--by", metavar="PROGRAM", required=True, help="request in, certificate out")
    renew.add_argument("--now", action="store_true", help="whether it ages or not")
    options.into_force(renew)
    for one in (accept, renew):
        one.add_argument("--ca", metavar="FILE", type=Path, help="authority that must have signed it")
    for one in (request, accept, show, renew):
        one.add_argument("--name", default="gateway", help="which identity (default: %(default)s)")
        options.config(one)
    request.add_argument("--plain", action="store_true", help="keep the key in a file, not sealed")
    options.json(show)


def run(args: argparse.Namespace) -> int:
    """Make a request, take a certificate, tell of it, or have it renewed."""
    name = name_of(f"{PREFIX}{args.name}")
    return {"request": _request, "accept": _accept, "show": _show, "renew": _renew}[args.way](name, args)


def _request(name: str, args: argparse.Namespace) -> int:
    asked, how = _asked(name, args, plain=args.plain)
    print(asked, end="")
    print(
        f"the key is {how}; have this request signed as a client's, then: sudo citygate identity accept FILE",
        file=sys.stderr,
    )
    return 0


def _asked(name: str, args: argparse.Namespace, *, plain: bool) -> tuple[str, str]:
    """Make a key, keep it beside the present one, and give a request for it, and how the key is kept."""
    from agent.cli import x509
    from agent.config.load import load

    place = load(args.folder).place
    key = x509.new_key()
    asked = x509.request(key, f"{place.city}/{place.site}/{place.gateway}")
    return asked, vault.keep(_key(name) + _NEXT, key, plain=plain)


def _accept(name: str, args: argparse.Namespace) -> int:
    from agent.cli import x509

    found = _taken(name, args.certificate.read_text("utf-8", "replace"), str(args.certificate), args.ca)
    print(f"{found.subject} until {x509.day(found.until)}. In [recipient.NAME] of sharing.toml:\n")
    print(f'certificate = "{_file(name)}"\nkey = "credential:{_key(name)}"\n\nThen: sudo citygate apply')
    return 0


def _taken(name: str, text: str, where: str, ca: Path | None) -> Certificate:
    """Put the certificate in *text*, which comes from *where*, in place of the old one, and its key too."""
    from agent.cli import x509

    found = x509.read(text, where)
    waits = _key(name) + _NEXT in vault.kept()
    key = vault.opened(_key(name) + _NEXT if waits else _key(name))
    if x509.public_of(key) != found.public:
        raise ConfigError(
            f"{where} is not for the key of this gateway: have the last request signed, "
            f"or make a new one with `sudo citygate identity request`"
        )
    if found.until < time.time():
        raise ConfigError(f"{where} ended on {x509.day(found.until)}; ask for a new one")
    if ca:
        x509.must_verify(text, ca)
    place = _file(name)
    part = place.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.chmod(0o644)
    part.replace(place)
    if waits:
        vault.keep(_key(name), key, plain=vault.kept()[_key(name) + _NEXT] == vault.PLAIN)
        vault.forget(_key(name) + _NEXT)
    return found


def _renew(name: str, args: argparse.Namespace) -> int:
    """Have a new certificate made, if it is time, and bring it into force."""
    from agent.cli import x509
    from agent.cli.in_force import bring

    found = _present(name)
    if not (args.now or _is_old(found)):
        print(f"{found.subject} lives until {x509.day(found.until)}: it is not time yet")
        return 0
    asked, _ = _asked(name, args, plain=vault.kept().get(_key(name)) == vault.PLAIN)
    taken = _taken(name, _signed(args.by, asked), f"what {args.by} gave", args.ca)
    print(f"{taken.subject} is renewed until {x509.day(taken.until)}")
    bring(args.reload)
    return 0


def _signed(program: str, asked: str) -> str:
    """Give what *program* prints for a request; raise GatewayError if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - root's own
            [program], input=asked, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GatewayError(f"{program} made no certificate: {error}; the old one stays in use") from error
    if done.returncode:
        said = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise GatewayError(f"{program} made no certificate: {said}; the old one stays in use")
    return done.stdout


def _show(name: str, args: argparse.Namespace) -> int:
    from agent.cli import x509

    found = _present(name)
    left, is_old = found.until - time.time(), _is_old(found)
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


def _present(name: str) -> Certificate:
    from agent.cli import x509

    place = _file(name)
    if not place.is_file():
        raise GatewayError(f"there is no identity {name} yet: `sudo citygate identity request`")
    return x509.read(place.read_text("utf-8"), str(place))


def _is_old(found: Certificate) -> bool:
    """Say whether less than a third of its life is left."""
    return found.until - time.time() < (found.until - found.since) / 3


def _key(name: str) -> str:
    return f"{name}-key"


def _file(name: str) -> Path:
    return config_folder() / f"{name}.pem"
