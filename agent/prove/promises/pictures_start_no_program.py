"""What sees a camera's pictures can start no program, look into no other, and gain no rights.

A process locks itself in on this computer as ``citygate-vision`` does, and tries to start a program, to make
code out of data, to leave its room, and to look into another process. With its locks off the same must work.
"""

from __future__ import annotations

from agent.prove.caged import withstood
from agent.prove.outcome import Outcome
from agent.prove.scene import Scene

_KINDS = ("exec", "namespaces", "wx-memory", "proc:1", "dumpable", "rights", "threads")


def prove(scene: Scene) -> Outcome:
    """Try to start something."""
    return withstood(scene, _KINDS, (("calls", "landlock"), "exec"), (("disk",), "dumpable"))
