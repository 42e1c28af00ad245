"""A broker of one side, mosquitto, and the city that listens there.

The city's session outlives its connection, and the broker writes it down when it ends, so that what is lost
is lost by a gateway. For ThingsBoard's gateway it is the least of a ThingsBoard server: it tells limits.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Final

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bench._thingsboard import RIGHTS

_PATIENCE: Final = 15.0
_RPC, _ATTRIBUTES = "v1/devices/me/rpc/", "v1/devices/me/attributes/"
_TOPICS: Final = (
    "citygate/#", "gateways/#", "v1/gateway/telemetry", f"{_RPC}request/+", f"{_ATTRIBUTES}request/+",
)  # fmt: skip
_LIMITS: Final = {"messages": "", "telemetryMessages": "", "telemetryDataPoints": ""}
_SETTINGS: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
acl_file {rights}
max_queued_messages 0
max_inflight_messages 200
persistence true
persistence_location {room}/
{user}"""


def missing() -> str:
    """Say what it lacks here; empty: nothing."""
    return "" if _mosquitto() else "mosquitto is not installed (make peers)"


class Broker:
    """A mosquitto that may be ended and started again."""

    def __init__(self, room: Path, port: int) -> None:
        self.port = port
        room.mkdir()
        rights = room / "rights"
        rights.write_text("topic readwrite #\n" + RIGHTS, "utf-8")
        user = "user root\n" if os.geteuid() == 0 else ""
        self._settings = room / "mosquitto.conf"
        self._settings.write_text(_SETTINGS.format(port=port, rights=rights, room=room, user=user), "utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            [_mosquitto(), "-c", str(self._settings)], stdout=quiet, stderr=quiet
        )

    def stop(self) -> None:
        """End it in order, so that it writes down what it holds."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_PATIENCE)


@contextlib.contextmanager
def brokering(room: Path, port: int) -> Iterator[Broker]:
    """Run it for the length of a ``with`` block."""
    broker = Broker(room, port)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class City:
    """All that has arrived: when, on which topic, what."""

    def __init__(self) -> None:
        self.mail: list[tuple[float, str, bytes]] = []


@contextlib.contextmanager
def listening(port: int) -> Iterator[City]:
    """Listen for the length of a ``with`` block."""
    city, ready = City(), Event()
    client = Client(CallbackAPIVersion.VERSION2, "city", protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set("stub", "any")

    def take(_client: Client, _data: object, message: MQTTMessage) -> None:
        topic, number = message.topic, message.topic.rpartition("/")[2]
        if topic.startswith(_ATTRIBUTES):
            client.publish(f"{_ATTRIBUTES}response/{number}", "{}", 1)
        elif not topic.startswith(_RPC):
            city.mail.append((time.time(), topic, bytes(message.payload)))
        elif json.loads(message.payload).get("method") == "getSessionLimits":
            answer = {"maxPayloadSize": 65536, "maxInflightMessages": 100}
            limits = {**answer, "rateLimits": _LIMITS, "gatewayRateLimits": _LIMITS}
            client.publish(f"{_RPC}response/{number}", json.dumps(limits), 1)

    def subscribe(*_: object) -> None:
        client.subscribe([(one, 1) for one in _TOPICS])

    def listens(*_: object) -> None:
        ready.set()

    client.on_message = take
    client.on_connect, client.on_subscribe = subscribe, listens
    kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    kept.SessionExpiryInterval = 3600
    client.connect_async("127.0.0.1", port, clean_start=False, properties=kept)
    client.reconnect_delay_set(1, 1)
    client.loop_start()
    try:
        assert ready.wait(_PATIENCE), f"no broker on {port}"
        yield city
    finally:
        client.disconnect()
        client.loop_stop()


def _mosquitto() -> str:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin") or ""
