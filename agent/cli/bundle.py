"""Make one signed file of a configuration, and apply it to a gateway far away; it is taken back if it fails.

`make` packs a folder (site.toml, sharing.toml, site.d, profiles, models) for one gateway. `apply`, as root
there, verifies the signature by `bundle_signers` beside the configuration, refuses a number that is not
higher, compiles everything, and lets the gateway read it. It is kept when all that did well before does so
for a minute; if that does not come within ten, the files before are put back. Status: 0 kept, 1 taken back,
2 refused.

For example:
  citygate bundle make ./site --number 4 --key ~/.ssh/id_ed25519 --out library.bundle
  sudo citygate bundle apply ./library.bundle
  sudo citygate bundle settle       after a power cut in the middle; the unit does so by itself
  citygate bundle show
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.core.duration import Duration
from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from agent.bundle.trial import Keeper
    from agent.trials import Verdict


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate bundle` takes."""
    ways = parser.add_subparsers(dest="way", metavar="make|apply|settle|show", required=True)
    make = _way(ways, "make", "pack and sign a configuration for one gateway")
    options.folder(make)
    make.add_argument("--number", metavar="N", type=int, required=True, help="higher than the one before")
    make.add_argument("--key", metavar="KEY", type=Path, required=True, help="private ssh key, or its .pub")
    make.add_argument("--out", metavar="FILE", type=Path, required=True, help="file to write")
    make.add_argument(
        "--model",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="a *.citymodel; may be repeated",
    )
    apply = _way(ways, "apply", "verify a bundle, put it into place, keep it or take it back")
    apply.add_argument("file", metavar="FILE", type=Path, help="the bundle")
    apply.add_argument("--wait", metavar="TIME", default="10m", help="longest trial (default: %(default)s)")
    apply.add_argument(
        "--calm", metavar="TIME", default="1m", help="how long all must do well (default: %(default)s)"
    )
    settle = _way(ways, "settle", "go on with a trial that was broken off")
    show = _way(ways, "show", "tell which bundle is in force and how the last trial ended")
    for one in (apply, settle):
        options.state(one)
        options.socket(one)
        options.models(one)
        options.into_force(one)
    for one in (apply, settle, show):
        options.config(one)


def _way(
    ways: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return ways.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    return {"make": _make, "apply": _apply, "settle": _settle, "show": _show}[args.way](args)


def _make(args: argparse.Namespace) -> int:
    from agent.bundle.pack import NAMESPACE, Manifest, content, gathered, sealed
    from agent.config.load import load
    from agent.config.seal import sign

    if not args.folder.is_dir():
        raise ConfigError(f"{args.folder}: name the folder, not one file: a bundle is a whole configuration")
    place = load(args.folder).place
    manifest = Manifest(city=place.city, site=place.site, gateway=place.gateway, number=args.number)
    try:
        raw = content(manifest, gathered(args.folder, args.model))
        made = sealed(raw, sign(raw, args.key, namespace=NAMESPACE))
    except ValueError as error:
        raise GatewayError(str(error)) from error
    beside = args.out.with_name(f"{args.out.name}.new")
    beside.write_bytes(made)
    beside.replace(args.out)
    print(f"{args.out}: number {manifest.number} for {manifest.place}, {len(made)} bytes")
    return 0


def _apply(args: argparse.Namespace) -> int:
    from agent.bundle.pack import LONGEST

    try:
        with args.file.open("rb") as file:
            raw = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"{args.file}: {error.strerror}; nothing was changed") from error
    if len(raw) > LONGEST:
        raise ConfigError(f"{args.file} is larger than a bundle may be ({LONGEST} bytes)")
    patience, calm = _span("--wait", args.wait), _span("--calm", args.calm)
    if calm >= patience:
        raise ConfigError(f"--calm {args.calm} is no shorter than --wait {args.wait}: nothing could be kept")
    return _told(_keeper(args).apply(raw, patience, calm))


def _settle(args: argparse.Namespace) -> int:
    verdict = _keeper(args).settle()
    if verdict is None:
        print("No bundle is on trial.")
        return 0
    return _told(verdict)


def _show(args: argparse.Namespace) -> int:
    from agent.trials import Memory

    memory = Memory(args.folder)
    known, trial, verdict = memory.known(), memory.trial(), memory.verdict()
    told = f"number {known.number}, signed by {known.signer}" if known else "none came as a bundle"
    print(f"in force: {told}")
    if trial is not None:
        print(f"on trial: number {trial.bundle.number}, signed by {trial.bundle.signer}")
    if verdict is not None and not verdict.kept:
        print(f"taken back: number {verdict.number}, signed by {verdict.signer}: {verdict.why}")
    return 0


def _told(verdict: Verdict) -> int:
    word = "kept" if verdict.kept else "taken back"
    print(f"bundle {verdict.number}, signed by {verdict.signer}: {word}: {verdict.why}")
    return 0 if verdict.kept else 1


def _span(option: str, text: str) -> float:
    try:
        return float(Duration.parse(text))
    except ValueError as error:
        raise ConfigError(f"{option}: {error}") from error


def _keeper(args: argparse.Namespace) -> Keeper:
    from agent import journal
    from agent.bundle.trial import Keeper, World
    from agent.cli.in_force import bring

    journal.set_up(unit="citygate.service")  # whoever looks into its log must find what became of a bundle

    def status() -> Mapping[str, Any] | None:
        from agent.status import ask

        try:
            return ask(args.socket, {"ask": "status"}, patience=5.0)
        except GatewayError:
            return None

    def boot() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    world = World(
        now=time.time, boot=boot, sleep=time.sleep, status=status, reload=lambda: bring(args.reload)
    )
    return Keeper(args.folder, args.state, args.models, world)
