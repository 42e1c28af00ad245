"""What happens on a computer on which the packages are installed; runs as root in a container, alone.

Its steps follow each other; what one leaves behind, the next finds.
"""

from __future__ import annotations

import re
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.systemd.computer import (
    BROKER,
    METER,
    OTHER,
    SITE,
    STORY,
    by_gateway,
    files,
    heard,
    listening,
    play,
    sh,
    show,
    until,
)

PASSWORD = secrets.token_hex(12)


def typed(line: str) -> dict[str, Any]:
    """Type *line* as somebody who is root already, who answers what is asked, and looks again for a while."""
    said: dict[str, Any] = {}

    def is_done() -> bool:
        said.update(sh(f'sudo() {{ "$@"; }}; {line}', given=f"{PASSWORD}\n"))
        return not said["status"]

    until(is_done, 40 if line == "sudo citygate status" else 0)
    return said


def surroundings() -> None:
    """Make a meter, a broker with TLS and a password, and a clock that counts as synchronised."""
    sh("ip link set lo up", check=True)
    for one in (METER, OTHER, BROKER):
        sh(f"ip addr add {one}/32 dev lo", check=True)
    sh("ip link add v0 type veth peer name v1; ip addr add 10.20.0.2/24 dev v0", check=True)
    sh("ip link set v0 up; ip link set v1 up; ip route add default dev v0", check=True)
    Path("/etc/hosts").write_text(f"127.0.0.1 localhost\n{BROKER} broker.vaasa.example\n", "utf-8")
    Path("/var/lib/man-db/auto-update").unlink(missing_ok=True)  # else each package has all pages read anew
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


def before() -> dict[str, Any]:
    return {"files": files(), "listening": listening()}


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


def first_start() -> dict[str, Any]:
    until(lambda: "mean" in heard(), 40)
    until(lambda: "uplink city ok" in show("StatusText"))
    pid = show("MainPID")
    clear = sh(f"grep -rl {PASSWORD} /etc/citygate /var/lib/citygate /proc/{pid}/environ /proc/{pid}/cmdline")
    return {
        "heard": heard(),
        "active": show("ActiveState"),
        "enabled": sh("systemctl is-enabled citygate")["out"].strip(),
        "status": show("StatusText"),
        "listening": listening(),
        "sockets": by_gateway(),
        "sealed": [one.name for one in Path("/etc/citygate/sealed").iterdir()],
        "clear": clear["out"],
        "journal": sh(f"journalctl -u citygate -o cat | grep -c {PASSWORD}")["out"].strip(),
        "explained": sh("journalctl -u citygate -x --no-pager CODE=runs")["out"],
        "man": sh("man -w citygate")["status"],
        "exposure": sh("systemd-analyze security --no-pager citygate.service | tail -1")["out"],
    }


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


def cameras(version: str = "0.2") -> dict[str, Any]:
    """Install the cameras' package, and hear it count a clip in its cage."""
    installed = sh(f"dpkg --install debs/citygate-vision_{version}*.deb")
    return {"installed": installed, **counting()}


def counting() -> dict[str, Any]:
    """Hear the process that sees pictures count a clip."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    line.settimeout(40)
    line.connect("/run/citygate-vision.sock")
    line.send((STORY / "plan.json").read_bytes())
    heard: list[int] = []
    while len(heard) < 6 and (packet := line.recv(64)):
        heard.append(packet[1])
    told = {
        "enabled": sh("systemctl is-enabled citygate-vision.socket")["out"].strip(),
        "heard": heard,
        "status": show("StatusText", "citygate-vision.service"),
        "user": sh("stat -c '%U %a' /run/citygate-vision.sock")["out"].strip(),
        "exposure": sh("systemd-analyze security --no-pager citygate-vision.service | tail -1")["out"],
        "numpy": sh("/opt/citygate/bin/python3 -c 'import numpy'")["status"],
    }
    line.close()
    return told


def plug_in() -> dict[str, Any]:
    info = Path("/opt/citygate/plugins/lorawan-1.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lorawan\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[citygate.drivers]\nlora-wan = city_lorawan:LoraWan\n", "utf-8")
    return {"check": sh("citygate check")["out"]}


def upgrade() -> dict[str, Any]:
    count = "citygate ledger show --json 2>/dev/null | grep -c topic"
    told: dict[str, Any] = {"pid": show("MainPID"), "rows": sh(count)["out"].strip()}
    told["done"] = sh("dpkg --install debs/citygate_0.2*.deb")
    until(lambda: show("ActiveState") == "active", 20)
    return told | {
        "version": sh("dpkg-query -W -f '${Version}' citygate")["out"],
        "pid-after": show("MainPID"),
        "active": show("ActiveState"),
        "rows-after": sh(count)["out"].strip(),
        "site": SITE.is_file(),
        "plug-in": Path("/opt/citygate/plugins/lorawan-1.0.dist-info").is_dir(),
        "broken": sh("dpkg --verify citygate")["out"],
    }


def downgrade() -> dict[str, Any]:
    return {
        "older": sh("dpkg -i debs/citygate_0.1*.deb"),
        "version": sh("dpkg-query -W -f '${Version} ${Status}' citygate")["out"],
        "active": show("ActiveState"),
    }


def remove() -> dict[str, Any]:
    removed = sh("dpkg --remove citygate-vision citygate")
    kept = {one: Path(one).exists() for one in ("/etc/citygate/site.toml", "/var/lib/citygate/outbox.db")}
    running = sh("pgrep -u citygate")["out"]
    purged = sh("dpkg --purge citygate-vision citygate")
    return {
        "removed": removed, "kept": kept, "running": running, "purged": purged, "files": files(),
        "user": sh("getent passwd citygate; getent group citygate")["out"],
        "failed": sh("systemctl --failed --no-legend --plain 'citygate*'")["out"],
    }  # fmt: skip


if __name__ == "__main__":
    play(
        (
            surroundings, before, walk, first_start, fence, reloads, watchdog, plug_in, upgrade, downgrade,
            cameras, remove,
        )
    )  # fmt: skip
