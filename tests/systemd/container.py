"""A computer of its own: a real systemd over an overlay of a root, outside which nothing is written."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.peers import missing, need

_UNIT: Final = """\
[Unit]
After=basic.target
[Service]
Type=oneshot
WorkingDirectory=/story
ExecStart=/usr/bin/python3 -u -m tests.systemd.{story}
ExecStopPost=/bin/systemctl --force poweroff
StandardOutput=file:/story/out
StandardError=file:/story/err
"""
_QUIET: Final = ("mosquitto", "console-getty", "systemd-logind", "e2scrub_reap", "systemd-timesyncd")
_FILTER: Final = "bpf landlock_create_ruleset landlock_add_rule landlock_restrict_self"


def boot(
    story: Path, things: Mapping[str, Path], *, below: Path = Path("/"), patience: float = 500.0
) -> tuple[str, str]:
    """Boot, run the module *story* with *things* in /story, folders to be read only; give what it says.

    *below* is the root that lies under the overlay: this computer's own, or a Debian in a folder.
    """
    need("systemd-nspawn")
    if os.geteuid() != 0:
        missing("root, to boot a container")
    room = Path(tempfile.mkdtemp(prefix="citygate-boot-"))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", str(room)], check=True)
    try:
        for name in ("upper", "work", "root"):
            (room / name).mkdir()
        layers = f"lowerdir={below},upperdir={room}/upper,workdir={room}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(room / "root")], check=True)
        try:
            return _told(room, story, things, patience)
        finally:
            subprocess.run(["umount", str(room / "root")], check=True)
    finally:
        subprocess.run(["umount", str(room)], check=True)
        room.rmdir()


def _told(room: Path, story: Path, things: Mapping[str, Path], patience: float) -> tuple[str, str]:
    root = room / "root"
    units = root / "etc/systemd/system"
    for name in _QUIET:
        (units / f"{name}.service").unlink(missing_ok=True)
        (units / f"{name}.service").symlink_to("/dev/null")
    (root / "usr/sbin/policy-rc.d").unlink(
        missing_ok=True
    )  # images forbid with it that packages start anything
    (root / "story").mkdir()
    shutil.copytree(story.parent, root / "story/tests/systemd")
    binds = [f"--bind-ro={thing}:/story/{name}" for name, thing in things.items() if thing.is_dir()]
    for name, thing in things.items():
        if not thing.is_dir():
            shutil.copy(thing, root / "story" / name)
    (units / "story.service").write_text(_UNIT.format(story=story.stem), "utf-8")
    # a target of our own: what else is installed here is not started
    (units / "story.target").write_text(
        "[Unit]\nRequires=basic.target story.service\nAfter=basic.target\n", "utf-8"
    )
    (units / "default.target").unlink(missing_ok=True)
    (units / "default.target").symlink_to("story.target")
    shutil.rmtree(units / "default.target.wants", ignore_errors=True)  # those of any default
    console = room / "console"
    words = [
        "systemd-nspawn", "-q", "-D", str(root), "--boot", "--register=no", "--keep-unit",
        "--private-network", "--capability=all", f"--system-call-filter={_FILTER}", *binds,
    ]  # fmt: skip
    environment = {**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
    with console.open("wb") as log, suppress(subprocess.TimeoutExpired):
        subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, timeout=patience,
            check=False,
        )  # fmt: skip
    out, err = ((root / "story" / name) for name in ("out", "err"))
    if not out.is_file():
        raise AssertionError(console.read_text("utf-8", "replace")[-3000:])
    return out.read_text("utf-8"), err.read_text("utf-8", "replace")
