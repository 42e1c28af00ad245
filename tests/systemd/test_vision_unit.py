"""Under a real systemd the process that sees pixels counts, and names each protection that its unit lacks."""

from __future__ import annotations

import ast
import os
import re
import site
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import json

from agent.core.sight import HOLES, Sight, Watch, What
from agent.resources import resource
from tests.peers import missing, need
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import GATE, bundle, camera

HERE = Path(__file__).parent
UNIT = Path(str(resource("systemd"))) / "citygate-vision.service"
SOCKET = UNIT.with_suffix(".socket")
ROOT = HERE.parents[1]
# the unit as it ships, but with this checkout's program and the system's own Python
PROGRAM = (
    "ExecStart=/usr/bin/python3 -P -m pipelines.vision watch\n"
    "Environment=PYTHONPATH=/opt/citygate/source:/opt/citygate/packages\n"
    "LoadCredential=square-password:/opt/citygate/files/secret"
)
NETWORK = """
[Service]
PrivateNetwork=no
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
IPAddressAllow=10.9.0.20
"""
WEAKER = {
    "v-whole": (r"^$", set()),
    "v-disk": (r"^(TemporaryFileSystem|BindReadOnlyPaths)=.*$", {"disk:/tmp"}),
    "v-strict": (r"^(ProtectSystem|DynamicUser|TemporaryFileSystem)=.*$", {"disk:/var/tmp"}),
    "v-families": (r"^(RestrictAddressFamilies|IPAddressDeny|PrivateNetwork)=.*$", {"net:127.0.0.1"}),
    "v-run": (r" /run:ro", {"unix:journal"}),
    "v-code": (r"^MemoryDenyWriteExecute=.*$", {"wx-memory"}),
    "v-namespaces": (r"^(RestrictNamespaces|PrivateUsers)=.*$", {"namespaces"}),
}


def heard(tmp_path: Path, units: dict[str, str], source: str) -> dict[str, dict[str, Any]]:
    """Boot, start each unit for a camera at *source*, and give what was heard of it."""
    folder, files = tmp_path / "units", tmp_path / "files"
    folder.mkdir()
    files.mkdir()
    clip(files / "across.mp4", 75, across)
    bundle(files)
    (files / "secret").write_text("open sesame")
    for name, text in units.items():
        own = re.sub(r"^ExecStart=.*$", PROGRAM, text, flags=re.M).replace(
            "citygate-vision.socket", f"{name}.socket"
        )
        (folder / f"{name}.service").write_text(own)
        line = re.sub(r"^Socket(User|Group)=.*$", "", SOCKET.read_text(), flags=re.M)
        (folder / f"{name}.socket").write_text(line.replace("/run/citygate-vision.sock", f"/run/{name}.sock"))
    here = Path("/opt/citygate/files")
    password = "credential:square-password"  # noqa: S105 - a name
    one = camera(source, here / "toy.citymodel", user="me", password=password)
    assert one.scene is GATE
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    (tmp_path / "plan.json").write_bytes(json.encode(Watch(cameras=(one,), width=2, offset=offset)))
    packages = next(place for place in site.getsitepackages() if place.endswith("site-packages"))
    out = tmp_path / "out"
    words = [HERE / "boot.sh", folder, tmp_path / "plan.json", packages, ROOT, files, out]
    done = subprocess.run(
        ["bash", *map(str, words)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = out.read_text().splitlines()
    assert lines[-1] == "DONE", done.stderr
    told = [ast.literal_eval(line) for line in lines[:-1]]
    return {one["unit"]: one | {"log": done.stderr} for one in told}


def _may_boot() -> None:
    need("systemd-nspawn")
    if os.geteuid() != 0:
        missing("root, to boot a container")


@pytest.mark.long
def test_only_the_camera_that_the_unit_names_is_within_reach(tmp_path: Path) -> None:
    _may_boot()
    text = UNIT.read_text()
    units = {
        "v-open": text + NETWORK,
        "v-other": text + NETWORK.replace("10.9.0.20", "10.9.0.21"),
        "v-filter": re.sub(r"^IPAddressDeny=.*$", "", text, flags=re.M) + NETWORK,
    }
    told = heard(tmp_path, units, "rtsp://10.9.0.20/stream2")
    for name in ("v-open", "v-other"):
        refused, tried = re.findall(r"\d+", told[name]["status"])[:2]
        assert refused == tried
    assert [What.FAULT, 0, 0, 2, Sight.FILTERED] not in told["v-open"]["heard"]
    assert told["v-other"]["heard"][0] == [What.FAULT, 0, 0, 2, Sight.FILTERED]
    assert "net:127.0.0.1, net:192.0.2.1" in told["v-filter"]["status"]
    assert told["v-filter"]["exit"] == "78"


@pytest.mark.long
def test_a_real_systemd_confines_it_and_every_weaker_unit_is_refused(tmp_path: Path) -> None:
    _may_boot()
    text = UNIT.read_text()
    units = {name: re.sub(wrong, "", text, flags=re.M) for name, (wrong, _) in WEAKER.items()}
    told = heard(tmp_path, units, "file:/opt/citygate/files/across.mp4")
    whole = told["v-whole"]
    assert whole["status"].startswith("sandbox "), whole
    refused, tried = re.findall(r"\d+", whole["status"])[:2]
    assert refused == tried
    kinds = [What(one[0]) for one in whole["heard"]]
    assert kinds[0] is What.READY
    assert What.NUMBER in kinds
    for name, (_, holes) in WEAKER.items():
        if holes:
            named = set(
                re.findall(r"[a-z]+(?:[:-][^,\s]+)?", told[name]["status"].partition("confined: ")[2])
            )
            assert holes <= named, told[name]
            assert told[name]["exit"] == "78", told[name]
            assert What(told[name]["heard"][-1][0]) is What.HOLES
            assert named <= set(HOLES)
