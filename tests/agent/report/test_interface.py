"""What a platform is told about itself: made by the encodings, judged by AsyncAPI's own parser."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Final

import jsonschema
import pytest
from msgspec.structs import replace

from agent.core.errors import ConfigError
from agent.core.plan import Plan, Recipient, Tls
from agent.core.point import Kind, Point
from agent.core.product import Privacy, Product, Route
from agent.registry import kinds
from agent.report.asyncapi import _older, asyncapi
from agent.report.document import markdown
from agent.report.interface import interface
from agent.report.interface_page import page
from pipelines.threshold import Threshold
from tests.agent.encodings.test_states import PLACE, example
from tests.peers.foreign import asyncapi_errors

NATIVE: Final = ("native", "azure-iot-hub", "aws-iot-core")


def plan(kind: str) -> Plan:
    points = tuple(Point(name=f"door.{one}", kind=Kind.COUNT, quantity="passages") for one in ("in", "out"))
    people = Product(
        id="people", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=("sum",), privacy=Privacy(mode="suppress", k=5), title="People at the doors",
    )  # fmt: skip
    city = Recipient(
        name="city", host="broker.example", port=8883, tls=Tls(), encoding=kind, style=example(kind)
    )
    route = Route(
        recipient="city", product="people", grant="ops", purpose="operations", basis="task", keep=3600.0
    )
    return Plan(
        place=PLACE, timezone="UTC", links=(), products=(people,), recipients=(city,), grants=(),
        routes=(route,), policy="3b683cb786f6",
    )  # fmt: skip


@cache
def document(kind: str) -> dict[str, Any]:
    return asyncapi(interface(plan(kind), ""), software="0.1.0")


def test_documents_are_asyncapi_and_the_parser_refuses_what_is_none() -> None:
    broken = {**document("senml"), "channels": {"a b": {"address": 1}}}
    *found, errors = asyncapi_errors([document("native"), document("fiware"), broken])
    assert found == [[], []]
    assert errors


@pytest.mark.long
def test_the_documents_of_all_encodings_are_asyncapi() -> None:
    found = asyncapi_errors([document(kind) for kind in kinds("encoding")])
    assert dict(zip(kinds("encoding"), found, strict=True)) == {kind: [] for kind in kinds("encoding")}


@pytest.mark.parametrize("kind", NATIVE)
def test_every_example_passes_the_schema_that_stands_beside_it(kind: str) -> None:
    read = document(kind)
    tried = 0
    for name, message in read["components"]["messages"].items():
        check = jsonschema.Draft7Validator({**message["payload"], "components": read["components"]})
        for one in message["examples"]:
            tried += 1
            assert list(check.iter_errors(one["payload"])) == [], name
    assert tried >= 6


def test_a_schema_in_the_document_refuses_what_the_format_refuses() -> None:
    read = document("native")
    (batch,) = [one for name, one in read["components"]["messages"].items() if name.endswith("-batch")]
    check = jsonschema.Draft7Validator({**batch["payload"], "components": read["components"]})
    body = batch["examples"][0]["payload"]
    assert check.is_valid(body)
    assert not check.is_valid(body | {"r": [["door.in", "AB-123"]]})
    assert not check.is_valid(body | {"image": "iVBORw0KGgo="})


@pytest.mark.parametrize("kind", kinds("encoding"))
def test_every_topic_of_an_encoding_is_described(kind: str) -> None:
    found = interface(plan(kind), "city")
    addresses = {one["address"] for one in document(kind)["channels"].values()}
    assert addresses == {one.topic for one in found.channels}
    told = {name for one in found.channels for name in one.messages}
    assert {"batch", "gap", "status"} <= told


@pytest.mark.parametrize("kind", kinds("encoding"))
def test_the_page_names_topics_points_and_how_late_windows_travel(kind: str) -> None:
    text = markdown(page(interface(plan(kind), "city"), software="0.1.0"))
    assert "People at the doors" in text
    assert "door.out" in text
    assert "late window" in text or "nothing overtakes" in text


def test_which_recipient_is_asked_for_when_there_are_several() -> None:
    both = plan("native")
    both = replace(both, recipients=(*both.recipients, replace(both.recipients[0], name="lab")))
    with pytest.raises(ConfigError, match="--recipient city or lab"):
        interface(both, "")
    with pytest.raises(ConfigError, match='no recipient is called "town"'):
        interface(both, "town")
    assert interface(both, "lab").products == ()


@cache
def asked(*commands: str) -> dict[str, Any]:
    """Describe a gateway that its recipient may ask."""
    made = plan("native")
    city = replace(made.recipients[0], commands=commands)
    return asyncapi(interface(replace(made, recipients=(city,)), ""), software="0.1.0")


def test_commands_and_what_comes_of_them_are_described_where_they_are_allowed() -> None:
    topics = {one["address"].partition("gw1/")[2] for one in asked("replay", "rebirth")["channels"].values()}
    assert {"c/replay", "c/rebirth", "r", "r/people"} <= topics
    topics = {one["address"].partition("gw1/")[2] for one in asked("rebirth")["channels"].values()}
    assert topics & {"c/replay", "c/rebirth", "r", "r/people"} == {"c/rebirth", "r"}
    assert not [one for one in document("native")["channels"].values() if "/c/" in one["address"]]


def test_a_command_is_what_the_gateway_receives_and_all_else_what_it_sends() -> None:
    operations = asked("replay", "rebirth")["operations"].values()
    received = {
        one["channel"]["$ref"].rpartition("-c-")[2] for one in operations if one["action"] == "receive"
    }
    assert received == {"replay", "rebirth"}
    assert all("-c-" not in one["channel"]["$ref"] for one in operations if one["action"] == "send")


def test_every_example_of_a_command_and_an_answer_passes_its_schema() -> None:
    read = asked("replay", "rebirth")
    tried = set()
    for name, message in read["components"]["messages"].items():
        check = jsonschema.Draft7Validator({**message["payload"], "components": read["components"]})
        for one in message["examples"]:
            tried.add(one["payload"]["k"])
            assert list(check.iter_errors(one["payload"])) == [], name
    assert {"replay", "rebirth", "answer", "start", "gap", "batch"} <= tried
    *found, _ = asyncapi_errors([read, document("native")])
    assert found == [[]]


def test_a_page_says_who_writes_where() -> None:
    made = plan("native")
    city = replace(made.recipients[0], commands=("replay",))
    told = markdown(page(interface(replace(made, recipients=(city,)), ""), software="0.1.0"))
    assert "| citygate/1/vaasa/library/gw1/c/replay | you, to the gateway | replay |" in told


def of_events(kind: str) -> Plan:
    """Give a plan whose product tells events alone."""
    found = plan(kind)
    alarm = replace(
        found.products[0],
        steps=(Threshold(above=5.0),),
        window=0.0,
        span="",
        statistics=(),
        privacy=Privacy(),
    )
    return replace(found, products=(alarm,))


@pytest.mark.parametrize("kind", ["native", "senml"])
def test_a_product_of_events_has_an_event_for_its_example_and_no_window(kind: str) -> None:
    messages = asyncapi(interface(of_events(kind), ""), software="0.1.0")["components"]["messages"]
    said = json.dumps(messages)
    assert "is above its limit" in said
    assert not [name for name in messages if name.endswith("-batch")]


def test_a_schema_of_today_is_rewritten_for_tools_of_yesterday() -> None:
    assert _older({"const": 1, "prefixItems": [{"const": "a"}], "items": {"$ref": "#/$defs/cell"}}) == {
        "enum": [1], "items": [{"enum": ["a"]}], "additionalItems": {"$ref": "#/components/schemas/cell"},
    }  # fmt: skip
