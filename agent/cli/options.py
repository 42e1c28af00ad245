"""Options that several commands share, so that they are called the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.errors import ConfigError
from agent.core.folders import config_folder, control_socket, look_beside, state_folder

if TYPE_CHECKING:
    import argparse


def folder(parser: argparse.ArgumentParser) -> None:
    """Add DIR: where the configuration lies."""
    parser.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        type=_chosen,
        default=config_folder(),
        help="folder of *.toml files and credentials/, or one such file (default: %(default)s)",
    )


def config(parser: argparse.ArgumentParser) -> None:
    """Add --config DIR, for commands whose words mean something else."""
    parser.add_argument(
        "--config",
        metavar="DIR",
        dest="folder",
        type=_chosen,
        default=config_folder(),
        help="folder of *.toml files and credentials/, or one such file (default: %(default)s)",
    )


def socket(parser: argparse.ArgumentParser) -> None:
    """Add --socket PATH: where the running gateway listens."""
    parser.add_argument(
        "--socket",
        metavar="PATH",
        type=Path,
        default=control_socket(),
        help="Unix socket of the running gateway (default: %(default)s)",
    )


def state(parser: argparse.ArgumentParser) -> None:
    """Add --state DIR: where the outbox lies, when the configuration does not say so."""
    parser.add_argument(
        "--state",
        metavar="DIR",
        type=Path,
        default=state_folder(),
        help="folder of the outbox, unless [outbox] path names one (default: %(default)s)",
    )


def add_explore(parser: argparse.ArgumentParser) -> None:
    """Add --explore, and what it asks for."""
    parser.add_argument("--explore", action="store_true", help="guess what a register of NAME may mean")
    parser.add_argument("--addr", metavar="N", type=_address, help="its address, as the manual has it")
    parser.add_argument("--table", choices=("holding", "input"), help="its table; else both are looked at")
    parser.add_argument("--unit", metavar="N", type=int, help="unit number, where NAME is a link")
    parser.add_argument(
        "--expect", metavar="VALUE", help='what the display shows, such as 230.4 or "230.4 V"'
    )


def _address(text: str) -> int:
    """Read 52 or 0x34."""
    try:
        return int(text, 0) if text.casefold().startswith("0x") else int(text)
    except ValueError:
        raise ConfigError(f'--addr: "{text}" is no address; write 52 or 0x34') from None


def models(parser: argparse.ArgumentParser) -> None:
    """Add --models DIR: where camera models are installed."""
    parser.add_argument(
        "--models",
        metavar="DIR",
        type=Path,
        default=state_folder() / "models",
        help="folder of the installed camera models (default: %(default)s)",
    )


def into_force(parser: argparse.ArgumentParser) -> None:
    """Add --reload COMMAND: what is called when files have changed."""
    parser.add_argument(
        "--reload",
        metavar="COMMAND",
        default="citygate apply",
        help="what brings the files into force (default: %(default)s)",
    )


def _chosen(text: str) -> Path:
    """Take DIR for all that lies beside the files: a credential is looked for there, and nowhere else."""
    path = Path(text)
    look_beside(path)
    return path


def json(parser: argparse.ArgumentParser) -> None:
    """Add --json: print for a script."""
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
