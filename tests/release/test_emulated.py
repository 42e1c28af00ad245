"""The packages for another processor run where the kernel hands its programs to an emulator.

What confines a process is the kernel's, and an emulator knows nothing of it: cages are not tried here.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import json

from agent.core.vision import Count, Counted
from release import deb
from release.targets import TARGETS
from tests.peers import missing, need
from tests.pipelines.vision.clips import across, clip
from tests.pipelines.vision.watched import GATE, bundle
from tests.release.test_fresh_root import SUITES, mirror

FOREIGN = sorted(name for name, one in TARGETS.items() if one.machine != platform.machine())
INCLUDED = "base-files,python3,libstdc++6,zlib1g,libgcc-s1,tzdata"  # the first brings /lib, since Debian 13
EVERYTHING = """
import agent, drivers, importlib, pkgutil
rooms = (agent, drivers)
names = [x.name for one in rooms for x in pkgutil.walk_packages(one.__path__, one.__name__ + ".")]
for name in names:
    if "__main__" not in name and ".demo" not in name:
        importlib.import_module(name)
print(len(names))
"""


def laid(name: str, folder: Path) -> Path:
    """Unpack a Debian for the target called *name*, and both packages into it; nothing of it is started."""
    target, root = TARGETS[name], folder / "root"
    debs = deb.build(target, folder / "debs", level=1)
    suite = SUITES[target.system]
    words = [need("mmdebstrap"), "--variant=extract", "--quiet", f"--architectures={target.arch}"]
    words += [f"--include={INCLUDED}", suite, str(root), f"deb {mirror()} {suite} main"]
    subprocess.run(words, check=True, capture_output=True, timeout=900)
    for one in debs:
        subprocess.run(["dpkg-deb", "-x", str(one), str(root)], check=True)
    (root / "proc").mkdir(exist_ok=True)
    return root


def said(root: Path, *words: str) -> str:
    """Run a program below *root*; /sys stays out, where ONNX Runtime would find another processor's."""
    script = f'mount --bind /proc {root}/proc && exec chroot {root} "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def can_run(machine: str) -> bool:
    """Say whether the kernel hands programs for *machine* to an emulator."""
    place = Path(f"/proc/sys/fs/binfmt_misc/qemu-{machine}")
    return place.is_file() and place.read_text("ascii").startswith("enabled")


@pytest.mark.long
@pytest.mark.parametrize("name", FOREIGN)
def test_the_packages_for_another_processor_run_and_count_the_same(name: str, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        missing("root, to make a root of its own")
    if not can_run(TARGETS[name].machine):
        missing(f"an emulator of {TARGETS[name].machine} (qemu-user-static, and binfmt_misc in the kernel)")
    root = laid(name, tmp_path)
    assert said(root, "/usr/bin/citygate", "--version").startswith("citygate ")
    checked = said(root, "/usr/bin/citygate", "check", "/usr/share/doc/citygate/examples/demo")
    assert checked.startswith("demo-city/library/gw1: no faults")
    assert int(said(root, "/opt/citygate/bin/python3", "-sPc", EVERYTHING)) > 300
    clip(root / "tmp/across.mp4", 75, across)
    model = bundle(root / "tmp")
    asked = Count(path="/tmp/toy.citymodel", clip="/tmp/across.mp4", scene=GATE)  # noqa: S108 - below the root
    told = said(root, "/opt/citygate/bin/citygate-vision", json.encode(asked).decode())
    here = Count(path=str(model), clip=str(root / "tmp/across.mp4"), scene=GATE)
    ours = subprocess.run(
        [sys.executable, "-m", "pipelines.vision", json.encode(here).decode()],
        capture_output=True, check=True,
    )  # fmt: skip
    there, own = json.decode(told, type=Counted), json.decode(ours.stdout, type=Counted)
    assert (there.pictures, there.numbers) == (own.pictures, own.numbers)
    assert any(own.numbers)
