"""Secrets of every kind are used, refused and changed, and then looked for wherever something is told."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.systemd.computer import BROKER, DOOR, METER, SHARING, SITE, STORY, heard, sh, show, until
from tests.systemd.story import PASSWORD

KINDS = {
    "city-password": ("recipient.password",),
    "square-user": ("link.camera.user",),
    "square-password": ("link.camera.password",),
    "stranger-user": ("recipient.username",),
    "stranger-password": ("recipient.password",),
    "proxy-user": ("recipient.proxy_username",),
    "proxy-password": ("recipient.proxy_password",),
    "board-token": ("recipient.username",),
    "web-user": ("recipient.username",),
    "web-password": ("recipient.password",),
    "hub-key": ("recipient.password",),
    "provisioning-key": ("recipient.password",),
    "thing-ca": ("recipient.ca",),
    "thing-certificate": ("recipient.certificate",),
    "thing-key": ("recipient.key",),
    "substation-ca": ("link.modbus-tls.ca",),
    "substation-certificate": ("link.modbus-tls.certificate",),
    "substation-key": ("link.modbus-tls.key",),
}
"""Every credential that is set here, and the keys of the configuration that name it."""
PLATFORMS = {
    "thingsboard": "board-token",
    "azure-iot-hub": "hub-key",
    "aws-iot-core": "thing-key",
}
"""Each platform with a login of its own, and what it is here."""
OFFERED = {
    "square-user", "square-password", "proxy-user", "proxy-password", "board-token", "web-user",
    "web-password", "hub-signature", "provisioning-signature", "thing-certificate", "substation-certificate",
}  # fmt: skip
"""What goes out on the wire to who asked for it. Keys do not: with them only something is signed."""
SITE_TOO = f"""
[link.square]
driver = "camera"
source = "rtsp://{METER}/stream2"
user = "credential:square-user"
password = "credential:square-password"
model = "toy"
[link.square.lines.gate]
from = [0.5, 0.1]
to = [0.5, 0.9]
[link.substation]
driver = "modbus-tls"
host = "{DOOR}"
port = 8883
server_name = "substation.vaasa.example"
ca = "credential:substation-ca"
certificate = "credential:substation-certificate"
key = "credential:substation-key"
[device.transformer-meter]
link = "substation"
unit = 1
profile = "eastron/sdm630"
"""
RECIPIENTS = {
    "stranger": f"""
broker = "mqtts://other.vaasa.example:8883"
ca = "/etc/citygate/city-ca.pem"
username = "credential:stranger-user"
password = "credential:stranger-password"
proxy = "http://{BROKER}:3128"
proxy_username = "credential:proxy-user"
proxy_password = "credential:proxy-password"
""",
    "board": """
broker = "mqtts://board.vaasa.example:8883"
ca = "/etc/citygate/city-ca.pem"
encoding = "thingsboard"
username = "credential:board-token"
""",
    "web": """
broker = "wss://web.vaasa.example:8883/mqtt"
ca = "/etc/citygate/city-ca.pem"
username = "credential:web-user"
password = "credential:web-password"
""",
    "hub": """
broker = "mqtts://hub.vaasa.example:8883"
ca = "/etc/citygate/city-ca.pem"
encoding = { use = "azure-iot-hub", device = "gw1" }
password = "credential:hub-key"
""",
    "provisioning": """
broker = "mqtts://provisioning.vaasa.example:8883"
ca = "/etc/citygate/city-ca.pem"
encoding = { use = "azure-iot-hub", device = "gw1", scope = "0ne00ABCDEF" }
password = "credential:provisioning-key"
""",
    "thing": """
