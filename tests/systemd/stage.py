"""What a story needs: two releases, a city's authority, a clip and a model; and what each step of it saw."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import json as bytes_of

from agent.core.sight import Watch
from release import deb, wheels
from tests.peers import missing, need
from tests.peers.mosquitto import Authority
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import bundle, camera
from tests.release.test_deb import host
from tests.systemd.container import boot

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/technician/from-box-to-values.md"
PROGRAMS = ("systemd-nspawn", "dpkg-deb", "mosquitto", "mosquitto_sub", "openssl", "ss", "faketime")


class Story(dict[str, Any]):
    """What each step saw; a step that crashed fails the tests that ask for it."""

    def __getitem__(self, step: str) -> Any:  # noqa: ANN401 - each step tells in its own form
        seen = super().__getitem__(step)
        assert not (isinstance(seen, dict) and "crashed" in seen), seen["crashed"]
        return seen


def played(name: str, room: Path, packages: Mapping[str, Sequence[str]]) -> Story:
    """Build *packages* of each version, boot, play the story called *name*, and give what each step saw."""
    for program in PROGRAMS:
        need(program)
    if os.geteuid() != 0:
        missing("root, to boot a container")
    files, debs = room / "files", room / "debs"
    files.mkdir()
    own = wheels.own(wheels.epoch())
    for version, names in packages.items():
        deb.build(host(), debs, names, version=version, level=1, own=own)
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
        "debs": debs, "files": files, "plan.json": room / "plan.json", "page.md": PAGE,
        "meter.py": HERE / "meter.py", "refusing.py": HERE / "refusing.py",
        "city-ca.pem": authority.certificate, "broker.pem": certificate, "broker.key": key,
        "others.pem": others, "others.key": others_key,
    }  # fmt: skip
    out, err = boot(HERE / f"{name}.py", things)
    lines = out.splitlines()
    assert lines[-1:] == ["DONE"], out + err
    steps = [json.loads(line) for line in lines[:-1]]
    (room / "told.json").write_text(json.dumps(steps, indent=1), "utf-8")
    return Story({one["step"]: one["seen"] for one in steps})
