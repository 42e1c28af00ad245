"""Secrets of every kind are used, refused and changed, and then looked for wherever something is told."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.systemd.computer import BROKER, METER, SHARING, SITE, STORY, heard, sh, show, until
from tests.systemd.story import PASSWORD

CAMERA = f"""
[link.square]
driver = "camera"
source = "rtsp://{METER}/stream2"
user = "viewer"
password = "credential:square-password"
model = "toy"
[link.square.lines.gate]
from = [0.5, 0.1]
to = [0.5, 0.9]
"""
STRANGER = f"""
[recipient.stranger]
broker = "mqtts://other.vaasa.example:8883"
ca = "/etc/citygate/city-ca.pem"
username = "stranger"
password = "credential:stranger-password"
proxy = "http://{BROKER}:3128"
proxy_username = "gw1"
proxy_password = "credential:proxy-password"
[grant.strange]
recipient = "stranger"
products = ["energy"]
purpose = "operations"
basis = "public-task"
keep = "400d"
"""
NAMES = ("city-password", "square-password", "stranger-password", "proxy-password")
UNITS = ("citygate.service", "citygate-vision.service")


def discretion() -> dict[str, Any]:
    """Change a password, use others at who refuses them, end the gateway with SIGABRT, and search."""
    known = {name: secrets.token_hex(12) for name in NAMES}
    sh(
        f"mosquitto_passwd -b /story/pw gw1 {known['city-password']}; systemctl kill -s HUP broker",
        check=True,
    )
    for name, value in known.items():
        sh(f"citygate secret set {name}", given=f"{value}\n", check=True)
    before = SITE.read_text("utf-8"), SHARING.read_text("utf-8")
    models = Path("/var/lib/citygate/models")
    models.mkdir()
    shutil.copy(STORY / "files/toy.citymodel", models)
    sh(f"systemd-run -q --unit=closed /usr/bin/python3 /story/refusing.py {METER} {BROKER}", check=True)
    SITE.write_text(before[0] + CAMERA, "utf-8")
    SHARING.write_text(before[1] + STRANGER, "utf-8")
    told: dict[str, Any] = {"applied": sh("citygate apply")}
    until(lambda: "uplink city ok" in show("StatusText"))
    asked = STORY / "asked"
    until(lambda: asked.is_file() and {"rtsp", "http"} <= set(asked.read_text("ascii").split()))
    told["asked"] = asked.read_text("ascii").split()
    told |= {"status": show("StatusText"), "links": links(), "limits": [limits(one) for one in UNITS]}
    told["abort"] = abort()
    told["found"], told["sizes"] = searched(known | {"old": PASSWORD, "gateway-key": private_key()})
    SITE.write_text(before[0], "utf-8")
    SHARING.write_text(before[1], "utf-8")
    told["back"] = sh("citygate apply; systemctl stop closed")
    return told


def links() -> Any:  # noqa: ANN401 - as the daemon tells it
    return json.loads(sh("citygate status --json")["out"])["links"]


def private_key() -> str:
    """Give a line out of the middle of the key that was made here."""
    opened = sh("systemd-creds decrypt --name=gateway-key /etc/citygate/sealed/gateway-key -", check=True)
    return str(opened["out"].splitlines()[1])


def limits(unit: str) -> dict[str, str]:
    """Look at a process of ours: how large a core it may leave, and whom its memory belongs to."""
    pid = show("MainPID", unit)
    cores = [line for line in Path(f"/proc/{pid}/limits").read_text("ascii").splitlines() if "core" in line]
    return {
        "core": " ".join(cores[0].split()[4:6]),
        "owner": sh(f"stat -c %U /proc/{pid}/mem")["out"].strip(),
    }


def abort() -> dict[str, Any]:
    """End the gateway as the watchdog would, with a core if it could leave one."""
    pid = show("MainPID")
    sh(f"touch /story/then; kill -ABRT {pid}", check=True)
    until(lambda: show("MainPID") not in ("0", pid) and show("ActiveState") == "active")
    folders = "/ /tmp /var/tmp /run /var/lib/citygate /var/lib/systemd/coredump /story"
    cores = sh(f"find {folders} -maxdepth 1 -type f -newer /story/then -name '*core*'")["out"]
    return {"before": pid, "after": show("MainPID"), "cores": cores.split()}


def searched(known: dict[str, str]) -> tuple[list[list[str]], dict[str, int]]:
    """Search for every secret, also in base64 as logins carry it; give where which was found."""
    found, sizes = [], {}
    for place, data in places():
        sizes[place] = len(data)
        for name, value in known.items():
            raw = value.encode()
            forms = {
                raw,
                *(base64.b64encode(head + raw).rstrip(b"=")[:-1] for head in (b"", b"viewer:", b"gw1:")),
            }
            found += [[place, name] for form in forms if form in data]
    return found, sizes


def places() -> Iterator[tuple[str, bytes]]:
    """Give all that is told anywhere; last where secrets belong, which shows that they can be found."""
    yield "journal", told_by("journalctl --no-pager -o export")
    yield "processes", b"".join(_processes())
    for command in (
        "citygate status --json", "citygate metrics", "citygate check", "citygate why energy stranger",
        "citygate doctor --json", "citygate ledger show --json", "citygate secret list",
        f"systemctl show {' '.join(UNITS)}", f"systemctl cat {' '.join(UNITS)}",
    ):  # fmt: skip
        yield command.partition(" /")[0], told_by(command)
    sh("citygate support --out /story/support.tar.gz", check=True)
    yield "support", told_by("tar -xzOf /story/support.tar.gz")
    yield "state", below("/var/lib/citygate")
    yield "configuration", below("/etc/citygate")
    yield "broker", heard().encode()
    yield "handed over", below("/run/credentials/citygate.service")


def told_by(command: str) -> bytes:
    done = sh(command)
    return f"{done['out']}{done['err']}".encode()


def below(folder: str) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(Path(folder).rglob("*")) if one.is_file())


def _processes() -> Iterator[bytes]:
    for one in Path("/proc").glob("[0-9]*"):
        if one.name != str(os.getpid()):
            try:
                yield (one / "cmdline").read_bytes() + (one / "environ").read_bytes()
            except OSError:
                continue  # it has ended
