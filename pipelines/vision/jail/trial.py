"""Tries the cage out in a process that sees no picture and never will: whole, or with locks left away.

What looks at cameras has no way here: it locks itself in with every lock, or does not work.
"""

from __future__ import annotations

from agent.core.vision import Trial, Tried
from pipelines.vision.jail.cage import Cage, confine

_ANY_PORT = 554


def trial(request: Trial) -> Tried:
    """Lock this process in and say what gave way."""
    cage = Cage(cameras=tuple((one, _ANY_PORT) for one in request.addresses))
    verdict = confine(cage, without=request.without)
    return Tried(acts=verdict.acts, worked=verdict.holes, landlock=verdict.landlock)
