"""Show who gets what, how fine, why and until when; export it for council, catalogue, contract and broker.

Everything is made from the compiled files, beside a running gateway or without one. `export` writes
who-gets-what.md and .csv, catalogue.jsonld (DCAT-AP), agreements.jsonld (ODRL), and for each broker the
access list of a mosquitto. `diff` ends with 1 when the policies differ. `sign` writes FILE.sig with an ssh
key, FILE.minisig with one of minisign; a site whose folder has `allowed_signers` or `allowed_minisign`
takes no policy without one.

For example:
  citygate policy show
  citygate policy show --form markdown ./site
  citygate policy export ./out --config ./site
  citygate policy diff ./site-before ./site
  citygate policy sign ./sharing.toml --key ~/.ssh/id_ed25519
  citygate policy verify ./site
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import options
from agent.cli.screen import sentence, table
from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    import argparse
    from datetime import date

    from agent.core.plan import Plan

_FORMS: Final = ("table", "markdown", "csv", "json")


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate policy` takes."""
    ways = parser.add_subparsers(dest="way", metavar="show|export|diff|sign|verify", required=True)
    show = _way(ways, "show", "list who gets what, how fine, why and until when")
    options.folder(show)
    show.add_argument("--form", choices=_FORMS, default="table", help="how it is written (default: table)")
    export = _way(ways, "export", "write table, catalogue, agreements and access lists into a folder")
    export.add_argument("out", metavar="OUT", type=Path, help="folder to write into; made if need be")
    options.config(export)
    diff = _way(ways, "diff", "tell how two configurations differ in what they share; 1 if they do")
    diff.add_argument("before", metavar="BEFORE", type=Path, help="folder or file to compare with")
    options.folder(diff)
    sign = _way(ways, "sign", "sign a file of the sharing policy with a key of ssh or minisign")
    sign.add_argument("file", metavar="FILE", type=Path, help="the file with the whole sharing policy")
    sign.add_argument(
        "--key",
        metavar="KEY",
        type=Path,
        required=True,
        help="private ssh key, its .pub in an agent, or a secret key of minisign",
    )
    verify = _way(ways, "verify", "tell who signed the policy, and whether it may come into force; 1 if not")
    options.folder(verify)
    options.state(verify)
    for one in (show, export, diff):
        one.add_argument("--date", metavar="DAY", help="as on this day, such as 2027-12-31 (default: today)")


def _way(
    ways: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    return ways.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    ways = {"show": _show, "export": _export, "diff": _diff, "sign": _sign, "verify": _verify}
    return ways[args.way](args)


def _show(args: argparse.Namespace) -> int:
    from agent.policy.council import HEADS, asking, cells, page, sheet
    from agent.policy.deals import deals

    plan, today = _plan(args.folder, args.date)
    found = deals(plan, today)
    if args.form == "json":
        import json

        from msgspec import to_builtins

        made = {"policy": plan.policy, "deals": [to_builtins(one) for one in found]}
        print(json.dumps(made, indent=2))
    elif args.form in {"markdown", "csv"}:
        print(page(plan, found) if args.form == "markdown" else sheet(plan, found), end="")
    else:
        print(f"{plan.place.city}/{plan.place.site}/{plan.place.gateway}: policy {plan.policy}")
        print(table(HEADS, [cells(one) for one in found]))
        if any(one.enforced_by == "broker" for one in found):
            print(sentence("enforced by broker: only that broker's access list can end it; see export."))
        for one in asking(found):
            print(sentence(one))
    return 0


def _export(args: argparse.Namespace) -> int:
    import json

    from agent.policy.acl import access_list, brokers
    from agent.policy.council import page, sheet
    from agent.policy.deals import deals
    from agent.policy.linked import agreements, catalogue

    plan, today = _plan(args.folder, args.date)
    found = deals(plan, today)
    files = {
        "who-gets-what.md": page(plan, found),
        "who-gets-what.csv": sheet(plan, found),
        "catalogue.jsonld": json.dumps(catalogue(plan, found), indent=2, ensure_ascii=False) + "\n",
        "agreements.jsonld": json.dumps(agreements(plan, found), indent=2, ensure_ascii=False) + "\n",
    }
    for broker in brokers(plan):
        name = broker.replace(":", "_").strip("[]")
        files[f"mosquitto-{name}.acl"] = access_list(plan, broker, today)
    args.out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (args.out / name).write_text(text, encoding="utf-8", newline="")
        print(f"  {args.out / name} ({len(text.encode())} bytes)")
    return 0


def _diff(args: argparse.Namespace) -> int:
    from agent.policy.compare import changes
    from agent.policy.deals import deals

    before, today = _plan(args.before, args.date)
    after, _ = _plan(args.folder, args.date)
    found = changes(before, after, deals(before, today), deals(after, today))
    if not found:
        print(f"Both share the same: policy {after.policy}.")
        return 0
    print(f"policy {before.policy} -> {after.policy}")
    for one in found:
        print(sentence(one))
    return 1


def _sign(args: argparse.Namespace) -> int:
    import tomllib

    from msgspec import ValidationError, convert

    from agent.config import minisign, seal
    from agent.config.tables import Policy

    raw = args.file.read_bytes()
    try:
        edition = convert(tomllib.loads(raw.decode()).get("policy"), Policy)
    except (ValueError, ValidationError):
        raise ConfigError(
            f'{args.file}: write [policy] with city = "..." and number = 1 (higher with every edition) first'
        ) from None
    is_minisign = minisign.is_secret_key(args.key)
    try:
        signature = minisign.sign(raw, args.key) if is_minisign else seal.sign(raw, args.key)
    except ValueError as error:
        raise GatewayError(str(error)) from error
    place = args.file.with_name(args.file.name + (minisign.SUFFIX if is_minisign else seal.SUFFIX))
    beside = place.with_name(f"{place.name}.new")
    beside.write_bytes(signature)
    beside.replace(place)
    print(f"{place}: number {edition.number} for {edition.city}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from agent.cli.check import signed_by
    from agent.policy.edition import FILE, objection_to, remembered

    plan, _ = _plan(args.folder, None)
    print(f"{signed_by(plan)} Policy {plan.policy}.")
    if objection := objection_to(plan, remembered(args.state), args.state / FILE):
        print(f"It may not come into force: {objection}.")
        return 1
    return 0 if plan.edition else 1


def _plan(folder: Path, day: str | None) -> tuple[Plan, date]:
    """Compile the files at *folder*; give the plan and the day that counts."""
    from datetime import date

    from agent.config.load import load
    from agent.policy.deals import site_date

    if day is None:
        plan = load(folder)
        return plan, site_date(plan, time.time())
    try:
        chosen = date.fromisoformat(day)
    except ValueError:
        raise ConfigError(f'--date: "{day}" is no day; write 2027-12-31') from None
    return load(folder, today=chosen), chosen
