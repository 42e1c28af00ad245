"""On a Debian that has nothing but apt the packages bring all they need, and run with its Python."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from release import deb
from release.targets import TARGETS
from tests.peers import missing, need

SUITES = {"debian12": "bookworm", "debian13": "trixie"}
HOOK = """\
set -eu
exec > {told}  # mmdebstrap keeps what its hooks say to itself
export DEBIAN_FRONTEND=noninteractive
cp -r {debs} "$1/debs"
inside() {{ chroot "$1" sh -c "$2"; }}
inside "$1" 'apt-get install -q -y --no-install-recommends /debs/*.deb' >&2
inside "$1" 'citygate --version; citygate check /usr/share/doc/citygate/examples/demo | head -1'
inside "$1" '/opt/citygate/vision/bin/python3 -sP -c "import av, cv2, onnxruntime" && echo sees'
inside "$1" 'ls /opt/citygate/lib/*/site-packages/agent/__pycache__/app.*.pyc'
inside "$1" 'dpkg --verify citygate citygate-vision; getent passwd citygate | cut -d: -f1,6'
inside "$1" 'apt-get purge -q -y citygate citygate-vision' >&2
inside "$1" 'find / -xdev -name "*citygate*" -not -path "/debs*" -not -path "/proc/*"'
rm -r "$1/debs"
"""


def mirror() -> str:
    """Give the archive that this computer's own apt uses."""
    words = [need("apt-get"), "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]
    found = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\n")
    plain = [line.split()[0] for line in found if line and "-" not in line.split()[1]]
    return plain[0] if plain else missing("an archive of Debian in apt's lists (apt-get update)")


@pytest.mark.long
@pytest.mark.parametrize("system", SUITES)
def test_a_fresh_debian_needs_nothing_but_the_packages(system: str, tmp_path: Path) -> None:
    program = need("mmdebstrap")
    if os.geteuid() != 0:
        missing("root, to make a root of its own")
    machine = platform.machine()
    target = next(one for one in TARGETS.values() if (one.system, one.machine) == (system, machine))
    deb.build(target, tmp_path / "debs", level=1)
    hook = tmp_path / "hook.sh"
    hook.write_text(HOOK.format(debs=tmp_path / "debs", told=tmp_path / "told"), "utf-8")
    words = [program, "--variant=apt", "--quiet", f'--customize-hook=sh {hook} "$1"']
    suite = SUITES[system]
    done = subprocess.run(
        [*words, "--format=null", suite, "/dev/null", f"deb {mirror()} {suite} main"],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    said = (tmp_path / "told").read_text("utf-8").splitlines()
    assert said[0].startswith("citygate ")
    assert said[1].startswith("demo-city/library/gw1: no faults")
    assert said[2] == "sees"
    assert f"app.cpython-{target.python.replace('.', '')}.pyc" in said[3]
    assert said[4] == "citygate:/var/lib/citygate"
    assert said[5:] == []
