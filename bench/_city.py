"""What arrives at a broker, counted as a city would count it: by our gateway, or by ThingsBoard's.

It listens in a thread of the measuring process, whose CPU is nobody's figure.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from threading import Event
from typing import Any, TypeVar

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

_PATIENCE = 15.0
_OURS = "citygate/#"
_THEIRS = "v1/gateway/telemetry"
_RPC, _ATTRIBUTES = "v1/devices/me/rpc/", "v1/devices/me/attributes/"
_LIMITS = {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""}


class City:
    """What has arrived: of ours by the UTC second of each window, of theirs one by one."""

    def __init__(self) -> None:
        self.windows: dict[float, Counter[str]] = defaultdict(Counter)
        self.values = 0

    def batch(self, body: dict[str, Any]) -> None:
        """Count how many samples stand behind each point of a window of ours."""
        if body.get("k") == "batch":
            at = body["c"].index("n")
            window = self.windows[datetime.fromisoformat(body["t"]).timestamp()]
            window.update({row[0]: row[at] for row in body["r"]})

    def telemetry(self, body: dict[str, Any]) -> None:
        """Count the values in a message of theirs."""
        self.values += sum(len(one.get("values", one)) for many in body.values() for one in many)


T = TypeVar("T", bound=City)


@contextlib.contextmanager
def of_ours(port: int, city: T, *topics: str) -> Iterator[T]:
    """Have *city* listen to our gateway at the broker on *port*."""
    client = Client(CallbackAPIVersion.VERSION2, "city", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = lambda _client, _data, message: city.batch(json.loads(message.payload))
    with _connected(client, port, *(topics or (_OURS,))):
        yield city


@contextlib.contextmanager
def of_theirs(port: int) -> Iterator[City]:
    """Be the least of a ThingsBoard server for its gateway: it sends nothing until its limits are told."""
    city = City()
    client = Client(CallbackAPIVersion.VERSION2, "stub", protocol=MQTTProtocolVersion.MQTTv311)
    client.username_pw_set("stub", "any")

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        number = message.topic.rpartition("/")[2]
        if message.topic == _THEIRS:
            city.telemetry(json.loads(message.payload))
        elif message.topic.startswith(_ATTRIBUTES):
            client.publish(f"{_ATTRIBUTES}response/{number}", "{}", 1)
        elif json.loads(message.payload).get("method") == "getSessionLimits":
            answer = {"maxPayloadSize": 65536, "maxInflightMessages": 100}
            limits = {**answer, "rateLimits": _LIMITS, "gatewayRateLimits": _LIMITS}
            client.publish(f"{_RPC}response/{number}", json.dumps(limits), 1)

    client.on_message = take
    with _connected(client, port, f"{_RPC}request/+", f"{_ATTRIBUTES}request/+", _THEIRS):
        yield city


@contextlib.contextmanager
def _connected(client: Client, port: int, *topics: str) -> Iterator[None]:
    listening = Event()

    def subscribe(*_: object) -> None:
        client.subscribe([(one, 1) for one in topics])

    def listens(*_: object) -> None:
        listening.set()

    client.on_connect, client.on_subscribe = subscribe, listens
    client.connect_async("127.0.0.1", port)  # tried again until the broker is there
    client.reconnect_delay_set(1, 1)
    client.loop_start()
    try:
        assert listening.wait(_PATIENCE), f"no broker on {port}"
        yield
    finally:
        client.disconnect()
        client.loop_stop()
