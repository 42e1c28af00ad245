"""Count a clip or a running camera, and compare with what a person counted.

The picture is seen by another program, citygate-vision; this one gets numbers. Accuracy is one minus the sum
of the differences per line and direction, over all passages that a person counted. Without --clip the
running gateway opens its totals of LINK for half an hour while you count beside the camera; this is logged.
What was compared for a camera of the configuration is kept in site.d, and published with its figures.

For example:
  citygate validate --clip square.mp4 --lines lines.toml
  citygate validate --clip square.mp4 --lines lines.toml --expect counted.toml
  citygate validate square --clip square.mp4 --lines site.toml --every 4 --json
  citygate validate square --expect counted.toml         half an hour beside the camera
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.screen import figure, sentence, span, table
from agent.core.errors import ConfigError

if TYPE_CHECKING:
    import argparse

    from agent.cli.accuracy import Accuracy, Compared, Counts
    from agent.cli.beside import Totals
    from agent.core.driver import CanBeMeasured
    from agent.core.scene import Scene
    from agent.core.vision import Counted


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate validate` takes."""
    parser.add_argument(
        "link", metavar="LINK", nargs="?", help="the camera: of the configuration, or of several in --lines"
    )
    parser.add_argument("--clip", metavar="FILE", type=Path, help="a video to be counted, and not the camera")
    parser.add_argument(
        "--lines",
        metavar="FILE",
        type=Path,
        help="lines, zones and bays for the clip: TOML, or JSON in pixels (default: those of LINK)",
    )
    parser.add_argument("--expect", metavar="FILE", type=Path, help="what a person counted: TOML or JSON")
    parser.add_argument("--model", metavar="NAME", dest="name", help="if more than one is installed")
    parser.add_argument("--every", metavar="N", type=int, help="analyse each N-th frame (default: 1)")
    parser.add_argument("--fps", metavar="N", type=float, help="frames a second, if the file says it wrongly")
    options.models(parser)
    options.config(parser)
    options.socket(parser)
    options.json(parser)


def run(args: argparse.Namespace) -> int:
    """Count and print; 0 whatever the accuracy is, because what it must be is not known here."""
    if args.clip is None:
        return _beside(args)
    from agent.cli.model import chosen
    from agent.cli.published import measured_camera
    from agent.cli.scene import drawn_over, expected, scene
    from agent.cli.vision import asked
    from agent.core.vision import Count, Counted

    every = 1 if args.every is None else args.every
    if every < 1 or (args.fps is not None and args.fps <= 0):
        raise ConfigError("citygate validate: --every takes 1 or more, --fps more than 0")
    camera = None if args.lines else measured_camera(args.folder, args.link)
    drawn = camera.watched().scene if camera else scene(args.lines, args.link)
    wanted = expected(args.expect, drawn) if args.expect else {}
    args.name = args.name or (Path(camera.watched().model).stem if camera else _only(args.models))
    request = Count(
        path=str(chosen(args)),
        clip=str(args.clip.absolute()),
        scene=drawn,
        every=every,
        rate=args.fps,
        picture=camera.watched().picture if camera else drawn_over(args.lines, args.link),
    )
    counted = asked(request, Counted)
    counts = _counts(drawn, counted)
    from agent.cli.accuracy import accuracy, compared

    rows = compared(counts, wanted)
    if args.json:
        _print_json(args, drawn, counted, rows)
    else:
        _print(drawn, counted)
        _print_compared(rows, accuracy(rows))
    _keep(args, camera, rows)
    return 0


def _beside(args: argparse.Namespace) -> int:
    """Count beside the camera."""
    from agent.cli.accuracy import accuracy, compared
    from agent.cli.beside import checked, counted, expected_of
    from agent.cli.published import measured_camera

    if stray := [word for word in ("lines", "name", "every", "fps") if getattr(args, word) is not None]:
        raise ConfigError(f"--{stray[0].replace('name', 'model')} belongs to --clip")
    camera = measured_camera(args.folder, args.link)
    drawn = camera.watched().scene
    checked(args.expect)
    totals = counted(args.socket, args.link)
    counts = totals.of_lines(args.link, drawn)
    rows = compared(counts, expected_of(args.expect, drawn))
    if args.json:
        _print_totals(args, totals, counts, rows)
    else:
        lines = [[line, f"{kind}_{way}", str(number)] for (line, kind, way), number in counts.items()]
        print(table(("line", "counted", "number"), lines))
        _print_compared(rows, accuracy(rows))
        if not rows:
            print(sentence("with --expect FILE, or on a terminal, your own tally is compared with this"))
    _keep(args, camera, rows)
    return 0


def _keep(args: argparse.Namespace, camera: CanBeMeasured | None, rows: list[Compared]) -> None:
    """Keep what was compared for a camera of the configuration, and say so on the error output."""
    import sys

    from agent.cli.published import FEWEST, publish, results

    if camera is None or not rows:
        return
    found = results(rows, camera, f"{datetime.now(UTC):%Y-%m-%d}")
    few = sorted({one.line for one in rows} - set(found))
    if few:
        print(f"not kept of {', '.join(few)}: fewer than {FEWEST} passages say too little", file=sys.stderr)
    if found:
        path = publish(args.folder, args.link, found)
        print(f"kept in {path}; next: `systemctl reload citygate` publishes it", file=sys.stderr)


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


def _print(drawn: Scene, counted: Counted) -> None:
    print(
        f"{counted.pictures} pictures of {span(counted.seconds)} analysed;"
        f" looked at for {counted.observed / max(counted.seconds, 1e-9):.0%} of the time"
    )
    lines = [
        [one.place, one.name, figure(number)]
        for one, number in zip(drawn.counters(), counted.numbers, strict=True)
    ]
    print(table(("place", "counted", "number"), lines))


def _print_compared(rows: list[Compared], share: Accuracy | None) -> None:
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

    places: dict[str, dict[str, float | None]] = {}
    for one, number in zip(drawn.counters(), counted.numbers, strict=True):
        places.setdefault(one.place, {})[one.name] = number
    told: dict[str, Any] = {
        "clip": str(args.clip),
        "model": args.name,
        "every": args.every or 1,
        "pictures": counted.pictures,
        "seconds": counted.seconds,
        "observed": counted.observed,
        "counts": places,
        **_comparison(rows),
    }
    print(json.dumps(told, indent=2))


def _print_totals(args: argparse.Namespace, totals: Totals, counts: Counts, rows: list[Compared]) -> None:
    import json

    places: dict[str, dict[str, int]] = {}
    for (line, kind, way), number in counts.items():
        places.setdefault(line, {})[f"{kind}_{way}"] = number
    period = [datetime.fromtimestamp(one, UTC).isoformat() for one in (totals.begin, totals.end)]
    told = {"link": args.link, "period": period, "counts": places, **_comparison(rows)}
    print(json.dumps(told, indent=2))


def _comparison(rows: list[Compared]) -> dict[str, Any]:
    from agent.cli.accuracy import accuracy

    share = accuracy(rows)
    return {
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
