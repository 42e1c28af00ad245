"""What sees a camera's pictures can write no file, and read none but what it needs.

A process locks itself in on this computer as ``citygate-vision`` does, and tries to make files, to write into
open ones and to read others. With its locks off the same attempts must work, else they prove nothing.
"""

from __future__ import annotations

from agent.prove.caged import withstood
from agent.prove.outcome import Outcome
from agent.prove.scene import Scene

_KINDS = ("disk:", "bytes", "memfd", "core", "swap", "reads")


def prove(scene: Scene) -> Outcome:
    """Try to leave a file."""
    return withstood(
        scene, _KINDS, (("disk",), "bytes"), (("calls", "landlock"), "disk:/tmp"), (("landlock",), "reads")
    )
