"""What happens to a gateway in its years: bundles, renewals, secrets, both packages forward, its end."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.systemd.computer import SHARING, SITE, STORY, files, play, sh, show, until
from tests.systemd.story import before, cameras, counting, surroundings, walk
from tests.systemd.story_bundles import bundles, far_away
from tests.systemd.story_secrets import discretion


def identity() -> dict[str, Any]:
    """Have the city's authority sign a request; call a broker that wants the certificate; have it renewed."""
    sign = "openssl x509 -req -CA /story/city-ca.pem -CAkey /story/files/city-ca.key -CAcreateserial -days 30"
    Path("/etc/citygate/renew").write_text(f"#!/bin/sh\nexec {sign} -copy_extensions copyall\n", "utf-8")
    Path("/etc/citygate/renew").chmod(0o755)
    before = SHARING.read_text("utf-8")
    lines = 'certificate = "/etc/citygate/gateway.pem"\nkey = "credential:gateway-key"\n'
    # most of its life is over already, so the unit that renews it has something to do
    sh("citygate identity request | faketime -f -25d /etc/citygate/renew > gw1.pem", check=True)
    told: dict[str, Any] = {"accepted": sh("citygate identity accept gw1.pem")}
    text = before.replace(":8883", ":8884").replace("username =", f"{lines}username =")
    SHARING.write_text(text, "utf-8")
    told["applied"] = sh("citygate apply")
    until(lambda: "uplink city ok" in show("StatusText"))
    told |= {"status": show("StatusText"), "old": sh("citygate identity show"), "pid": show("MainPID")}
    told["renewal"] = sh("systemctl start citygate-renew.service || journalctl -u citygate-renew -o cat")
    until(lambda: "uplink city ok" in show("StatusText"))
    told |= {"renewed": show("StatusText"), "new": sh("citygate identity show"), "pid-after": show("MainPID")}
    told["timer"] = sh("systemctl is-enabled citygate-renew.timer; systemctl is-active citygate-renew.timer")
    told["sealed"] = sorted(one.name for one in Path("/etc/citygate/sealed").iterdir())
    told["clear"] = sh("grep -rl 'PRIVATE KEY' /etc/citygate /var/lib/citygate")["out"]
    SHARING.write_text(before, "utf-8")
    told["back"] = sh("citygate apply")
    return told


def exporter() -> dict[str, Any]:
    """Follow the page about metrics, where node-exporter would have its folder."""
    place = Path("/var/lib/prometheus/node-exporter")
    place.mkdir(parents=True)
    site, done = SITE.read_text("utf-8"), []
    text = (STORY / "metrics.md").read_text("utf-8")
    for language, block in re.findall(r"^```(sh|toml|ini)\n(.*?)^```", text, re.M | re.S):
        if language == "toml":
            SITE.write_text(f"{site}\n{block}", "utf-8")
        elif language == "ini":
            Path(block.split()[1]).write_text(block, "utf-8")
        else:
            done += [sh(f'sudo() {{ "$@"; }}; {line}')["status"] for line in block.splitlines()]
    file = place / "citygate.prom"
    until(file.is_file, 40)
    told = {"done": done, "text": file.read_text("utf-8"), "rights": sh(f"stat -c '%U %a' {file}")["out"]}
    SITE.write_text(site, "utf-8")
    Path("/etc/systemd/system/citygate.service.d/metrics.conf").unlink()
    sh("systemctl daemon-reload; systemctl restart citygate; rm -r /var/lib/prometheus")
    until(lambda: "uplink city ok" in show("StatusText"))
    return told


def older() -> dict[str, Any]:
    return cameras("0.1")


def forward() -> dict[str, Any]:
    """Upgrade both packages, as apt does it."""
    done = sh("apt-get install -y ./debs/citygate_0.2*.deb ./debs/citygate-vision_0.2*.deb")
    versions = sh("dpkg-query -W -f '${Version} ' citygate citygate-vision")["out"].split()
    broken = sh("dpkg --verify citygate citygate-vision")["out"]
    return {"done": done, "versions": versions, "broken": broken, "active": show("ActiveState"), **counting()}


def newer_form() -> dict[str, Any]:
    """Start on an outbox that a release of the future has written."""
    sh("systemctl stop citygate")
    own = form()
    form(own + 7)
    told: dict[str, Any] = {"own": own, "package": sh("dpkg -i debs/citygate_0.2*.deb")}
    sh("systemctl start citygate")
    told["journal"] = sh("journalctl -u citygate -o cat -n 12")["out"]
    sh("systemctl stop citygate")
    form(own)
    sh("systemctl reset-failed citygate; systemctl start citygate")
    until(lambda: show("ActiveState") == "active")
    return told | {"again": show("ActiveState")}


def form(new: int = 0) -> int:
    """Give the form of the outbox; with *new*, say that it has another."""
    with closing(sqlite3.connect("/var/lib/citygate/outbox.db", isolation_level=None)) as outbox:
        if new:
            outbox.execute(f"PRAGMA user_version={new}")
        return int(outbox.execute("PRAGMA user_version").fetchone()[0])


def wipe() -> dict[str, Any]:
    """Take the gateway out of service, and the packages with it."""
    wiped = sh("citygate wipe library/gw1 --ledger /story/kept.db")
    left = sh("find /etc/citygate /var/lib/citygate /etc/systemd/system/citygate.service.d -type f")["out"]
    verified = sh("citygate ledger verify --state /story/kept.db")
    enabled = sh("systemctl is-enabled citygate; systemctl is-active citygate")["out"].split()
    purged = sh("apt-get purge -y citygate citygate-vision")
    return {
        "wiped": wiped, "left": left, "verified": verified, "enabled": enabled, "purged": purged,
        "files": files(),
    }  # fmt: skip


if __name__ == "__main__":
    play(
        (
            surroundings, before, walk, bundles, identity, older, far_away, exporter, discretion, forward,
            newer_form, wipe,
        )
    )  # fmt: skip
