"""The gateway listens on no network port; BACnet's UDP port is open only where BACnet is configured.

A gateway of this site lives for some seconds, led to loopback: every port that it binds is noted from inside,
and its sockets are read from the kernel. The gateway that runs on this computer is looked at too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agent.core.driver import CanBeLed
from agent.core.plan import Plan
from agent.prove.life import Event
from agent.prove.outcome import Outcome, judged, unenforced
from agent.prove.running import pid_of
from agent.prove.scene import Scene
from agent.prove.sockets import Socket, sockets_of

_DATAGRAMS = "bacnet"


def prove(scene: Scene) -> Outcome:
    """Look at the ports of a gateway of this site, and of the one that runs."""
    expects = _expects_datagrams(scene.plan)
    life = scene.life
    faults = [*_bound(life.events, expects=expects), *_listening(life.sockets, "A gateway of this site")]
    told = ["A gateway of this site was watched for some seconds: it listened on no TCP port."]
    if expects:
        told.append("It spoke by UDP, because BACnet is configured.")
    if life.left_out:
        told.append(f"Without these links, which cannot be led elsewhere: {', '.join(life.left_out)}.")
    pid = pid_of(scene.socket)
    if pid is None:
        return judged(faults, *told)
    try:
        faults += _listening(sockets_of(pid), "The running gateway")
    except PermissionError:
        blind = f"The running gateway (process {pid}) could not be looked at: use sudo."
        return judged(faults) if faults else unenforced(*told, blind)
    return judged(faults, *told, f"The running gateway (process {pid}) does not either.")


def _expects_datagrams(plan: Plan) -> bool:
    drivers = (link.driver for link in plan.links)
    return any(isinstance(one, CanBeLed) and one.language == _DATAGRAMS for one in drivers)


def _bound(events: Iterable[Event], *, expects: bool) -> Iterator[str]:
    for one in events:
        if one.what == "bind" and one.kind != "unix" and not (one.kind == "udp" and expects):
            yield f"A gateway of this site bound a port: {one.kind} {one.where}."


def _listening(sockets: Iterable[Socket], whose: str) -> Iterator[str]:
    for one in sockets:
        if one.listens or one.kind == "raw":
            yield f"{whose} listens on {one.kind} {one.local}."
