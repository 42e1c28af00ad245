"""Check the configuration, open the units to what it names and to nothing else, and bring it into force.

Writes drop-ins below /etc/systemd/system: the addresses that the links and brokers need (names are looked up
now, and said), serial ports, cameras, credentials. Then only the units that changed are started again; when
none did, the running gateway reads its files anew. Run it after each change of the configuration.

For example:
  sudo citygate apply
  citygate apply --dry-run                   show what would be written
  sudo citygate apply --also 198.51.100.0/24    a broker whose address moves in this network
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.cli import options

if TYPE_CHECKING:
    import argparse

    from agent.cli.fence import Files

UNITS: Final = Path("/etc/systemd/system")


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate apply` takes."""
    options.folder(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the difference, and change nothing")
    parser.add_argument(
        "--also",
        metavar="NET",
        action="append",
        help='also let this network be reached, now and later; "none" forgets those given before',
    )


def run(args: argparse.Namespace) -> int:
    """Write the drop-ins, and have systemd take them over."""
    from agent.cli import fence, units
    from agent.config.load import load

    plan = load(args.folder)
    also = fence.added(args.also, UNITS)
    found = fence.look_up(plan, also)
    files = fence.files(plan, args.folder, found, units.installed())
    for line in found.told:
        print(line)
    changed = {name: text for name, text in files.items() if text != _text(UNITS / name)}
    if args.dry_run:
        print(_difference(changed) or "No unit would change; the gateway would read its files again.")
        return 0
    for name, text in changed.items():
        _write(UNITS / name, text)
    return units.take_over({name.partition(".d/")[0] for name in changed}, watches=fence.watches(plan))


def _text(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def _write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink(missing_ok=True)
        print(f"removed {path}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8")
    part.chmod(0o644)
    part.replace(path)
    print(f"wrote {path}")


def _difference(changed: Files) -> str:
    from difflib import unified_diff

    parts: list[str] = []
    for name, text in changed.items():
        before = (_text(UNITS / name) or "").splitlines()
        after = (text or "").splitlines()
        parts += unified_diff(before, after, str(UNITS / name), f"{UNITS / name} (new)", lineterm="")
    return "\n".join(parts)
