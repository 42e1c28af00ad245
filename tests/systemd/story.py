"""What happens on a computer on which the packages are installed; runs as root in a container, alone.

Each step prints a line of JSON: its name and what was seen. The tests judge.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

STORY = Path("/story")
SITE = Path("/etc/citygate/site.toml")
METER, BROKER = "10.20.0.15", "192.0.2.10"
PASSWORD = "correct-horse-battery"  # noqa: S105 - of a broker that lives for a minute
STEPS: list[Callable[[], Any]] = []


def step(act: Callable[[], Any]) -> Callable[[], Any]:
    STEPS.append(act)
    return act


def sh(text: str, *, given: str = "", check: bool = False) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-c", text], input=given, capture_output=True, text=True, check=False, cwd=STORY,
        timeout=120, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "COLUMNS": "160"},
    )  # fmt: skip
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


def typed(line: str) -> dict[str, Any]:
    """Type *line* as somebody who is root already, who answers what is asked, and looks again for a while."""
    said: dict[str, Any] = {}

    def is_done() -> bool:
        said.update(sh(f'sudo() {{ "$@"; }}; {line}', given=f"{PASSWORD}\n"))
        return not said["status"]

    until(is_done, 40 if line == "sudo citygate status" else 0)
    return said


@step
def surroundings() -> None:
    """Make a meter, a broker with TLS and a password, and a clock that counts as synchronised."""
    sh(f"ip link set lo up; ip addr add {METER}/32 dev lo; ip addr add {BROKER}/32 dev lo", check=True)
    sh("ip link add v0 type veth peer name v1; ip addr add 10.20.0.2/24 dev v0", check=True)
    sh("ip link set v0 up; ip link set v1 up; ip route add default dev v0", check=True)
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{BROKER} broker.vaasa.example\n", "utf-8")
    sh("mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized")
    sh(f"touch /story/pw; chmod 600 /story/pw; mosquitto_passwd -b /story/pw gw1 {PASSWORD}", check=True)
    sh("mosquitto_passwd -b /story/pw city seen", check=True)
    (STORY / "broker.conf").write_text(
        f"listener 8883 {BROKER}\ncertfile /story/broker.pem\nkeyfile /story/broker.key\n"
        "password_file /story/pw\nallow_anonymous false\nuser root\n"
        f"listener 8884 {BROKER}\ncertfile /story/broker.pem\nkeyfile /story/broker.key\n"
        "cafile /story/city-ca.pem\nrequire_certificate true\n",
        "utf-8",
    )
    sh("systemd-run -q --unit=broker /usr/sbin/mosquitto -c /story/broker.conf", check=True)
    sh(
        "systemd-run -q --unit=city -p StandardOutput=file:/story/heard mosquitto_sub -h broker.vaasa.example"
        " -p 8883 --cafile /story/city-ca.pem -u city -P seen -q 1 -t 'citygate/#' -F '%t %p'",
        check=True,
    )
    sh("systemd-run -q --unit=meter /usr/bin/python3 /story/meter.py", check=True)


@step
def before() -> dict[str, Any]:
    return {"files": files(), "listening": listening()}


@step
def walk() -> list[dict[str, Any]]:
    """Follow the page: run its commands, write its files, answer what is asked."""
    told = []
    text = (STORY / "page.md").read_text("utf-8")
    sh("cp /story/debs/citygate_0.1*.deb /story/", check=True)
    for language, block in re.findall(r"^```(sh|toml)\n(.*?)^```", text, re.M | re.S):
        if language == "toml":
            Path(block.split()[1]).write_text(block, "utf-8")
            continue
        told += [{"line": line, **typed(line)} for line in block.splitlines()]
    return told


@step
def first_start() -> dict[str, Any]:
    until(lambda: "mean" in (STORY / "heard").read_text("utf-8"), 40)
    until(lambda: "uplink city ok" in show("StatusText"))
    pid = show("MainPID")
    clear = sh(f"grep -rl {PASSWORD} /etc/citygate /var/lib/citygate /proc/{pid}/environ /proc/{pid}/cmdline")
    return {
        "heard": (STORY / "heard").read_text("utf-8"),
        "active": show("ActiveState"),
        "enabled": sh("systemctl is-enabled citygate")["out"].strip(),
        "status": show("StatusText"),
        "listening": listening(),
        "sockets": by_gateway(),
        "sealed": [one.name for one in Path("/etc/citygate/sealed").iterdir()],
        "clear": clear["out"],
        "journal": sh(f"journalctl -u citygate -o cat | grep -c {PASSWORD}")["out"].strip(),
        "man": sh("man -w citygate")["status"],
    }


@step
def fence() -> dict[str, Any]:
    """Try from within the gateway's own control group what its unit lets through."""
    probe = (
        "import os,socket,sys\n"
        "open(sys.argv[1]+'/cgroup.procs','w').write(str(os.getpid()))\n"
        "for host in sys.argv[2:]:\n"
        "  try: socket.socket(socket.AF_INET,socket.SOCK_DGRAM).sendto(b'x',(host,9)); print(host,'sent')\n"
        "  except OSError as error: print(host,error.strerror)\n"
    )
    group = f"/sys/fs/cgroup{show('ControlGroup')}"
    done = subprocess.run(
        [sys.executable, "-c", probe, group, METER, BROKER, "10.20.0.16", "192.0.2.1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {"out": done.stdout, "err": done.stderr}


@step
def reloads() -> dict[str, Any]:
    good = SITE.read_text("utf-8")
    told: dict[str, Any] = {"pid": show("MainPID")}

    def after(text: str) -> dict[str, str]:
        SITE.write_text(text, "utf-8")
        changed = show("StateChangeTimestampMonotonic")
        sh("systemctl reload citygate", check=True)
        until(lambda: show("StateChangeTimestampMonotonic") != changed and show("ActiveState") == "active")
        return {"status": show("StatusText"), "pid": show("MainPID"), "active": show("ActiveState")}

    told["bad"] = after(good.replace("host =", "hots ="))
    told["good"] = after(good.replace('every = "2s"', 'every = "1s"'))
    told["outside"] = after(good + '[link.far]\ndriver = "modbus-tcp"\nhost = "10.20.0.99"\n')
    told["journal"] = sh("journalctl -u citygate -o cat -n 40")["out"]
    told["applied"] = sh("citygate apply")
    told["dry"] = sh("citygate apply --dry-run")
    told["again"] = sh("citygate apply")
    told["bacnet"] = after(
        good + '[link.bms]\ndriver = "bacnet-ip"\ninterface = "10.20.0.2/24"\n[device.ahu]\nlink = "bms"\n'
        'instance = 7\naddress = "10.20.0.15"\npoints.a = { object = "analog-input,1" }\n'
    )
    told["with-bacnet"] = sh("citygate apply")
    until(lambda: "udp" in " ".join(by_gateway()), 10)
    told["sockets"] = by_gateway()
    SITE.write_text(good, "utf-8")
    told["back"] = sh("citygate apply")
    return told


@step
def identity() -> dict[str, Any]:
    """Have the city's authority sign a request, twice; call a broker that wants to see the certificate."""
    told: dict[str, Any] = {"accepted": []}
    sign = (
        "openssl x509 -req -in gw1.csr -CA city-ca.pem -CAkey files/city-ca.key -CAcreateserial -days 30"
        " -copy_extensions copyall -out gw1.pem"
    )
    for _ in range(2):
        sh("citygate identity request > gw1.csr", check=True)
        sh(sign, check=True)
        told["accepted"].append(sh("citygate identity accept gw1.pem --ca /etc/citygate/city-ca.pem"))
    place = Path("/etc/citygate/sharing.toml")
    before = place.read_text("utf-8")
    lines = 'certificate = "/etc/citygate/gateway.pem"\nkey = "credential:gateway-key"\n'
    place.write_text(before.replace(":8883", ":8884").replace("username =", f"{lines}username ="), "utf-8")
    told["applied"] = sh("citygate apply")
    until(lambda: "uplink city ok" in show("StatusText") or "held" in show("StatusText"))
    told["status"] = show("StatusText")
    told["sealed"] = sorted(one.name for one in Path("/etc/citygate/sealed").iterdir())
    told["clear"] = sh("grep -rl 'PRIVATE KEY' /etc/citygate /var/lib/citygate")["out"]
    place.write_text(before, "utf-8")
    told["back"] = sh("citygate apply")
    return told


@step
def watchdog() -> dict[str, Any]:
    place = Path("/etc/systemd/system/citygate.service.d/test.conf")
    place.write_text("[Service]\nWatchdogSec=3s\nRestartSec=200ms\n", "utf-8")
    sh("systemctl daemon-reload; systemctl restart citygate", check=True)
    pid = show("MainPID")
    sh(f"kill -STOP {pid}")
    until(lambda: show("NRestarts") == "1" and show("ActiveState") == "active")
    told = {"before": pid, "after": show("MainPID"), "active": show("ActiveState")}
    place.unlink()
    sh("systemctl daemon-reload; systemctl restart citygate", check=True)
    journal = sh("journalctl -u citygate -o cat -n 80")["out"]
    return told | {"journal": journal, "verify": sh("citygate ledger verify")}


@step
def cameras() -> dict[str, Any]:
    """Install the cameras' package, and hear it count a clip in its cage."""
    installed = sh("apt-get install -y ./debs/citygate-vision_0.1*.deb")
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.settimeout(40)
    line.connect("/run/citygate-vision.sock")
    line.send((STORY / "plan.json").read_bytes())
    heard: list[int] = []
    while len(heard) < 6 and (packet := line.recv(64)):
        heard.append(packet[1])
    told = {
        "installed": installed,
        "enabled": sh("systemctl is-enabled citygate-vision.socket")["out"].strip(),
        "heard": heard,
        "status": show("StatusText", "citygate-vision.service"),
        "user": sh("stat -c '%U %a' /run/citygate-vision.sock")["out"].strip(),
        "numpy": sh("/opt/citygate/bin/python3 -c 'import numpy'")["status"],
    }
    line.close()
    return told


@step
def plug_in() -> dict[str, Any]:
    info = Path("/opt/citygate/plugins/lorawan-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lorawan\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[citygate.drivers]\nlora-wan = city_lorawan:LoraWan\n", "utf-8")
    return {"check": sh("citygate check")["out"]}


@step
def upgrade() -> dict[str, Any]:
    count = "citygate ledger show --json 2>/dev/null | grep -c topic"
    told: dict[str, Any] = {"pid": show("MainPID"), "rows": sh(count)["out"].strip()}
    told["done"] = sh("apt-get install -y ./debs/citygate_0.2*.deb ./debs/citygate-vision_0.2*.deb")
    until(lambda: show("ActiveState") == "active", 20)
    return told | {
        "version": sh("dpkg-query -W -f '${Version}' citygate")["out"],
        "pid-after": show("MainPID"),
        "active": show("ActiveState"),
        "rows-after": sh(count)["out"].strip(),
        "site": SITE.is_file(),
        "plug-in": Path("/opt/citygate/plugins/lorawan-1.0.dist-info").is_dir(),
        "broken": sh("dpkg --verify citygate citygate-vision")["out"],
    }


@step
def downgrade() -> dict[str, Any]:
    told: dict[str, Any] = {"older": sh("dpkg -i debs/citygate_0.1*.deb")}
    told["version"] = sh("dpkg-query -W -f '${Version} ${Status}' citygate")["out"]
    told["active"] = show("ActiveState")
    sh("systemctl stop citygate")
    newer = "import sqlite3; sqlite3.connect('/var/lib/citygate/outbox.db').execute('PRAGMA user_version=9')"
    sh(f'python3 -c "{newer}"', check=True)
    told["form"] = sh("dpkg -i debs/citygate_0.2*.deb")
    sh("systemctl start citygate")
    told["journal"] = sh("journalctl -u citygate -o cat -n 12")["out"]
    sh("systemctl stop citygate")
    sh(f'python3 -c "{newer.replace("=9", "=1")}"', check=True)
    sh("systemctl reset-failed citygate; systemctl start citygate")
    return told | {"again": show("ActiveState")}


@step
def remove() -> dict[str, Any]:
    removed = sh("apt-get remove -y citygate citygate-vision")
    kept = {one: Path(one).exists() for one in ("/etc/citygate/site.toml", "/var/lib/citygate/outbox.db")}
    running = sh("pgrep -u citygate")["out"]
    sh("dpkg -i debs/citygate_0.2*.deb", check=True)
    wiped = sh("citygate wipe library/gw1 --ledger /story/kept.db")
    left = sh("find /etc/citygate /var/lib/citygate /etc/systemd/system/citygate.service.d -type f")["out"]
    verified = sh("citygate ledger verify --state /story/kept.db")
    enabled = sh("systemctl is-enabled citygate; systemctl is-active citygate")["out"].split()
    purged = sh("apt-get purge -y citygate citygate-vision")
    return {
        "removed": removed, "kept": kept, "running": running, "wiped": wiped, "left": left,
        "verified": verified, "enabled": enabled, "purged": purged, "files": files(),
        "user": sh("getent passwd citygate; getent group citygate")["out"],
        "failed": sh("systemctl --failed --no-legend --plain")["out"],
    }  # fmt: skip


for one in STEPS:
    began = time.monotonic()
    try:
        seen = one()
    except Exception:
        seen = {"crashed": traceback.format_exc()}
    print(json.dumps({"step": one.__name__, "seconds": round(time.monotonic() - began, 1), "seen": seen}))
print("DONE")