broker = "mqtts://thing.vaasa.example:8883"
encoding = { use = "aws-iot-core", thing = "gw1" }
ca = "credential:thing-ca"
certificate = "credential:thing-certificate"
key = "credential:thing-key"
""",
}
TERMS = 'products = ["energy"]\npurpose = "operations"\nbasis = "public-task"\nkeep = "400d"\n'
LEDGER_KEY = Path("/var/lib/citygate/ledger.key")
UNITS = ("citygate.service", "citygate-vision.service")


def discretion() -> dict[str, Any]:
    """Change a password, use others at who refuses them, end the gateway with SIGABRT, and search."""
    known, files = made()
    sh(
        f"mosquitto_passwd -b /story/pw gw1 {known['city-password']}; systemctl kill -s HUP broker",
        check=True,
    )
    for name, value in files.items():
        sh(f"citygate secret set {name}", given=f"{value}\n", check=True)
    before = SITE.read_text("utf-8"), SHARING.read_text("utf-8")
    models = Path("/var/lib/citygate/models")
    models.mkdir()
    shutil.copy(STORY / "files/toy.citymodel", models)
    names = " ".join(f"{one}.vaasa.example" for one in ("board", "web", "hub", "provisioning", "thing"))
    sh(f"ip addr add {DOOR}/32 dev lo; echo {DOOR} {names} >> /etc/hosts", check=True)
    sh(
        f"systemd-run -q --unit=closed /usr/bin/python3 /story/refusing.py {METER} {BROKER} {DOOR}",
        check=True,
    )
    SITE.write_text(before[0] + SITE_TOO, "utf-8")
    # whoever is a witness gets heads that are signed, with a key that is made then
    city = before[1].replace("[recipient.city]\n", "[recipient.city]\nwitness = true\n")
    SHARING.write_text(city + others(), "utf-8")
    told: dict[str, Any] = {"applied": sh("citygate apply")}
    until(lambda: "uplink city ok" in show("StatusText"))
    until(lambda: offered(known).keys() >= OFFERED, 60)
    told |= {"status": show("StatusText"), "links": links(), "limits": [limits(one) for one in UNITS]}
    told["abort"] = abort()
    known |= {"old": PASSWORD, "gateway-key": private_key(), "ledger-key": ledger_key()}
    told["offered"] = sorted(offered(known))
    told["found"], told["sizes"] = searched(known | offered(known))
    SITE.write_text(before[0], "utf-8")
    SHARING.write_text(before[1], "utf-8")
    told["back"] = sh("citygate apply; systemctl stop closed")
    return told


def made() -> tuple[dict[str, str], dict[str, str]]:
    """Make a secret of each kind; give what to search for, and what to keep under its name.

    A certificate is no secret, but it says whose it is: its name is searched for. Before an authority's there
    is a line that no program reads.
    """
    known = {name: secrets.token_hex(12) for name in KINDS}
    files = dict(known)
    for whose in ("thing", "substation"):
        files[f"{whose}-ca"] = f"{known[f'{whose}-ca']}\n{(STORY / 'city-ca.pem').read_text('ascii')}"
        subject = f"/CN={known[f'{whose}-certificate']}"
        sh(
            f"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj {subject}"
            f" -keyout {whose}.key | openssl x509 -req -CA city-ca.pem -CAkey files/city-ca.key"
            f" -CAcreateserial -days 30 -out {whose}.crt",
            check=True,
        )
        files[f"{whose}-certificate"] = (STORY / f"{whose}.crt").read_text("ascii")
        files[f"{whose}-key"] = (STORY / f"{whose}.key").read_text("ascii")
        known[f"{whose}-key"] = files[f"{whose}-key"].splitlines()[1]
    return known, files


def others() -> str:
    """Write the tables of all recipients who refuse, with a grant for each."""
    return "".join(
        f'\n[recipient.{name}]{table}[grant.for-{name}]\nrecipient = "{name}"\n{TERMS}'
        for name, table in RECIPIENTS.items()
    )


def offered(known: dict[str, str]) -> dict[str, str]:
    """Give which secrets the refusing ones were shown, and the signatures that were made of keys."""
    place = STORY / "offered"
    data = place.read_bytes() if place.is_file() else b""
    found = {name: value for name, value in known.items() if any(form in data for form in forms(value))}
    for name, of in (("hub", rb"hub\.vaasa\.example"), ("provisioning", rb"0ne00ABCDEF")):
        if signed := re.search(rb"SharedAccessSignature sr=" + of + rb"[^&\s]*&sig=([\w%.+/-]+)", data):
            found[f"{name}-signature"] = signed[1].decode()
    return found


def links() -> Any:  # noqa: ANN401 - as the daemon tells it
    return json.loads(sh("citygate status --json")["out"])["links"]


def private_key() -> str:
    """Give a line out of the middle of the key that was made here."""
    opened = sh("systemd-creds decrypt --name=gateway-key /etc/citygate/sealed/gateway-key -", check=True)
    return str(opened["out"].splitlines()[1])


def ledger_key() -> str:
    """Give the key that signs the heads of the ledger."""
    return LEDGER_KEY.read_text("ascii").strip()


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
    """Search for every secret in all its forms; give where which was found, and each place's size."""
    found, sizes = [], {}
    for place, data in places():
        sizes[place] = len(data)
        found += [[place, name] for name, value in known.items() if any(one in data for one in forms(value))]
    return found, sizes


def forms(value: str) -> set[bytes]:
    """Give *value* as it is, in hexadecimal, and as it looks within anything that is written in base64."""
    raw = value.encode()
    found = {raw, raw.hex().encode()}
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        # the characters at both ends hold bits of what stands beside it
        inner = text[(0, 2, 3)[before] : len(text) // 4 * 4 - 4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


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
    yield "offered", (STORY / "offered").read_bytes()
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
