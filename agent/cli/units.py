"""Has systemd take changed drop-ins over: only the units that changed are started again."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Final

from agent.core.errors import GatewayError
from agent.core.folders import control_socket
from agent.status import ask

_PLACES: Final = (Path("/etc/systemd/system"), Path("/usr/lib/systemd/system"), Path("/lib/systemd/system"))
_GATEWAY: Final = "citygate.service"
_VISION: Final = "citygate-vision.service"
_SOCKET: Final = "citygate-vision.socket"
_PATIENCE: Final = 20.0  # seconds that reading the files may take on a small computer
_GLANCE: Final = 0.2
_CHANGED: Final = "StateChangeTimestampMonotonic"
_RUNNING: Final = Path("/run/systemd/system")


def installed() -> frozenset[str]:
    """Name those of our units that this computer has."""
    names = (_GATEWAY, _VISION, _SOCKET)
    return frozenset(one for one in names if any((place / one).is_file() for place in _PLACES))


def take_over(changed: set[str], *, watches: bool) -> int:
    """Bring *changed* units, or else the files alone, into force; give 1 if the gateway does not run then."""
    if not _RUNNING.is_dir():
        print("systemd does not run here: nothing was started")
        return 0
    if changed:
        _systemctl("daemon-reload")
    if _SOCKET in installed() and watches:
        _systemctl("enable", "--quiet", "--now", _SOCKET)
    if _VISION in changed:
        _systemctl("stop", _VISION)  # the gateway connects again, which starts it in its new fence
        print(f"{_VISION}: started again with its new drop-in")
    return _gateway(is_changed=_GATEWAY in changed)


def _gateway(*, is_changed: bool) -> int:
    if is_changed or _shown("ActiveState") != "active":
        subprocess.run(["systemctl", "restart", _GATEWAY], check=False, env=_environment())  # noqa: S603, S607
        fault, word = "", "started"
    else:
        fault, word = _read_anew(), "read its files anew"
    if _shown("ActiveState") != "active":
        print(f"{_GATEWAY} does not run; `journalctl -u citygate -n 30` says why")
        return 1
    print(f"{_GATEWAY} {word}: {fault or _shown('StatusText')}")
    return 1 if fault else 0


def _read_anew() -> str:
    """Have the gateway read its files again; give the fault that it finds, once it is through."""
    before = _shown(_CHANGED)
    _systemctl("reload", _GATEWAY)
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if _shown(_CHANGED) != before and _shown("ActiveState") == "active":
            return str(ask(control_socket(), {"ask": "status"})["fault"])
        time.sleep(_GLANCE)
    return f"it does not answer within {_PATIENCE:.0f} s; `citygate status` tells more"


def _systemctl(*words: str) -> None:
    done = subprocess.run(  # noqa: S603
        ["systemctl", *words],  # noqa: S607
        capture_output=True, text=True, check=False, env=_environment(),
    )  # fmt: skip
    if done.returncode:
        raise GatewayError(f"systemctl {' '.join(words)} failed: {done.stderr.strip()}")


def _shown(what: str) -> str:
    words = ["systemctl", "show", _GATEWAY, "--property", what, "--value"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=_environment())  # noqa: S603
    return done.stdout.strip()


def _environment() -> dict[str, str]:
    """Keep a pager or a colour of whoever calls out of it."""
    return {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_PAGER": ""}
