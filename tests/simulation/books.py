"""The city's books: what one recipient got, judged by the consumer's rule of docs/city/native.md alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, field

from agent.uplink.port import Packet

Json = dict[str, Any]
_ENERGY: Final = ".energy"


class Row(Struct, frozen=True, kw_only=True):
    """The figures of one point for one window."""

    point: str
    start: float
    width: float
    epoch: int
    seq: int
    n: int | None
    figures: Mapping[str, float | None]
    mark: Mapping[str, Any]
    unsynced: bool


class Route:
    """What came of one product under one numbering."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[int, int], bytes] = {}
        self.starts: list[Json] = []
        self.gaps: list[Json] = []
        self.rows: list[Row] = []
        self.live: dict[int, int] = {}
        self.faults: list[str] = []

    def known(self) -> dict[int, int]:
        """Give the highest number of each epoch that anybody has told of."""
        most: dict[int, int] = {}
        told = [
            *self.bodies,
            *((one["prev"]["e"], one["prev"]["last"]) for one in self.starts if one["prev"]),
        ]
        told += [(one["e"], one["to"]) for one in self.gaps if one["to"] is not None]
        for epoch, seq in told:
            most[epoch] = max(most.get(epoch, 0), seq)
        return most

    def holes(self) -> Iterator[tuple[int, int]]:
        """List the numbers that neither came nor are declared lost."""
        for epoch, most in self.known().items():
            for seq in range(1, most + 1):
                if (epoch, seq) not in self.bodies and not any(_names(gap, epoch, seq) for gap in self.gaps):
                    yield epoch, seq

    def unowned_crashes(self) -> list[int]:
        """List epochs that did not end in order, and of whose open windows nobody tells."""
        ended = {one["prev"]["e"] for one in self.starts if one["prev"] and not one["prev"]["clean"]}
        told = {gap["e"] for gap in self.gaps if gap["why"] == "crash"}
        spoke = {row.epoch for row in self.rows}
        # one that had not come to its first window either is told of together with the one before
        return sorted(
            one for one in ended
            if any(one < epoch for epoch in spoke)  # the next window tells where the loss ends
            and not any(known <= one and not spoke & {*range(known + 1, one + 1)} for known in told)
        )  # fmt: skip

    def undeclared_time(self, width: float, begin: float, end: float) -> list[float]:
        """List the starts of windows between *begin* and *end* that neither came nor lie in a gap."""
        seen = {row.start for row in self.rows}
        spans = [tuple(map(_seconds, gap["t"])) for gap in self.gaps if gap.get("t")]
        missing = []
        start = min((one for one in seen if one >= begin), default=end)
        while start + width <= end:
            if start not in seen and not any(a < start + width and start < b for a, b in spans):
                missing.append(start)
            start += width
        return missing


class Books(Struct, kw_only=True):
    """All routes of one recipient."""

    name: str
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    births: dict[str, Json | None] = field(default_factory=dict)
    statuses: list[Json] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    lid: str = ""
    messages: int = 0
    repeats: int = 0

    def take(self, packet: Packet) -> None:
        """Take a message, as often as it comes."""
        self.messages += 1
        level, product = packet.topic.split("/")[5], packet.topic.rpartition("/")[2]
        if level == "s":
            self.statuses = [json.loads(packet.body)]
            self.lid = self.statuses[0]["lid"]
        elif level == "b":
            birth = self.births[product] = json.loads(packet.body) if packet.body else None
            self.lid = birth["lid"] if birth else self.lid
        else:
            self._data(product, packet)

    def _data(self, product: str, packet: Packet) -> None:
        user = dict(packet.user)
        route = self.routes.setdefault((self.lid, product), Route())
        _, epoch, _, seq = user["id"].rsplit("/", 3)
        number = (int(epoch), int(seq))
        if (known := route.bodies.get(number)) is not None:
            self.repeats += 1
            if known != packet.body:
                route.faults.append(f"{user['id']} came twice with other bytes")
            return
        route.bodies[number] = packet.body
        if "h" not in user:
            if number[1] < route.live.get(number[0], 0):
                route.faults.append(f"{user['id']} came live after {route.live[number[0]]}")
            route.live[number[0]] = number[1]
        body = json.loads(packet.body)
        if (body["e"], body["s"]) != number:
            route.faults.append(f"{user['id']} says {body['e']}/{body['s']} inside")
        self.texts.append(packet.body)
        match body["k"]:
            case "batch":
                route.rows += _rows(body)
            case "gap":
                route.gaps += body["lost"]
            case "start":
                route.starts.append(body)


def _rows(body: Json) -> Iterator[Row]:
    columns = body["c"][2:]
    for point, n, *values in body["r"]:
        yield Row(
            point=point, start=_seconds(body["t"]), width=body["w"], epoch=body["e"], seq=body["s"], n=n,
            figures=dict(zip(columns, values, strict=True)), mark=body.get("x", {}).get(point, {}),
            unsynced="tq" in body,
        )  # fmt: skip


def _names(gap: Json, epoch: int, seq: int) -> bool:
    return bool(gap["e"] == epoch and gap["to"] is not None and gap["from"] <= seq <= gap["to"])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
