"""One connection of a Sparkplug edge node: what is counted, what comes first, and what may be heard.

The numbers belong to a connection: ``bdSeq`` pairs its birth with its death, ``seq`` runs from 0 at the birth
of the node to 255 and round. Pure but for these counters; the time is asked of *now*.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import inf
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
_PAUSE: Final = 5.0  # seconds between two rebirths
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
        self._births: dict[str, bytes] = {}  # of each device, as it was told last on this connection
        self._dead: set[str] = set()
        self._gone: set[str] = set()  # dead for good: what is still said of them brings them back for a word
        self._revived = ""
        self._reborn_at = -inf
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
        self._dead |= self._births.keys()  # with the node's birth those of its devices must be told anew
        metrics = [
            Metric("bdSeq", INT64, self._number),
            Metric(REBIRTH, BOOLEAN, value=False),
            *(Metric(name, kind) for name, kind in _STATUS.items()),
        ]
        return [self._node("NBIRTH", metrics_of(metrics), qos=0)]

    def before(self, topic: str, *, late: bool, silent: bool) -> tuple[str, Sequence[Message]]:
        """Let a live window without anything tell the death of its device, and a birth go before the next."""
        device = _device(topic, "DDATA")
        if not device:
            return topic, ()
        if silent and not late:
            return topic.replace("/DDATA/", "/DDEATH/", 1), ()
        if device not in self._dead or device not in self._births:
            return topic, ()
        self._revived = device
        return topic, (self._own(topic.replace("/DDATA/", "/DBIRTH/", 1), self._births[device]),)

    def after(self, topic: str) -> Sequence[Message]:
        """Let a device that is gone for good be dead again after a last word."""
        if (device := _device(topic, "DDATA")) not in self._gone or device in self._dead:
            return ()
        return (self._own(topic.replace("/DDATA/", "/DDEATH/", 1), b""),)

    def dress(self, topic: str, body: bytes, *, late: bool) -> bytes:
        """Complete what leaves now; a death has its time already, and no number."""
        if not topic.startswith(f"{_NAMESPACE}/") or f"/{'NDEATH'}/" in topic:
            return body
        self._note(topic, body)
        seq, self._seq = self._seq, (self._seq + 1) % 256
        return payload(body, at=self._now(), seq=seq, history=late)

    def hear(self, topic: str, body: bytes) -> Hearing:
        """Judge what came: a host that comes or goes, a command to tell the births anew, or nothing."""
        if topic == self._state and self._host:
            return self._hear_host(body)
        if topic == self.topics[0] and asks_for_rebirth(body):
            if abs(self._now() - self._reborn_at) < _PAUSE:
                return ""  # who asks in a circle must not keep data from leaving; a host asks again
            self.born, self._reborn_at = False, self._now()
            return "rebirth"
        return ""

    def _note(self, topic: str, body: bytes) -> None:
        """Remember who is alive. A death without metrics is for good, until another birth is told."""
        if device := _device(topic, "DBIRTH"):
            self._births[device] = body
            self._dead.discard(device)
            if device != self._revived:
                self._gone.discard(device)
            self._revived = ""
        elif device := _device(topic, "DDEATH"):
            self._dead.add(device)
            if not body:
                self._gone.add(device)

    @staticmethod
    def _own(topic: str, body: bytes) -> Message:
        return Message(topic=topic, body=body, kind="birth", qos=0, content_type="", utf8=False)

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


def _device(topic: str, kind: str) -> str:
    """Give the device that a message of *kind* is about; empty if it is no such message."""
    levels = topic.split("/")
    return levels[4] if len(levels) == 5 and levels[0] == _NAMESPACE and levels[2] == kind else ""
