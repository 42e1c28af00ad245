"""What steps of a story do: run commands as root, look at units, wait for what must come.

This runs in a container, alone, with nothing but Python's own library.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

STORY = Path("/story")
SITE = Path("/etc/citygate/site.toml")
SHARING = Path("/etc/citygate/sharing.toml")
SLOW: list[str] = []
METER, OTHER, BROKER, DOOR = "10.20.0.15", "10.20.0.17", "192.0.2.10", "192.0.2.11"


def sh(text: str, *, given: str = "", check: bool = False) -> dict[str, Any]:
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-c", text], input=given, capture_output=True, text=True, errors="replace", check=False,
        cwd=STORY, timeout=120, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "COLUMNS": "160"},
    )  # fmt: skip
    if (took := time.monotonic() - began) > 1.0:
        SLOW.append(f"{took:.1f} s: {text[:60]}")
    if check and done.returncode:
        raise RuntimeError(f"{text}: {done.stdout}{done.stderr}")
    return {"status": done.returncode, "out": done.stdout, "err": done.stderr}


def show(what: str, unit: str = "citygate.service") -> str:
    return sh(f"systemctl show {unit} -p {what} --value")["out"].strip()  # type: ignore[no-any-return]


def until(true: Callable[[], Any], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not (is_so := bool(true())) and time.monotonic() < end:
        time.sleep(0.2)
    return is_so


def files() -> list[str]:
    skipped = "^/(var/lib/(dpkg|systemd|apt|logrotate|PackageKit)|var/cache|etc/ssl)"
    found = sh("find /etc /opt /usr /var/lib /run/citygate* -xdev -print 2>/dev/null")["out"].splitlines()
    return [one for one in found if "citygate" in one or not re.match(f"{skipped}|.*__pycache__", one)]


def listening() -> list[str]:
    return sorted(line.split()[4] for line in sh("ss -lntuH")["out"].splitlines())


def by_gateway() -> list[str]:
    """List the sockets of ours that wait to be called, or could be."""
    pid = show("MainPID")
    lines = sh("ss -anutpH")["out"].splitlines()
    return [
        f"{one.split()[0]} {one.split()[4]}" for one in lines if f"pid={pid}," in one and " ESTAB " not in one
    ]


def heard() -> str:
    """Give what the city has heard."""
    return (STORY / "heard").read_text("utf-8")


def play(steps: Sequence[Callable[[], Any]]) -> None:
    """Do the steps, and tell of each in a line of JSON: its name and what was seen. The tests judge."""
    for one in steps:
        began = time.monotonic()
        try:
            seen = one()
        except Exception:
            seen = {"crashed": traceback.format_exc()}
        took = round(time.monotonic() - began, 1)
        print(json.dumps({"step": one.__name__, "seconds": took, "slow": SLOW, "seen": seen}))
        SLOW.clear()
    print("DONE")
