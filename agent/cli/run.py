"""Run the gateway until it is told to stop (SIGTERM or Ctrl-C).

SIGHUP makes it read its files again: only links that changed are restarted, and a faulty file changes
nothing. Under systemd this is citygate.service.

For example:
  citygate run                      what the service does: /etc/citygate, /var/lib/citygate
  citygate run ./site --state /tmp/state --socket /tmp/control.sock
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def add(parser: argparse.ArgumentParser) -> None:
    """Add what `citygate run` takes."""
    from agent.cli import options  # here, since the service has none

    options.folder(parser)
    options.state(parser)
    options.socket(parser)


def run(args: argparse.Namespace) -> int:
    """Run the daemon."""
    return start(args.folder, state=args.state, socket=args.socket)


def start(folder: Path, *, state: Path, socket: Path) -> int:
    """Run the daemon whose files lie in *folder*; the outbox in *state*, questions at *socket*."""
    import asyncio

    from agent.app import run as daemon
    from agent.memory import keep_private

    keep_private()
    return asyncio.run(daemon(folder, state=state, socket=socket))
