"""What sees a camera's pictures can reach no address but the cameras', and nobody can call it.

A process locks itself in on this computer as ``citygate-vision`` does for the site's cameras, and tries other
addresses and other kinds of sockets. With its locks off the same must work. Addresses are the service's to
filter: where it is not one, that is said, and a running gateway that counts all the same is named.
"""

from __future__ import annotations

from agent.prove.caged import withstood
from agent.prove.outcome import Outcome
from agent.prove.scene import Scene

_KINDS = ("net:", "udp", "tcp", "unix-socket", "unix:", "listen")


def prove(scene: Scene) -> Outcome:
    """Try to reach something."""
    return withstood(scene, _KINDS, (("calls",), "udp"), (("calls",), "unix-socket"))
