"""Look over the computer, the files and the gateway; say what is wrong and what to do about it.

Nothing is changed, and no gateway needs to run. As root it sees more: sockets of the gateway, others' files.
The exit status is 1 when something is wrong, 0 otherwise; what is only worth knowing does not count.

For example:
  sudo citygate doctor
  citygate doctor --all          also what is well
  citygate doctor --json
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.cli import options
from agent.cli.screen import sentence

if TYPE_CHECKING:
    import argparse

    from agent.doctor.finding import Finding

_MARKS: Final = {"wrong": "WRONG ", "notice": "notice", "well": "ok    "}


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate doctor` takes."""
    options.folder(parser)
    options.state(parser)
    options.socket(parser)
    parser.add_argument("--all", action="store_true", help="also tell what is well")
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Print the findings, what is wrong first."""
    from agent.doctor.examine import examine
    from agent.doctor.gather import gather

    found = examine(gather(args.folder, args.state, args.socket))
    if args.json:
        import json

        from msgspec import to_builtins

        print(json.dumps([to_builtins(one) for one in found], indent=2))
    else:
        print("\n".join(lines(found, everything=args.all)))
    return 1 if any(one.verdict == "wrong" for one in found) else 0


def lines(found: list[Finding], *, everything: bool) -> list[str]:
    """Write the findings for people: what has to be done stands below each."""
    told = []
    for verdict in ("wrong", "notice", *(["well"] if everything else [])):
        for one in (one for one in found if one.verdict == verdict):
            told.append(sentence(f"{_MARKS[verdict]} {one.what}: {one.says}"))
            if one.act:
                told.append(sentence(f"       -> {one.act}"))
    counts = [sum(one.verdict == verdict for one in found) for verdict in ("well", "notice", "wrong")]
    return [*told, f"{counts[0]} well, {counts[1]} worth knowing, {counts[2]} wrong."]
