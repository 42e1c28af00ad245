"""The city's side of a fault test: what arrived, once per id, and what gaps declare of the rest.

The calendar is the oracle: a product with windows of one second must have each second between the first and
the last window that arrived, exactly once, or a gap record that covers it.
"""

from __future__ import annotations

import json
import threading
from datetime import datetime
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Books:
    """A subscriber that keeps the books of every product.

    It listens at QoS 0 and says nothing itself: when the broker is killed, the kernel still delivers all that
    the broker had sent. A client that owes answers would meet a reset, and give up what it has not yet read.
    """

    def __init__(self, port: int) -> None:
        self.ids: dict[str, bytes] = {}
        self.windows: dict[str, dict[int, str]] = {}
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

    def close(self) -> None:
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    def undeclared(self) -> list[tuple[str, int]]:
        """List the windows that neither came nor are covered by a gap."""
        with self._lock:
            return [
                (product, second)
                for product, seen in self.windows.items()
                for second in range(min(seen), max(seen))
                if second not in seen and not self._declared(product, second)
            ]

    def holes(self) -> list[tuple[str, int]]:
        """List the windows that did not come, declared or not."""
        with self._lock:
            return [
                (product, second)
                for product, seen in self.windows.items()
                for second in range(min(seen), max(seen))
                if second not in seen
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
            self._enter(product, name, json.loads(body))

    def _enter(self, product: str, name: str, body: dict[str, Any]) -> None:
        if body["k"] == "batch":
            start = int(datetime.fromisoformat(body["t"]).timestamp())
            if other := self.windows.setdefault(product, {}).get(start):
                self.faults.append(f"window {body['t']} of {product} came as {other} and as {name}")
            self.windows[product][start] = name
        elif body["k"] == "gap":
            self.gaps += [(product, lost) for lost in body["lost"]]

    def _declared(self, product: str, second: int) -> bool:
        return any(
            who == product
            and (span := lost.get("t"))
            and datetime.fromisoformat(span[0]).timestamp() <= second
            and second + 1 <= datetime.fromisoformat(span[1]).timestamp()
            for who, lost in self.gaps
        )
