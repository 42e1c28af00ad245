"""Write pages for people who ask, from the site's own configuration; no legal claim is made.

privacy: the annex of a data-protection impact assessment: what is captured, where it ends, what leaves,
under which terms, and the proofs that `citygate prove` kept. notice: for each group of meters or camera a
plain page for citizens, or records for a public register of sensors.

For example:
  citygate report privacy ./site --format html > annex.html
  citygate report notice ./site --language fi sv > notice.html
  citygate report notice ./site --json > register.json
  citygate report notice ./site --into ./public     a page for each group and language, and register.json
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.core.plan import Plan
    from agent.report.notice import Group
    from agent.report.phrases import Phrases


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate report` takes."""
    ways = parser.add_subparsers(dest="way", metavar="privacy|notice", required=True)
    for name, text in (
        ("privacy", "the annex of a data-protection impact assessment"),
        ("notice", "a page for citizens about each group of meters or camera"),
    ):
        way = ways.add_parser(name, help=text, description=f"Write {text}.")
        options.folder(way)
        if name == "privacy":
            options.state(way)
            way.add_argument(
                "--format", choices=("md", "html"), default="md", help="Markdown or one HTML file"
            )
        else:
            _add_notice(way)


def run(args: argparse.Namespace) -> int:
    """Write one of the two."""
    from agent.config.load import load

    plan = load(args.folder)
    return _privacy(plan, args) if args.way == "privacy" else _notice(plan, args)


def _add_notice(way: argparse.ArgumentParser) -> None:
    way.add_argument(
        "--language", metavar="CODE", nargs="+", default=["en"], help="one or several: en, de, fi, sv"
    )
    way.add_argument("--link", metavar="NAME", help="only the group on this link")
    way.add_argument("--into", metavar="FOLDER", type=Path, help="write files into this folder")
    options.json(way)


def _privacy(plan: Plan, args: argparse.Namespace) -> int:
    from agent.outbox.ledger import saved
    from agent.outbox.outbox import FILE
    from agent.outbox.spent import spent
    from agent.prove.record import kept
    from agent.release import release
    from agent.report.document import html, markdown
    from agent.report.privacy import NOISE_DAYS, annex
    from agent.tallies import KEY, listed

    folder = Path(plan.outbox.path) if plan.outbox.path else args.state
    tallies = listed(saved(folder, KEY))
    now = datetime.now(UTC)
    since = (now - timedelta(days=NOISE_DAYS)).date().isoformat()
    noise = spent(folder / FILE, first=since) if (folder / FILE).is_file() else []
    page = annex(plan, kept(folder), made=f"{now:%Y-%m-%d}", software=release(), tallies=tallies, noise=noise)
    print(html([page]) if args.format == "html" else markdown(page), end="")
    return 0


def _notice(plan: Plan, args: argparse.Namespace) -> int:
    from agent.report.document import html
    from agent.report.notice import groups, notice, record
    from agent.report.phrases import phrases

    words = [phrases(code) for code in dict.fromkeys(args.language)]
    chosen = groups(plan)
    if args.link:
        chosen = [one for one in chosen if one.link.name == args.link]
        if not chosen:
            known = ", ".join(one.link.name for one in groups(plan))
            raise ConfigError(f'no link is called "{args.link}"; there are {known or "none"}')
    if not chosen:
        raise ConfigError("there is nothing to tell: this site has no link")
    records = [record(plan, one, words) for one in chosen]
    if args.into:
        _write(args.into, plan, (chosen, words), records)
    elif args.json:
        print(_as_json(records), end="")
    else:
        print(html([notice(plan, one, each) for one in chosen for each in words]), end="")
    return 0


def _write(
    folder: Path, plan: Plan, pages: tuple[list[Group], list[Phrases]], records: list[dict[str, Any]]
) -> None:
    """Write a page for each group and language, and the register."""
    from agent.report.document import html
    from agent.report.notice import notice

    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "register.json"]
    written[0].write_text(_as_json(records), encoding="utf-8")
    groups, words = pages
    for group in groups:
        for each in words:
            path = folder / f"{group.link.name}.{each.code}.html"
            path.write_text(html([notice(plan, group, each)]), encoding="utf-8")
            written.append(path)
    print("\n".join(map(str, written)))


def _as_json(records: list[dict[str, Any]]) -> str:
    import json

    return json.dumps(records, indent=2, ensure_ascii=False) + "\n"
