"""Show what left, byte for byte; verify that it is unaltered; match it with what the city kept.

Reads the outbox beside a running gateway and changes nothing. It lies where [outbox] path of the
configuration says, else in the state folder; --state names another folder, or a copy of the file.
--since and --until are dates, UTC times or spans ago: 2026-11-21, 2026-11-21T20:00:00Z, 2h.
`privacy` tells how often each count was released with noise, day by day, and at which epsilon.

For example:
  citygate ledger show --last 5
  citygate ledger show --product energy --since 2h --bodies
  citygate ledger verify --heads heads.txt     what a witness kept of the topic l
  citygate ledger export --since 2026-11-01 > november.jsonl
  citygate ledger export --form page --since 2026-11-01 --until 2026-12-01
  citygate ledger privacy --since 7d
  citygate ledger match received.jsonl     files of the city: bodies, or mosquitto_sub -v lines
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.screen import blocks, printable, sentence, size, table
from agent.core.duration import Duration
from agent.core.errors import ConfigError
from agent.core.folders import state_folder

if TYPE_CHECKING:
    import argparse

    from agent.outbox.heads import Heads
    from agent.outbox.ledger import LedgerRow
    from agent.outbox.spent import Spent
    from agent.policy.history import Change

_FILE = "outbox.db"


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate ledger` takes."""
    ways = parser.add_subparsers(dest="way", metavar="show|verify|export|match|privacy", required=True)
    for name, text in (
        ("show", "list messages, oldest first"),
        ("verify", "recompute the chain of hashes; 1 if it is broken, or a witness knows it otherwise"),
        ("export", "write messages as JSON lines, as a sheet or as an account of the period"),
        ("match", "compare files of the city with what left; 1 if something is unknown"),
        ("privacy", "tell how often each count was released with noise, by day and policy"),
    ):
        way = ways.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        options.config(way)
        way.add_argument("--state", metavar="DIR", type=Path, help="folder of the outbox, or the file itself")
        if name in {"show", "export", "privacy"}:
            _add_filters(way, recipient=name != "privacy")
        if name == "show":
            way.add_argument(
                "--last", type=_number, metavar="N", default=20, help="the newest N (default: 20)"
            )
            way.add_argument("--bodies", action="store_true", help="print each message's body too")
        if name == "verify":
            _add_heads(way)
        if name == "export":
            way.add_argument(
                "--form", choices=("jsonl", "csv", "page"), default="jsonl", help="how it is written"
            )
        if name == "match":
            way.add_argument("files", metavar="FILE", nargs="+", type=Path, help="what the city kept")
        if name != "export":
            options.json(way)


def run(args: argparse.Namespace) -> int:
    """Do one of the five."""
    path = _place(args)
    ways = {"show": _show, "verify": _verify, "export": _export, "match": _match, "privacy": _privacy}
    return ways[args.way](path, args)


def _add_heads(way: argparse.ArgumentParser) -> None:
    way.add_argument(
        "--heads", metavar="FILE", nargs="+", type=Path, default=[],
        help="heads that a witness kept: bodies, or mosquitto_sub -v lines",
    )  # fmt: skip
    way.add_argument("--key", metavar="FILE", type=Path, help="public key that must have signed: ledger.pub")


def _place(args: argparse.Namespace) -> Path:
    """Find the outbox: where the command line says, else the configuration, else in the state folder."""
    from agent.config.load import outbox_folder

    place = args.state or Path(outbox_folder(args.folder) or state_folder())
    return place if place.is_file() else place / _FILE


def moment(text: str, now: float) -> float:
    """Read a date, a UTC time or a span ago, as UTC seconds; raise ConfigError."""
    try:
        return now - Duration.parse(text)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f'"{text}" is no time; write 2026-11-21, 2026-11-21T20:00:00Z or 2h') from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ConfigError(f'--last: "{text}" is no whole number above 0')
    return int(text)


def _add_filters(way: argparse.ArgumentParser, *, recipient: bool) -> None:
    way.add_argument("--product", metavar="NAME", help="only this product")
    if recipient:
        way.add_argument("--recipient", metavar="NAME", help="only what went to this recipient")
    way.add_argument("--since", metavar="TIME", help="made at this time or later")
    way.add_argument("--until", metavar="TIME", help="made before this time")


def _filters(args: argparse.Namespace) -> dict[str, Any]:
    return {"product": args.product, "recipient": args.recipient, **_times(args)}


def _times(args: argparse.Namespace) -> dict[str, float]:
    now = time.time()
    return {name: moment(text, now) for name in ("since", "until") if (text := getattr(args, name))}


def _nothing(path: Path, args: argparse.Namespace) -> str:
    """Say why nothing is listed: a name that the ledger does not know, or nothing of that time."""
    from agent.outbox.ledger import rows

    known = {(one.product, one.recipient) for one in rows(path, limit=1000)}
    for name, given, names in (
        ("product", args.product, {one for one, _ in known}),
        ("recipient", args.recipient, {one for _, one in known}),
    ):
        if given is not None and given not in names:
            return f'no message of {name} "{given}" is here; of: {", ".join(sorted(names)) or "none"}'
    return "no message of that time is here" if args.since or args.until else "no message has left yet"


def _show(path: Path, args: argparse.Namespace) -> int:
    from agent.outbox.ledger import rows

    found = list(rows(path, limit=args.last, **_filters(args)))
    if args.json:
        import json

        print(json.dumps([_as_json(one) for one in found], indent=2))
        return 0
    heads = ("made (UTC)", "recipient", "product", "message", "kind", "bytes", "state")
    if not found:
        print(_nothing(path, args), file=sys.stderr)
        return 0
    top, *lines = blocks(heads, [_line(one) for one in found])
    print("\n".join(top))
    for row, block in zip(found, lines, strict=True):
        print("\n".join(block))
        if args.bodies and row.body is not None:
            print(f"    {printable(row.body.decode(errors='replace'))}")
    return 0


