"""The process that sees pixels is locked in, and names every lock that is missing."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from pipelines.vision.jail import landlock, locks, probes, seccomp
from pipelines.vision.jail.calls import MACHINES
from pipelines.vision.jail.libc import prctl

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
        ("locks.lock_memory = lambda: 'refused'; locks.can_swap = lambda: True", {"swap"}),
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


def test_where_the_kernel_has_no_landlock_the_other_locks_hold() -> None:
    found = confined("landlock.version = lambda: 0")
    assert (found["holes"], found["tried"]) == ([], 21)


def test_a_computer_that_does_not_tell_whether_it_swaps_is_taken_for_one_that_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swaps = tmp_path / "swaps"
    monkeypatch.setattr(locks, "_SWAPS", swaps)
    assert locks.can_swap()
    swaps.write_text("Filename\tType\tSize\n", "ascii")
    assert not locks.can_swap()
    swaps.write_text("Filename\tType\tSize\n/swapfile\tfile\t99\n", "ascii")
    assert locks.can_swap()


def test_an_attempt_that_failed_by_luck_is_a_hole_and_one_that_was_refused_is_none() -> None:
    def fails(number: int) -> None:
        raise OSError(number, "no")

    only = frozenset({errno.EPERM})
    attempts = [
        probes.Probe("disk:/tmp", partial(fails, errno.ENOSPC), only),
        probes.Probe("bytes", partial(fails, errno.EPERM), only),
        probes.Probe("exec", lambda: None, only),
    ]
    assert probes.tried(iter(attempts)) == (["disk:/tmp", "exec"], ["disk:/tmp", "bytes", "exec"])


def test_a_socket_of_the_computer_that_is_reached_but_speaks_otherwise_is_reached(tmp_path: Path) -> None:
    place = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(place)
        probes._connect(place)
    with pytest.raises(FileNotFoundError):
        probes._connect(str(tmp_path / "lost"))


def test_what_the_kernel_refuses_is_an_error_with_its_reason() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        prctl(9999)


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
