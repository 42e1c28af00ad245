"""The city's books: what arrived, what is missing, what came twice, and what broke the schema.

Follows the rule for consumers: per gateway and product, numbers of an epoch are counted; a number seen
before is dropped, a number skipped is a hole until it arrives.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]


class Books:
    """What one city received; ``batches`` carry the name of their product."""

    def __init__(self) -> None:
        self.births: dict[str, Body] = {}
        self.batches: list[tuple[str, Body]] = []
        self.gaps: list[Body] = []
        self.status: Body | None = None
        self.faults: list[str] = []
        self.repeats = 0
        self.messages = 0
        self._next: dict[tuple[str, int], int] = {}
        self._holes: set[tuple[str, int, int]] = set()

    @property
    def holes(self) -> int:
        """How many numbers were skipped and have not come since."""
        return len(self._holes)

    def enter(self, topic: str, body: Body, faults: list[str]) -> bool:
        """Book a message; say whether it is new and well-formed."""
        self.messages += 1
        self.faults += [f"{topic}: {fault}" for fault in faults]
        if faults:
            return False
        if "s" in body and not self._count(topic, body["e"], body["s"]):
            return False
        match body["k"]:
            case "birth":
                self.births[body["product"]] = body
            case "batch":
                self.batches.append((topic.rpartition("/")[2], body))
            case "gap":
                self.gaps.append(body)
            case "status":
                self.status = body
        return True

    def _count(self, topic: str, epoch: int, number: int) -> bool:
        expected = self._next.setdefault((topic, epoch), number)
        if number >= expected:
            self._holes |= {(topic, epoch, skipped) for skipped in range(expected, number)}
            self._next[topic, epoch] = number + 1
            return True
        if (topic, epoch, number) in self._holes:
            self._holes.remove((topic, epoch, number))
            return True
        self.repeats += 1
        return False
