"""What a spy kept of what it was sent."""

from __future__ import annotations

from msgspec import Struct, field


class Heard(Struct):
    """``asked`` counts requests; ``writes`` says of each that could change a device what it was."""

    asked: int = 0
    writes: list[str] = field(default_factory=list)
