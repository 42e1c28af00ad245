"""Count a clip with an installed model, and compare with what a person counted in it.

The picture is seen by another program, citygate-vision; this one gets numbers. Accuracy is one minus the sum
of the differences per line and direction, over all passages that a person counted.

For example:
  citygate validate --clip square.mp4 --lines lines.toml
  citygate validate --clip square.mp4 --lines lines.toml --expect counted.toml
  citygate validate square --clip square.mp4 --lines site.toml --every 4 --json
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.screen import figure, span, table
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.cli.accuracy import Accuracy, Compared, Counts
    from agent.core.scene import Scene
    from agent.core.vision import Counted


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate validate` takes."""
    parser.add_argument(
        "link", metavar="LINK", nargs="?", help="the camera, where FILE draws lines of several"
    )
    parser.add_argument("--clip", metavar="FILE", type=Path, required=True, help="the video to be counted")
    parser.add_argument(
        "--lines",
        metavar="FILE",
        type=Path,
        required=True,
        help="lines, zones and bays: TOML, or JSON in pixels",
    )
    parser.add_argument("--expect", metavar="FILE", type=Path, help="what a person counted: TOML or JSON")
    parser.add_argument("--model", metavar="NAME", dest="name", help="if more than one is installed")
    parser.add_argument(
        "--every", metavar="N", type=int, default=1, help="analyse each N-th frame (default: 1)"
    )
    parser.add_argument("--fps", metavar="N", type=float, help="frames a second, if the file says it wrongly")
    options.models(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Count and print; 0 whatever the accuracy is, because what it must be is not known here."""
    from agent.cli.model import chosen
    from agent.cli.scene import expected, scene
    from agent.cli.vision import asked
    from agent.core.vision import Count, Counted

    if args.every < 1 or (args.fps is not None and args.fps <= 0):
        raise ConfigError("citygate validate: --every takes 1 or more, --fps more than 0")
    drawn = scene(args.lines, args.link)
    wanted = expected(args.expect, drawn) if args.expect else {}
    args.name = args.name or _only(args.models)
    request = Count(
        path=str(chosen(args)), clip=str(args.clip.absolute()), scene=drawn, every=args.every, rate=args.fps
    )
    counted = asked(request, Counted)
    counts = _counts(drawn, counted)
    from agent.cli.accuracy import accuracy, compared

    rows = compared(counts, wanted)
    if args.json:
        _print_json(args, drawn, counted, rows)
    else:
        _print(drawn, counted, rows, accuracy(rows))
    return 0


def _only(folder: Path) -> str:
    """Give the one model that is installed."""
    from agent.cli.vision import installed

    here = installed(folder)
    if len(here) != 1:
        known = ", ".join(here) if here else "none: `citygate model add nanodet-g` installs one"
        raise ConfigError(f"say which model with --model NAME; installed in {folder}: {known}")
    return here[0]


def _counts(drawn: Scene, counted: Counted) -> Counts:
    """Give the numbers of all lines."""
    found: Counts = {}
    for one, number in zip(drawn.counters(), counted.numbers, strict=True):
        if one.place in drawn.lines:
            kind, _, direction = one.name.partition("_")
            found[one.place, kind, direction] = int(number or 0)  # type: ignore[index]
    return found


def _print(drawn: Scene, counted: Counted, rows: list[Compared], share: Accuracy | None) -> None:
    print(
        f"{counted.pictures} pictures of {span(counted.seconds)} analysed;"
        f" looked at for {counted.observed / max(counted.seconds, 1e-9):.0%} of the time"
    )
    lines = [
        [one.place, one.name, figure(number)]
        for one, number in zip(drawn.counters(), counted.numbers, strict=True)
    ]
    print(table(("place", "counted", "number"), lines))
    if not rows:
        return
    print("Compared with what a person counted")
    print(
        table(
            ("line", "class", "direction", "counted", "expected", "off"),
            [
                [one.line, one.kind, one.direction, str(one.counted), str(one.expected), str(one.off)]
                for one in rows
            ],
        )
    )
    if share is None:
        print("Nobody was expected to pass, so there is no accuracy.")
        return
    print(
        f"Accuracy {share.share:.1%} (off by {share.off} of {share.passages} passages; 95 % interval"
        f" {share.low:.1%} to {share.high:.1%})"
    )


def _print_json(args: argparse.Namespace, drawn: Scene, counted: Counted, rows: list[Compared]) -> None:
    import json

    from agent.cli.accuracy import accuracy

    share = accuracy(rows)
    places: dict[str, dict[str, float | None]] = {}
    for one, number in zip(drawn.counters(), counted.numbers, strict=True):
        places.setdefault(one.place, {})[one.name] = number
    told: dict[str, Any] = {
        "clip": str(args.clip),
        "model": args.name,
        "every": args.every,
        "pictures": counted.pictures,
        "seconds": counted.seconds,
        "observed": counted.observed,
        "counts": places,
        "compared": [
            {
                "line": one.line,
                "class": one.kind,
                "direction": one.direction,
                "counted": one.counted,
                "expected": one.expected,
            }
            for one in rows
        ],
        "accuracy": None if share is None else share.share,
        "interval": None if share is None else [share.low, share.high],
    }
    print(json.dumps(told, indent=2))
