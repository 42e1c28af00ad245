"""The city's side of a fault test: what arrived, once per id, and what gaps declare of the rest.

The calendar is the oracle: a product must have each window between the first and the last one that arrived,
exactly once, or a gap record that covers it.
"""

from __future__ import annotations

import json
import threading
import time
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

_LEAP: Final = 86400  # seconds: no outage here lasts as long


class Books:
    """A subscriber that keeps the books of every product.

    It listens at QoS 0 and says nothing itself: when the broker is killed, the kernel still delivers all that
    the broker had sent. A client that owes answers would meet a reset, and give up what it has not yet read.
    """

    def __init__(self, port: int) -> None:
        self.ids: dict[str, bytes] = {}
        self.windows: dict[str, dict[int, str]] = {}
        self.bodies: list[dict[str, Any]] = []
        """What came as data, without repeats; ``p_`` is the product, ``at_`` the monotonic time."""
        self.width: dict[str, int] = {}
        self.gaps: list[tuple[str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self.repeats = 0
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="city", protocol=paho.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._message
        self._client.on_connect = lambda client, *_: client.subscribe("citygate/1/#", 0)
        self._client.connect_async("127.0.0.1", port, clean_start=True)
        self._client.loop_start()

    def leave(self) -> None:
        """Take the subscription back: nobody listens any more."""
        self._client.unsubscribe("citygate/1/#")

    def come_back(self) -> None:
        """Subscribe again."""
        self._client.subscribe("citygate/1/#", 0)

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def undeclared(self) -> list[tuple[str, int]]:
        """List the windows that neither came nor are covered by a gap."""
        return [one for one in self.holes() if not self._declared(*one)]

    def holes(self) -> list[tuple[str, int]]:
        """List the windows that did not come, declared or not; a leap of the clock is no hole."""
        with self._lock:
            return [
                (product, second)
                for product, seen in self.windows.items()
                for before, after in pairwise(sorted(seen))
                if after - before < _LEAP
                for second in range(before + self.width[product], after, self.width[product])
            ]

    def newest(self) -> int:
        """Give the latest window start that every product has reached."""
        with self._lock:
            return min((max(seen) for seen in self.windows.values()), default=0)

    def _message(self, _client: object, _userdata: object, message: paho.MQTTMessage) -> None:
        level, product = message.topic.split("/")[-2:]
        if level != "d":
            return
        properties: Any = message.properties
        name, body = dict(properties.UserProperty)["id"], bytes(message.payload)
        with self._lock:
            if name in self.ids:
                self.repeats += 1
                if self.ids[name] != body:
                    self.faults.append(f"{name} came twice with other bytes")
                return
            self.ids[name] = body
            told = json.loads(body)
            self.bodies.append({**told, "p_": product, "at_": time.monotonic()})
            self._enter(product, name, told)

    def _enter(self, product: str, name: str, body: dict[str, Any]) -> None:
        if body["k"] == "batch":
            start = int(datetime.fromisoformat(body["t"]).timestamp())
            if other := self.windows.setdefault(product, {}).get(start):
                self.faults.append(f"window {body['t']} of {product} came as {other} and as {name}")
            self.windows[product][start] = name
            self.width[product] = body["w"]
        elif body["k"] == "gap":
            self.gaps += [(product, lost) for lost in body["lost"]]

    def _declared(self, product: str, second: int) -> bool:
        end = second + self.width[product]
        return any(_covers(lost, second, end) for who, lost in list(self.gaps) if who == product)


def _covers(lost: dict[str, Any], begin: int, end: int) -> bool:
    """Say whether a gap tells of a window; one without times and end owns up to whatever did not come."""
    if not (span := lost.get("t")):
        return lost["to"] is None
    since, until = (datetime.fromisoformat(one).timestamp() for one in span)
    return since <= begin and end <= until