def _line(row: LedgerRow) -> list[str]:
    return [
        f"{datetime.fromtimestamp(row.made, UTC):%Y-%m-%d %H:%M:%S}",
        row.recipient or "-",
        row.product or "-",
        f"{row.epoch}/{row.seq}",
        row.kind,
        "-" if row.body is None else str(len(row.body)),
        row.state,
    ]


def _as_json(row: LedgerRow) -> dict[str, Any]:
    from msgspec import to_builtins

    plain: dict[str, Any] = to_builtins(row)
    return plain | {"body": None if row.body is None else row.body.decode(errors="replace")}


def _verify(path: Path, args: argparse.Namespace) -> int:
    from agent.outbox.ledger import verify
    from agent.policy.history import faults, history

    found = verify(path)
    wrong = faults(history(path)) if found.noted else []
    heads = _heads(path, args)
    holds = found.holds and not wrong and (heads is None or heads.holds)
    if args.json:
        import json

        from msgspec import to_builtins

        told = {**to_builtins(found), "faults": [*found.faults, *wrong], "heads": to_builtins(heads)}
        print(json.dumps({**told, "holds": holds}, indent=2))
    else:
        print(f"{path} ({size(path.stat().st_size)}), lid {found.lid}, epoch {found.epoch}")
        noted = f", {found.noted} about the policy" if found.noted else ""
        print(f"  {found.rows} rows{noted}, {found.first} to {found.last}; {found.erased} bodies erased")
        print(f"  head {found.head}")
        told_faults = [f"  {one}" for one in (*found.faults, *wrong)]
        print("\n".join(told_faults) or "  The chain holds: nothing was altered.")
        if heads is not None:
            print(_told(heads))
    return 0 if holds else 1


def _heads(path: Path, args: argparse.Namespace) -> Heads | None:
    """Compare with the heads of a witness, if there are any."""
    from agent.outbox.heads import compare
    from agent.outbox.signing import read_public

    if not args.heads:
        return None
    public = None
    if args.key is not None:
        try:
            public = read_public(args.key.read_text("ascii"))
        except ValueError as error:
            raise ConfigError(f"{args.key}: {error}; take ledger.pub of the state folder") from None
    return compare(path, args.heads, public)


def _told(heads: Heads) -> str:
    lines = [f"  {heads.heads} heads, signed by {heads.key or 'nobody'}: {heads.confirmed} confirmed"]
    if heads.older:
        lines[0] += f", {heads.older} too old (their rows have left by retention)"
    lines += [f"  {one}" for one in heads.faults]
    if heads.holds:
        lines.append("  The witness agrees: up to the newest head nothing was rewritten.")
    elif not heads.faults:
        lines.append("  Nothing was confirmed: no head names a row that is still here.")
    return "\n".join(lines)


def _export(path: Path, args: argparse.Namespace) -> int:
    from agent.outbox.account import page, past_days, shares, sheet
    from agent.outbox.ledger import export, rows

    filters = _filters(args)
    if args.form == "page":
        period = f"{args.since or 'from the beginning'} to {args.until or 'now'}"
        found, days = shares(rows(path, **filters)), past_days(path, **filters)
        policies = [(one.at, one.policy, one.what) for one in _changes(path, args)]
        print(page(period, found, days, policies=policies, noise=_noise(path, args)), end="")
        return 0
    if args.form == "csv":
        count = sheet(rows(path, **filters), sys.stdout)
    else:
        count = export(path, sys.stdout, **filters)
    print(f"{count} messages", file=sys.stderr)
    return 0


def _changes(path: Path, args: argparse.Namespace) -> list[Change]:
    from agent.policy.history import history

    return history(path, **_times(args))


def _noise(path: Path, args: argparse.Namespace) -> list[Spent]:
    """Give the account of noise for the days that the period touches."""
    from agent.outbox.spent import spent

    days = {name: datetime.fromtimestamp(at, UTC).date().isoformat() for name, at in _times(args).items()}
    return spent(path, product=args.product, first=days.get("since", ""), last=days.get("until", "9999"))


def _privacy(path: Path, args: argparse.Namespace) -> int:
    from agent.outbox.account import NOISE_HEADS, NOISE_LEGEND, noise_cells

    found = _noise(path, args)
    if args.json:
        import json

        from msgspec import to_builtins

        print(json.dumps([to_builtins(one) for one in found], indent=2))
        return 0
    if not found:
        print("no count was released with noise in that time", file=sys.stderr)
        return 0
    print(table(NOISE_HEADS, [noise_cells(one) for one in found]))
    print("\n".join(sentence(one.removeprefix("- ")) for one in NOISE_LEGEND))
    return 0


def _match(path: Path, args: argparse.Namespace) -> int:
    from agent.outbox.ledger import match

    found = match(path, args.files)
    if args.json:
        import json

        from msgspec import to_builtins

        print(json.dumps({**to_builtins(found), "holds": found.holds}, indent=2))
        return 0 if found.holds else 1
    print(
        f"{found.messages} messages: {found.rows} are in the ledger, {found.proven} are proven by past days"
    )
    for day in found.days:
        print(
            f"  {day.route} {day.day}: {day.have} of {day.n}, {'agrees' if day.holds else 'does not agree'}"
        )
    for one in found.unknown:
        print(f"  {one}")
    print("All of them left here." if found.holds else f"{found.strangers} did not leave here.")
    return 0 if found.holds else 1
