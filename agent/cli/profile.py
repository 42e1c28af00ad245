"""List, show, test and begin profiles: what a type of device measures, and where.

For example:
  citygate profile list                       those shipped, and your own
  citygate profile show eastron/sdm630
  citygate profile test                       run the golden cases of all
  citygate profile test ./profiles/acme/boiler.toml
  citygate profile import registers.csv > profiles/acme/boiler.toml
  citygate profile sunspec 10.20.0.40 --unit 126 > profiles/own/roof.toml
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.screen import table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.cli.golden import Subject

_COMMON = ("unit", "kind", "quantity", "scope", "resolution", "minimum", "maximum", "rollover", "label")


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate profile` takes."""
    ways = parser.add_subparsers(dest="way", metavar="list|show|test|import|sunspec", required=True)
    known = {
        name: ways.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for name, text in (
            ("list", "list all profiles"),
            ("show", "show the points of one, and where its facts come from"),
            ("test", "run golden cases: raw words must become the expected values; 1 if they do not"),
            ("import", "turn a vendor's list of registers (CSV) into a profile to be completed"),
            ("sunspec", "ask an inverter or meter what it measures, and write that as a profile"),
        )
    }
    known["show"].add_argument("name", metavar="NAME", help="a profile, such as eastron/sdm630")
    known["test"].add_argument("names", metavar="NAME", nargs="*", help="profile or file; none: all")
    _add_import(known["import"])
    _add_sunspec(known["sunspec"])
    for name in ("list", "show", "test"):
        options.config(known[name])
        options.json(known[name])


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    ways: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "show": _show,
        "test": _test,
        "import": _import,
        "sunspec": _sunspec,
    }
    return ways[args.way](args)


def _add_import(way: argparse.ArgumentParser) -> None:
    way.add_argument("file", metavar="TABLE.csv", type=Path, help="one line a register, with a line of heads")
    way.add_argument("--vendor", metavar="NAME", default="", help="who makes the device")
    way.add_argument("--model", metavar="NAME", default="", help="which model")
    way.add_argument("--table", choices=("holding", "input"), help="where nothing else says the table")


def _add_sunspec(way: argparse.ArgumentParser) -> None:
    way.add_argument("host", metavar="HOST[:PORT]", help="where it is; port 502 if not said")
    way.add_argument("--unit", type=int, metavar="N", default=1, help="its unit number (default: 1)")
    way.add_argument("--name", metavar="VENDOR/MODEL", default="own/sunspec", help="name of the profile")


def _folder(args: argparse.Namespace) -> Path | None:
    return args.folder if args.folder.is_dir() else None


def _subjects(args: argparse.Namespace, names: list[str]) -> list[Subject]:
    from agent.cli.golden import subject
    from agent.config.profiles import profiles

    folder = _folder(args)
    return [subject(name, folder) for name in names or profiles(folder)]


def _list(args: argparse.Namespace) -> int:
    rows = [_summary(one) for one in _subjects(args, [])]
    if args.json:
        _print_json(rows)
        return 0
    heads = ("profile", "vendor", "model", "points", "sources", "unconfirmed")
    print(table(heads, [[str(row[key]) for key in heads] for row in rows]))
    return 0


def _summary(one: Subject) -> dict[str, Any]:
    import tomllib

    points = tomllib.loads(one.text).get("point", {})
    marked = [name for name, point in points.items() if point.get("unconfirmed") is True]
    return {
        "profile": one.name,
        "vendor": one.about.get("vendor", ""),
        "model": one.about.get("model", ""),
        "points": len(points),
        "sources": len(one.about.get("sources", ())),
        "unconfirmed": len(points) if one.about.get("unconfirmed") is True else len(marked),
    }


def _show(args: argparse.Namespace) -> int:
    import tomllib

    [one] = _subjects(args, [args.name])
    whole = tomllib.loads(one.text)
    if args.json:
        _print_json(whole)
        return 0
    about = one.about
    print(f"{one.name}: {about.get('vendor', '')} {about.get('model', '')} ({about.get('protocol', '')})")
    for key in ("notes", "verified"):
        if about.get(key):
            print(f"  {about[key]}")
    print("\n".join(["  sources:", *(f"    {source}" for source in about.get("sources", ()))]))
    if about.get("unconfirmed"):
        print("  unconfirmed: only one source tells these facts")
    defaults = whole.get("defaults", {})
    rows = [
        [
            name + (" (unconfirmed)" if point.get("unconfirmed") is True else ""),
            str(point.get("unit", defaults.get("unit", "1"))),
            str(point.get("kind", defaults.get("kind", "gauge"))),
            str(point.get("quantity", "")),
            _where({**defaults, **point}),
        ]
        for name, point in whole.get("point", {}).items()
    ]
    print(table(("point", "unit", "kind", "quantity", "where"), rows))
    return 0


def _where(point: dict[str, Any]) -> str:
    """Write what is the driver's own in a point: its address first."""
    own = {key: value for key, value in point.items() if key not in (*_COMMON, "unconfirmed")}
    first = {"addr": own.pop("addr")} if "addr" in own else {}
    words = {**first, **own}
    return " ".join(f"{key} {value}" for key, value in words.items())


def _test(args: argparse.Namespace) -> int:
    from agent.cli.golden import verdict

    verdicts = [verdict(one) for one in _subjects(args, args.names)]
    if args.json:
        from msgspec import to_builtins

        _print_json([to_builtins(one) for one in verdicts])
    else:
        rows = [
            [one.profile, str(one.points), str(one.cases), "FAILED" if one.failures else "ok"]
            for one in verdicts
        ]
        print(table(("profile", "points", "cases", "result"), rows))
        for one in verdicts:
            for failure in one.failures:
                print(f"{one.profile}: {failure}")
    return 1 if any(one.failures for one in verdicts) else 0


def _import(args: argparse.Namespace) -> int:
    from agent.cli.register_list import profile_of

    print(profile_of(args.file, vendor=args.vendor, model=args.model, table=args.table), end="")
    return 0


def _sunspec(args: argparse.Namespace) -> int:
    from agent.cli.sunspec import survey

    print(survey(args.host, args.unit, args.name), end="")
    return 0


def _print_json(what: object) -> None:
    import json

    print(json.dumps(what, indent=2))
