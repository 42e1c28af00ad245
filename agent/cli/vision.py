"""Has ``citygate-vision`` do what a command asks: another program, so that no picture is ever in this one.

What comes back is one line of JSON of an agreed shape; anything else is an error.
"""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from msgspec import json

from agent.core.errors import GatewayError
from agent.core.vision import ENDING, PROGRAM, Refused

if TYPE_CHECKING:
    from agent.core.vision import Request

T = TypeVar("T")
_PR_SET_PDEATHSIG: Final = 1


def asked(request: Request, answer: type[T]) -> T:
    """Have *request* done; raise GatewayError with the reason when it cannot be."""
    with subprocess.Popen(  # noqa: S603 - our own program, with JSON of our own
        [_program(), json.encode(request).decode()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        preexec_fn=_end_with_parent,  # noqa: PLW1509 - no other thread runs in a command
    ) as child:
        assert child.stdout is not None
        said = child.stdout.read()
    try:
        match child.returncode:
            case 0:
                return json.decode(said, type=answer)
            case 1:
                raise GatewayError(json.decode(said, type=Refused).why)
            case status:
                raise GatewayError(f"{PROGRAM} ended with status {status} before it could answer")
    except ValueError as error:
        raise GatewayError(f"{PROGRAM} answered in another way than agreed: {error}") from error


def bundle(folder: Path, name: str) -> Path:
    """Give the place of the installed model called *name*."""
    return (folder / f"{name}{ENDING}").absolute()


def installed(folder: Path) -> list[str]:
    """List the names of the models that lie in *folder*."""
    return sorted(one.name.removesuffix(ENDING) for one in folder.glob(f"*{ENDING}"))


def _program() -> str:
    """Find the program: beside this interpreter, else on the path."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = str(beside) if beside.exists() else shutil.which(PROGRAM)
    if not found:
        raise GatewayError(f"{PROGRAM} is not installed: install citygate with its extra [vision]")
    return found


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
