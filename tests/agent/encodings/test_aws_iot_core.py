"""AWS IoT Core: native messages, its limits on topics, and what it has to be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from agent.core.message import Head, Loss, Message, Place
from agent.core.point import Point
from agent.core.product import Product
from agent.core.record import Aggregate
from agent.encodings.aws_iot_core import AwsIotCore, AwsIotCoreSettings
from agent.encodings.native import Native
from tests.agent.encodings import test_native

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
EXAMPLE: Final = AwsIotCoreSettings(thing="library-gw1")
RULED: Final = AwsIotCoreSettings(thing="library-gw1", rule="citygate_data")
LOSS: Final = Loss(why="cap", epoch=42, first=900, last=931, count=32)
FIGURE: Final = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234,))


def climate(name: str = "climate") -> Product:
    points = (Point(name="ahu-1.supply_temp", unit="Cel", resolution=0.01),)
    return Product(
        id=name, points=points, published=points, steps=(), window=900.0, span="15m", statistics=("mean",)
    )


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    return test_native.read_states(messages)


def test_messages_are_the_native_ones() -> None:
    made = AwsIotCore(PLACE, EXAMPLE)
    assert list(made.batch(climate(), HEAD, [FIGURE])) == list(Native(PLACE).batch(climate(), HEAD, [FIGURE]))


def test_data_can_go_straight_into_a_rule_and_the_rest_stays_at_the_broker() -> None:
    made = AwsIotCore(PLACE, RULED)
    (message,) = made.batch(climate(), HEAD, [FIGURE])
    assert message.topic == "$aws/rules/citygate_data/citygate/1/vaasa/library/gw1/d/climate"
    gap, will = made.gap("climate", HEAD, [LOSS]), made.will("3f9c0a1b", 42)
    assert gap.topic == message.topic
    assert will.topic == "citygate/1/vaasa/library/gw1/s"


def test_a_topic_that_would_end_the_connection_is_refused_beforehand() -> None:
    made = AwsIotCore(replace(PLACE, city="v" * 63, site="l" * 63, gateway="g" * 63), EXAMPLE)
    assert not list(AwsIotCore(PLACE, EXAMPLE).objections(climate()))
    assert any("256 bytes" in one for one in made.objections(climate("p" * 63)))


def test_its_policy_lets_the_thing_write_exactly_its_own_topics() -> None:
    found = AwsIotCore(PLACE, RULED).provision([climate()])
    connect, publish, retain = found["policy"]["Statement"]
    root = "arn:aws:iot:REGION:ACCOUNT:topic"
    assert connect["Resource"] == ["arn:aws:iot:REGION:ACCOUNT:client/library-gw1"]
    assert publish["Resource"] == [
        f"{root}/citygate/1/vaasa/library/gw1/s",
        f"{root}/citygate/1/vaasa/library/gw1/b/climate*",
        f"{root}/$aws/rules/citygate_data/citygate/1/vaasa/library/gw1/d/climate",
    ]
    assert retain["Resource"] == publish["Resource"][:2]


def test_its_terms() -> None:
    found = AwsIotCore.demands(EXAMPLE, "x-ats.iot.eu-north-1.amazonaws.com")
    assert found.ports == {8883: "", 443: "x-amzn-mqtt-ca"}
    assert (found.client_id, found.login, found.rate) == ("library-gw1", "certificate", 100.0)


def test_without_a_rule_data_stay_at_the_broker_and_none_is_made() -> None:
    found = AwsIotCore(PLACE, AwsIotCoreSettings(thing="library-gw1")).provision([climate()])
    assert "rule" not in found
    publish = found["policy"]["Statement"][1]
    assert not [one for one in publish["Resource"] if "$aws" in one]
