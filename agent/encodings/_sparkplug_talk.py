"""One connection of a Sparkplug edge node: what is counted, what comes first, and what may be heard.

The numbers belong to a connection: ``bdSeq`` pairs its birth with its death, ``seq`` runs from 0 at the birth
of the node to 255 and round. Pure but for these counters; the time is asked of *now*.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final

from agent.core.message import Hearing, Message
from agent.encodings._sparkplug_wire import (
    BOOLEAN,
    INT64,
    REBIRTH,
    STRING,
    Metric,
    asks_for_rebirth,
    metrics_of,
    payload,
)

_NAMESPACE: Final = "spBv1.0"
_STATUS: Final = {
    "Status/State": STRING,
    "Status/Routes": STRING,
    "Status/Waiting": INT64,
    "Status/Clock": STRING,
    "Status/Epoch": INT64,
    "Status/Outbox": STRING,
    "Status/Policy": STRING,
    "Status/Software": STRING,
}


class SparkplugTalk:
    """The counters and the ears of one connection; see ``agent.core.message.Talk``."""

    def __init__(  # noqa: PLR0913 - each by its name
        self, group: str, edge: str, *, host: str, number: int, now: Callable[[], float], mark: str
    ) -> None:
        self._group, self._edge = group, edge
        self._host = host
        self._number = number % 256
        self._now = now
        self._seq = 0
        self._heard_at = -1
        self.born = False
        self.waits = bool(host)
        self.mark = Message(topic=mark, body=b"", kind="status", content_type="", utf8=False)

    @property
    def will(self) -> Message:
        """The death of the node: it names the birth that it ends."""
        body = payload(metrics_of([Metric("bdSeq", INT64, self._number)]), at=self._now(), seq=None)
        return self._node("NDEATH", body, qos=1)

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to, with QoS 1, before anything is said."""
        command = f"{_NAMESPACE}/{self._group}/NCMD/{self._edge}"
        return (command, self._state) if self._host else (command,)

    def opening(self) -> Sequence[Message]:
        """Give what must be said before anything else: the birth of the node, once for each time asked."""
        if self.born:
            return ()
        self.born, self._seq = True, 0
        metrics = [
            Metric("bdSeq", INT64, self._number),
            Metric(REBIRTH, BOOLEAN, value=False),
            *(Metric(name, kind) for name, kind in _STATUS.items()),
        ]
        return [self._node("NBIRTH", metrics_of(metrics), qos=0)]

    def dress(self, topic: str, body: bytes, *, late: bool) -> bytes:
        """Complete what leaves now; a death has its time already, and no number."""
        if not topic.startswith(f"{_NAMESPACE}/") or f"/{'NDEATH'}/" in topic:
            return body
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return payload(body, at=self._now(), seq=seq, history=late)

    def hear(self, topic: str, body: bytes) -> Hearing:
        """Judge what came: a host that comes or goes, a command to tell the births anew, or nothing."""
        if topic == self._state and self._host:
            return self._hear_host(body)
        if topic == self.topics[0] and asks_for_rebirth(body):
            self.born = False
            return "rebirth"
        return ""

    @property
    def _state(self) -> str:
        return f"{_NAMESPACE}/STATE/{self._host}"

    def _hear_host(self, body: bytes) -> Hearing:
        try:
            said = json.loads(body)
            online, at = said["online"], int(said["timestamp"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return ""
        if at < self._heard_at or not isinstance(online, bool):
            return ""  # an old word, delivered late
        self._heard_at = at
        self.waits = not online
        if online:
            return "" if self.born else "go"
        self.born = False
        return "wait"

    def _node(self, kind: str, body: bytes, *, qos: int) -> Message:
        return Message(
            topic=f"{_NAMESPACE}/{self._group}/{kind}/{self._edge}", body=body, kind="birth", qos=qos,
            content_type="", utf8=False,
        )  # fmt: skip
