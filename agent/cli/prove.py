"""Try to break each promise on this very computer: egress, grants, privacy, ledger, network, bus, files.

Nothing real is touched: links and brokers are led to spies on loopback, what is spoilt is a copy. It takes
some ten seconds. Without a site in /etc/citygate the demo's is taken. Each promise passes, fails, or is not
enforced on this system, with the reason. The exit status is 1 when one fails, and with --strict also when
one is not enforced. What was found is kept in the state folder, for `citygate report privacy`.

For example:
  citygate prove                    /etc/citygate; with sudo also the running gateway's sockets are seen
  citygate prove ./site --strict
  citygate prove --json | jq '.proofs[] | select(.state != "pass")'
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options
from agent.cli.screen import sentence

if TYPE_CHECKING:
    import argparse

    from agent.prove.record import Record
    from agent.prove.run import Proof

_WIDE = 14


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate prove` takes."""
    options.folder(parser)
    options.state(parser)
    options.socket(parser)
    parser.add_argument("--strict", action="store_true", help="what is not enforced is a failure too")
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Try all promises and tell what came of them."""
    from agent.config.load import load, outbox_folder
    from agent.outbox.outbox import FILE
    from agent.prove import record
    from agent.prove.run import names, try_all
    from agent.prove.scene import Scene
    from agent.release import release

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the folder of copies must go in any case
    folder = _site(args.folder)
    plan = load(folder)
    state = Path(outbox_folder(folder) or args.state)
    place = (plan.place.city, plan.place.site, plan.place.gateway)
    with _room() as room:
        scene = Scene(
            plan=plan, folder=folder, outbox=state / FILE, socket=args.socket, room=room, now=time.time()
        )
        if not args.json:
            print(f"{'/'.join(place)}, policy {plan.policy}: {len(names())} promises are put to the test\n")
        proofs = list(_shown(try_all(scene), names(), quiet=args.json))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    found = record.of(place, plan.policy, now, release(), proofs)
    is_kept = record.keep(found, state)
    if args.json:
        print(record.text(found).decode(), end="")
    else:
        print(_summary(found, state if is_kept else None))
    return verdict(found, strict=args.strict)


def verdict(found: Record, *, strict: bool) -> int:
    """Give the exit status: 1 when a promise failed, or *strict* and one is not enforced."""
    from agent.prove.outcome import State

    return 1 if found.count(State.BROKEN) or (strict and found.count(State.OPEN)) else 0


def _site(folder: Path) -> Path:
    """Give *folder*, or the demo's files where nobody named one and none is there."""
    from agent.core.folders import config_folder
    from agent.resources import resource

    if folder != config_folder() or any(folder.glob("*.toml")):
        return folder
    print(f"There is no *.toml in {folder}: the demo's site is taken. Or name a folder.", file=sys.stderr)
    return resource("config/templates/demo")


@contextmanager
def _room() -> Iterator[Path]:
    """Give a folder for copies and for things to spoil, which goes afterwards."""
    with tempfile.TemporaryDirectory(prefix="citygate-prove-") as name:
        yield Path(name)


def _shown(proofs: Iterator[Proof], names: list[str], *, quiet: bool) -> Iterator[Proof]:
    """Tell of each proof as soon as it is done, and on a terminal also which is under way."""
    watches = sys.stderr.isatty()
    for number, name in enumerate(names, 1):
        if watches:
            print(f"\r\033[K({number}/{len(names)}) {name} ...", end="", file=sys.stderr, flush=True)
        proof = next(proofs)
        if watches:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        if not quiet:
            print(f"{proof.state:<{_WIDE}}{proof.promise}")
            print("\n".join(sentence(one, indent=" " * _WIDE) for one in proof.told), flush=True)
        yield proof


def _summary(found: Record, folder: Path | None) -> str:
    from agent.prove.outcome import State

    kept, broken, unenforced = (found.count(one) for one in (State.KEPT, State.BROKEN, State.OPEN))
    where = f"Kept in {folder}." if folder else "Not kept: the state folder cannot be written here."
    told = "\n".join(
        f"Outside what citygate promises, because others made it: {one}." for one in found.strangers
    )
    counts = f"\n{kept} pass, {broken} fail, {unenforced} not enforced on this system. {where}"
    return f"{counts}\n{told}" if told else counts
