"""Asks the running gateway a question over its Unix socket: one JSON object each way, each on one line.

``{"ask": "status"}``, ``{"ask": "read", "points": [...]}``, ``{"ask": "links"}``, ``{"ask": "ping"}``,
``{"ask": "metrics"}``, ``{"ask": "why", "name": "...", "recipient": "..."}`` and
``{"ask": "probe", "link": "...", "question": {...}}``, the question being in the words of the link's driver.
The answer to what cannot be answered is ``{"error": "a sentence"}``. For commands: synchronous, and light to
import.
"""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from agent.core.errors import GatewayError

_LONGEST: Final = 4 * 1024 * 1024  # bytes of an answer


def ask(path: Path, wish: dict[str, Any], *, patience: float = 20.0) -> dict[str, Any]:
    """Give the daemon's answer to *wish*; raise GatewayError with its sentence, or when none runs."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(patience)
            line.connect(str(path))
            with suppress(BrokenPipeError, ConnectionResetError):  # turned away: the answer says why
                line.sendall(json.dumps(wish).encode() + b"\n")
            answer = _whole_line(line)
    except (FileNotFoundError, ConnectionRefusedError):
        raise GatewayError(
            f"no gateway is running here: nobody listens at {path}; `sudo systemctl start citygate` starts "
            "it, --socket names another"
        ) from None
    except PermissionError:
        raise GatewayError(
            f"you may not ask the gateway at {path}; join the group that owns the socket, or use sudo"
        ) from None
    except TimeoutError:
        raise GatewayError(f"the gateway at {path} did not answer within {patience:g} s") from None
    except OSError as error:
        raise GatewayError(f"the gateway at {path} cannot be asked: {error}") from None
    return _understood(answer, path)


def somebody_listens(path: Path) -> bool:
    """Say whether a gateway is there; one that we may not ask is there too."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError:
        return True
    return True


def _whole_line(line: socket.socket) -> bytes:
    parts = bytearray()
    while not parts.endswith(b"\n") and len(parts) < _LONGEST:
        try:
            part = line.recv(65536)
        except ConnectionResetError:
            break  # it did not read our question to the end
        if not part:
            break
        parts += part
    return bytes(parts)


def _understood(answer: bytes, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        raise GatewayError(f"the gateway at {path} broke off in the middle of its answer") from None
    if not isinstance(found, dict):
        raise GatewayError(f"the gateway at {path} gave an answer of an unknown form")
    if "error" in found:
        raise GatewayError(str(found["error"]))
    return found
