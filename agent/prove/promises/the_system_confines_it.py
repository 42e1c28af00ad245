"""The operating system itself confines the running gateway: no rights of root, no new ones, fewer calls.

The kernel is asked about the gateway that runs on this computer: its user, its capabilities, whether it can
gain rights, and whether calls to the kernel are filtered. Where none runs, or not as the service that ships
with it, nothing confines it: that is said, not hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from agent.prove.outcome import Outcome, kept, unenforced
from agent.prove.running import pid_of
from agent.prove.scene import Scene

_FILTERED: Final = "2"
_SERVICE: Final = "run it as the service that ships with it (systemd/citygate.service)"


def prove(scene: Scene) -> Outcome:
    """Ask the kernel about the running gateway."""
    pid = pid_of(scene.socket)
    if pid is None:
        return unenforced(f"No gateway runs here (nobody listens at {scene.socket}), so none is confined.")
    lines = (Path("/proc") / str(pid) / "status").read_text("ascii", errors="replace").splitlines()
    holes = list(_holes({name: rest.strip() for name, _, rest in (one.partition(":") for one in lines)}))
    if holes:
        return unenforced(*holes, f"To have the system enforce it, {_SERVICE}.")
    return kept(
        f"Process {pid} has no capabilities, can gain none, and its calls to the kernel are filtered."
    )


def _holes(status: Mapping[str, str]) -> Iterator[str]:
    if status.get("Uid", "0").split()[0] == "0":
        yield "The gateway runs as root."
    if int(status.get("CapEff", "0"), 16):
        yield "It has capabilities beyond those of an ordinary user."
    if status.get("NoNewPrivs") != "1":
        yield "It could gain rights by programs that it starts."
    if status.get("Seccomp") != _FILTERED:
        yield "Its calls to the kernel are not filtered."
