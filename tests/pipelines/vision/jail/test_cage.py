"""The process that sees pixels is locked in, and names every lock that is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.vision.jail import landlock, seccomp
from pipelines.vision.jail.calls import MACHINES

INSIDE = """
import json, os, sys
from pipelines.vision.jail import cage, landlock, locks, probes, seccomp
{weaken}
verdict = cage.confine(cage.Cage(read=({clip!r},)))
found = {{"holes": verdict.holes, "tried": verdict.tried}}
{more}
os.write(1, json.dumps(found).encode())
"""


def confined(weaken: str = "", more: str = "", clip: str = "") -> dict[str, object]:
    """Lock a process in, without something, and give what it says."""
    code = INSIDE.format(weaken=weaken, more=more, clip=clip)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_whole_cage_has_no_hole() -> None:
    found = confined()
    assert found["holes"] == []
    assert found["tried"] == 22 if landlock.version() else 21


FILTER = "keep = seccomp._NEVER; seccomp._NEVER = tuple(one for one in keep if one not in {})"


@pytest.mark.parametrize(
    ("weaken", "holes"),
    [
        ("locks.no_disk = lambda: None", {"bytes", "dumpable", "core"}),
        (FILTER.format({"execve"}) + "; landlock.restrict = lambda *_: None", {"exec"}),
        (FILTER.format({"memfd_create"}), {"memfd"}),
        ("seccomp._sockets = lambda: []; seccomp._refuse = lambda: (6, 0, 0, seccomp._ALLOW)", {"udp"}),
        (
            "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
            {"threads"},
        ),
        (
            "landlock.restrict = lambda *_: None; seccomp._MAKING = os.O_ACCMODE = 0;"
            + FILTER.format({"unlink"}),
            {"disk:/tmp", "disk:/var/tmp"},
        ),
    ],
)
def test_a_lock_that_is_missing_is_named(weaken: str, holes: set[str]) -> None:
    found = confined(weaken)
    assert isinstance(found["holes"], list)
    assert holes <= set(found["holes"])


@pytest.mark.skipif(not landlock.version(), reason="this kernel has no Landlock")
def test_a_missing_landlock_is_named_where_the_kernel_has_it() -> None:
    assert confined("landlock.restrict = lambda *_: None")["holes"] == ["reads"]


def test_a_missing_filter_is_named_by_all_that_it_refuses() -> None:
    holes = confined("seccomp.install = lambda **_: None")["holes"]
    assert isinstance(holes, list)
    assert {"wx-memory", "memfd", "namespaces", "udp", "unix-socket", "tcp"} <= set(holes)


def test_what_is_needed_still_works(tmp_path: Path) -> None:
    clip = tmp_path / "clip"
    clip.write_bytes(b"frames")
    more = (
        f"import threading, time; found['clip'] = open({str(clip)!r}, 'rb').read().decode();"
        "one = threading.Thread(target=time.sleep, args=(0.01,)); one.start(); one.join();"
        "import decimal, zlib; found['cpu'] = 'processor' in open('/proc/cpuinfo').read()"
    )
    found = confined(more=more, clip=str(clip))
    assert (found["clip"], found["cpu"]) == ("frames", True)


def test_another_address_than_the_cameras_is_a_hole_without_a_filter_around() -> None:
    code = (
        "import json, os; from pipelines.vision.jail.cage import Cage, confine;"
        "verdict = confine(Cage(cameras=(('127.0.0.1', 8554),)));"
        "os.write(1, json.dumps(verdict.holes).encode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert json.loads(done.stdout) == ["net:192.0.2.1"]


@pytest.mark.parametrize("machine", sorted(MACHINES))
@pytest.mark.parametrize("network", [True, False])
def test_a_filter_fits_its_machine(machine: str, *, network: bool) -> None:
    one = MACHINES[machine]
    code = seccomp.program(one.audit, one.calls, network=network, devices=False)
    assert len(code) < 4096  # what the kernel takes
    for place, (kind, yes, no, _) in enumerate(code):
        assert place + 1 + max(yes, no) < len(code) or kind == seccomp._RETURN
    lacking = {name for name in seccomp._NEVER if name not in one.calls}
    if machine == "x86_64":
        assert not lacking
    else:  # calls that this machine has only in their newer form
        assert lacking == {
            "creat", "mkdir", "rmdir", "mknod", "link", "symlink", "rename", "unlink", "chmod", "chown",
            "lchown", "utime", "utimes", "futimesat",
        }  # fmt: skip
