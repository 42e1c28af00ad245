"""What may be written down beyond the life of the process."""

from __future__ import annotations

from typing import Final

from agent.core.point import Point, Scope

_OPEN: Final = (Scope.PUBLIC, Scope.BUILDING)


def may_be_kept(point: Point) -> bool:
    """Say whether fine-grained state of *point* may be written down: not if it tells about people."""
    return not point.personal and point.scope in _OPEN
