"""Azure IoT Hub: topics, properties, tokens, and its limits."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qs, unquote

import pytest

from agent.core.message import Head, Loss, Message, Place
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate
from agent.encodings.azure_iot_hub import AzureIotHub, AzureIotHubSettings
from tests.agent.encodings import test_native
from tests.peers.foreign import azure_token

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
EXAMPLE: Final = AzureIotHubSettings(device="library-gw1")
HUB: Final = "vaasa.azure-devices.net"
ROUTE: Final = Route(
    recipient="city", product="climate", grant="ops", purpose="operations", basis="task", keep=3600.0
)


def made() -> AzureIotHub:
    return AzureIotHub(PLACE, EXAMPLE)


def climate() -> Product:
    points = (Point(name="ahu-1.supply_temp", unit="Cel", resolution=0.01),)
    return Product(
        id="climate", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=("mean",),
    )  # fmt: skip


def properties(message: Message) -> dict[str, str]:
    """Read a topic's properties as the hub does."""
    root, _, said = message.topic.rpartition("/")
    assert root == "devices/library-gw1/messages/events"
    return {key: one for key, (one,) in parse_qs(said, strict_parsing=True).items()}


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    assert all(properties(one)["$.ct"] == "application/json" for one in messages)
    return test_native.read_states(messages)


def test_everything_goes_to_the_one_topic_with_properties_in_its_name() -> None:
    (message,) = made().batch(climate(), HEAD, [Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234,))])
    assert properties(message) == {
        "$.ct": "application/json", "$.ce": "utf-8", "kind": "batch", "product": "climate",
        "id": "gw1/42/climate/1000", "policy": "3b683cb786f6",
    }  # fmt: skip
    assert json.loads(message.body)["r"] == [["ahu-1.supply_temp", 12, 21.62]]


def test_nothing_is_retained_and_nothing_has_qos_2_and_bodies_are_within_256_kb() -> None:
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32)
    one = made()
    said = [
        *one.batch(climate(), HEAD, [Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6,))]),
        *one.birth(climate(), ROUTE, HEAD, "3f9c0a1b"),
        one.gap("climate", HEAD, [loss]),
        one.will("3f9c0a1b", 42),
    ]
    assert {(message.qos, message.retain) for message in said} == {(1, False)}
    assert max(len(message.body) for message in said) < 256 * 1024


def test_a_token_is_that_of_the_platforms_own_library() -> None:
    key = b64encode(b"a key of thirty-two bytes or more").decode()
    token = made().token(HUB, key, NOON)
    assert token.until == NOON + 3600
    assert token.password == azure_token(f"{HUB}/devices/library-gw1", key, int(token.until))
    assert unquote(token.password).startswith(f"SharedAccessSignature sr={HUB}/devices/library-gw1&sig=")


def test_a_key_that_is_none_is_refused_in_words() -> None:
    with pytest.raises(ValueError, match="Base64"):
        made().token(HUB, "not a key!", NOON)


def test_its_terms_follow_from_hub_and_device() -> None:
    found = AzureIotHub.demands(EXAMPLE, HUB)
    assert found.username == f"{HUB}/library-gw1/?api-version=2021-04-12"
    assert (found.client_id, list(found.mqtt), found.is_encrypted) == ("library-gw1", ["3.1.1"], True)


def test_a_device_can_be_made_with_what_is_exported() -> None:
    found = made().provision([climate()])
    assert found["device-with-key"]["deviceId"] == "library-gw1"
    assert found["device-with-key"]["authentication"] == {"type": "sas"}
