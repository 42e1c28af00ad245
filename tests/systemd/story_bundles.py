"""A configuration comes from a distance, on real units: it is kept, broken off and ended, taken back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

from tests.systemd.computer import METER, OTHER, SHARING, SITE, STORY, heard, sh, show, until

TRIAL = Path("/etc/citygate/.bundle/trial.json")
DROP_IN = Path("/etc/systemd/system/citygate.service.d/50-site.conf")
SECOND = f"""
[link.annexe]
driver = "modbus-tcp"
host = "{OTHER}"
[device.annexe-meter]
link = "annexe"
unit = 1
profile = "eastron/sdm630"
every = "2s"
[link.self]
driver = "gateway"
every = "10s"
"""
HEALTH = """
[product.gateway-health]
from = ["self.bundle*"]
window = "10s"
statistics = ["last"]
"""
NOWHERE = "10.20.0.99"


def bundles() -> dict[str, Any]:
    """Apply one that does well, kill the trial of another and go on, and apply one that does not do well."""
    sh("ssh-keygen -q -t ed25519 -N '' -f admin", check=True)
    signer = f'admin@vaasa.example namespaces="citygate-bundle" {(STORY / "admin.pub").read_text("ascii")}'
    Path("/etc/citygate/bundle_signers").write_text(signer, "ascii")
    sh(f"systemd-run -q --unit=annexe /usr/bin/python3 /story/meter.py {OTHER}", check=True)
    site = SITE.read_text("utf-8") + SECOND
    sharing = SHARING.read_text("utf-8").replace('["energy"]', '["energy", "gateway-health"]') + HEALTH
    told: dict[str, Any] = {"pid": show("MainPID")}
    made(4, site, sharing)
    told["kept"] = seen("citygate bundle apply 4.bundle --wait 20s --calm 2s")
    made(5, site.replace('every = "2s"', 'every = "1s"', 1), sharing)
    told["settled"] = broken_off(5)
    made(3, site, sharing)
    told["old"] = seen("citygate bundle apply 3.bundle")
    made(6, site.replace(METER, NOWHERE), sharing)
    told["bad"] = seen("citygate bundle apply 6.bundle --wait 6s --calm 2s")
    return told | {
        "codes": sh("journalctl -u citygate -o cat --output-fields=CODE | grep ^bundle")["out"].split()
    }


def made(number: int, site: str, sharing: str) -> None:
    """Pack and sign a configuration, on the desk of whoever is far away."""
    desk = STORY / "desk"
    desk.mkdir(exist_ok=True)
    (desk / "site.toml").write_text(site, "utf-8")
    (desk / "sharing.toml").write_text(sharing, "utf-8")
    words = f"--number {number} --key admin --out {number}.bundle"
    sh(f"citygate bundle make desk {words}", check=True)


def seen(command: str) -> dict[str, Any]:
    """Run *command*, and look what is in force afterwards."""
    done = sh(command)
    until(lambda: "uplink city ok" in show("StatusText"), 10)
    return {
        **done,
        "pid": show("MainPID"),
        "site": SITE.read_text("utf-8"),
        "drop-in": DROP_IN.read_text("utf-8"),
        "bundle": json.loads(sh("citygate status --json")["out"])["bundle"],
        "line": sh("citygate status | grep -A1 bundles:")["out"],
        "show": sh("citygate bundle show")["out"],
    }


def broken_off(number: int) -> dict[str, Any]:
    """Kill a trial when its files are in force, as a power cut would; let the unit end it."""
    words = ["citygate", "bundle", "apply", f"{number}.bundle", "--wait", "30s", "--calm", "3s"]
    with subprocess.Popen(
        words, cwd=STORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as trial:
        until(lambda: TRIAL.is_file() and b'"watching"' in TRIAL.read_bytes())
        os.killpg(trial.pid, signal.SIGKILL)
    left = TRIAL.is_file()
    told = seen("systemctl start citygate-bundle.service")
    return told | {"left": left, "result": show("Result", "citygate-bundle.service"), "on": TRIAL.is_file()}


def far_away() -> dict[str, Any]:
    """Give what the city has heard last of each point about bundles, once it has heard of the bad one."""
    until(lambda: figures().get("self.bundle_tried") == 6, 25)
    return figures()


def figures() -> dict[str, Any]:
    """Give the newest figure of each point of the gateway itself, out of the batches at the broker."""
    lines = [one.partition(" ") for one in heard().splitlines()]
    bodies = [body for topic, _, body in lines if "gateway-health" in topic and body]
    batches = [told for told in map(json.loads, bodies) if told["k"] == "batch"]
    return {row[0]: row[-1] for told in batches for row in told["r"]}
