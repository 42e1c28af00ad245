"""What a story needs: two releases, a city's authority, a clip and a model; and what each step of it saw."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from msgspec import json as bytes_of

from agent.core.sight import Watch
from release import deb, wheels
from release.targets import TARGETS
from tests.peers import missing, need
from tests.peers.mosquitto import Authority
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import bundle, camera
from tests.release.test_fresh_root import SUITES, mirror
from tests.systemd.container import boot

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/technician/from-box-to-values.md"
METRICS = HERE.parents[1] / "docs/maintainer/metrics.md"
HERE_TOO = ("systemd-nspawn", "dpkg-deb", "openssl")
PROGRAMS = ("mosquitto", "mosquitto_sub", "ss", "faketime")
FRESH = (
    "systemd,systemd-sysv,dbus,python3,apt,tzdata,ca-certificates,openssl,procps,iproute2,mosquitto,"
    "mosquitto-clients,faketime,man-db,libstdc++6,zlib1g"
)
"""What a root has in which nobody has ever installed anything else: what the story needs of it."""


class Story(dict[str, Any]):
    """What each step saw; a step that crashed fails the tests that ask for it."""

    root = Path("/")

    def __getitem__(self, step: str) -> Any:  # noqa: ANN401 - each step tells in its own form
        seen = super().__getitem__(step)
        assert not (isinstance(seen, dict) and "crashed" in seen), seen["crashed"]
        return seen


def fresh(system: str, room: Path) -> Path:
    """Make a root of a Debian that is called *system* in ``release/targets.py``, and of nothing of ours."""
    program, root, suite = need("mmdebstrap"), room / system, SUITES[system]
    words = [program, "--variant=minbase", "--quiet", f"--include={FRESH}", suite, str(root)]
    done = subprocess.run(
        [*words, f"deb {mirror()} {suite} main"], capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # else it would ask whoever starts it for the first time
    (root / "etc/machine-id").write_text(f"{uuid4().hex}\n", "ascii")
    return root


def played(name: str, room: Path, packages: Mapping[str, Sequence[str]], *, anew: str = "") -> Story:
    """Build *packages* of each version, boot, play the story called *name*, and give what each step saw.

    It is played over this computer's own root (a Debian 12), or over one of the system *anew*, made for it.
    """
    for program in (*HERE_TOO, *(() if anew else PROGRAMS)):
        need(program)
    if os.geteuid() != 0:
        missing("root, to boot a container")
    files, debs = room / "files", room / "debs"
    files.mkdir()
    wanted = (anew or "debian12", platform.machine())
    target = next(one for one in TARGETS.values() if (one.system, one.machine) == wanted)
    own = wheels.own(wheels.epoch())
    for version, names in packages.items():
        deb.build(target, debs, names, version=version, level=1, own=own)
    below = fresh(anew, room) if anew else Story.root
    authority = Authority(files, "city-ca")
    certificate, key = authority.leaf("broker", host="broker.vaasa.example")
    others, others_key = authority.leaf("others", host="*.vaasa.example")
    clip(files / "across.mp4", 75, across)
    bundle(files)
    model = Path("/story/files/toy.citymodel")
    offset = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    watch = Watch(cameras=(camera("file:/story/files/across.mp4", model),), width=2, offset=offset)
    (room / "plan.json").write_bytes(bytes_of.encode(watch))
    things = {
        "debs": debs, "files": files, "plan.json": room / "plan.json", "page.md": PAGE, "metrics.md": METRICS,
        "meter.py": HERE / "meter.py", "refusing.py": HERE / "refusing.py",
        "city-ca.pem": authority.certificate, "broker.pem": certificate, "broker.key": key,
        "others.pem": others, "others.key": others_key,
    }  # fmt: skip
    out, err = boot(HERE / f"{name}.py", things, below=below)
    lines = out.splitlines()
    assert lines[-1:] == ["DONE"], out + err
    steps = [json.loads(line) for line in lines[:-1]]
    (room / "told.json").write_text(json.dumps(steps, indent=1), "utf-8")
    story = Story({one["step"]: one["seen"] for one in steps})
    story.root = below
    return story
