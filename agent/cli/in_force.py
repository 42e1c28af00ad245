"""Runs the command that brings changed files into force."""

from __future__ import annotations

import shlex
import subprocess
from typing import Final

from agent.core.errors import GatewayError

_PATIENCE: Final = 120.0


def bring(command: str) -> None:
    """Run *command*, which may be several words; raise GatewayError with its sentence if it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - root's own
            shlex.split(command), check=False, capture_output=True, text=True, timeout=_PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise GatewayError(f"`{command}` failed: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())
        raise GatewayError(f"`{command}` failed: {said or done.returncode}")
