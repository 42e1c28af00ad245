"""A template of one's own: what stands in it, and what is refused because it would say too little."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import pytest

from agent.core.message import Head, Message, Place
from agent.core.point import Point
from agent.core.product import Product, Statistic
from agent.core.record import Aggregate, State
from agent.encodings.template import Template, TemplateSettings

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
EXAMPLE: Final = TemplateSettings(topic="buildings/$site/$point/$statistic")


def climate(*names: str, statistics: tuple[Statistic, ...] = ("mean",)) -> Product:
    points = tuple(Point(name=name, unit="Cel", resolution=0.01) for name in names or ("ahu-1.supply_temp",))
    return Product(
        id="climate", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=statistics,
    )  # fmt: skip


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    found = {}
    for message in messages:
        _, _, point, _ = message.topic.split("/")
        read = json.loads(message.body)
        found[point] = (read["quality"], read["value"])
    return found


def test_each_figure_is_a_message_on_its_own_topic() -> None:
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234, 19.0))
    messages = Template(PLACE, EXAMPLE).batch(climate(statistics=("mean", "min")), HEAD, [figure])
    assert [(one.topic, one.body) for one in messages] == [
        (
            "buildings/library/ahu-1.supply_temp/mean",
            b'{"value":21.62,"quality":"ok","time":"2026-11-21T12:00:00Z"}',
        ),
        (
            "buildings/library/ahu-1.supply_temp/min",
            b'{"value":19,"quality":"ok","time":"2026-11-21T12:00:00Z"}',
        ),
    ]


def test_all_that_is_known_can_stand_in_a_payload() -> None:
    settings = TemplateSettings(
        topic="$city/$site/$gateway/$product/$device/$name",
        payload="$statistic;$value;$quality;$coverage;$why;$n;$seconds;$ms;$window;$unit;$epoch;$seq;$$",
        content_type="text/plain",
        none="-",
    )
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, None, (None,), State.PARTIAL, 0.5, "no_reply")
    (message,) = Template(PLACE, settings).batch(climate(), HEAD, [figure])
    assert message.topic == "vaasa/library/gw1/climate/ahu-1/supply_temp"
    assert message.body == b"mean;-;partial;0.5;no_reply;-;1795262400;1795262400000;900;Cel;42;1000;$"
    assert message.content_type == "text/plain"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"topic": "a/$point", "payload": "$value"}, r"\$quality must stand in it"),
        ({"topic": "a/$point", "payload": "$quality"}, r"\$value must stand in it"),
        ({"topic": "a/$pint"}, r"there is no \$pint"),
        ({"topic": "a/$value"}, r"there is no \$value"),
        ({"topic": "a/$point", "payload": "$value $quality $"}, "begins no word"),
        ({"topic": "a/+"}, r"may not stand in a topic"),
        ({"topic": "a", "status": "b/$point"}, r"there is no \$point"),
        ({"topic": "a", "payload": "$value $quality", "late": "dated"}, r"needs \$time"),
    ],
)
def test_what_would_say_too_little_or_nothing_is_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TemplateSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (TemplateSettings(topic="a/$statistic"), "several points"),
        (TemplateSettings(topic="a/$point"), "several statistics"),
        (
            TemplateSettings(topic="a/$point/$statistic", payload='{"v":$value,"q":$quality}'),
            "the payload is no JSON",
        ),
        (TemplateSettings(topic="a/$point/$statistic", none=""), "the payload is no JSON"),
    ],
)
def test_figures_that_would_meet_and_payloads_that_are_no_json_are_refused_with_their_product(
    settings: TemplateSettings, said: str
) -> None:
    product = climate("a.x", "b.x", statistics=("mean", "min"))
    assert any(said in one for one in Template(PLACE, settings).objections(product))
    assert not list(Template(PLACE, EXAMPLE).objections(product))


def test_after_a_drained_outage_the_newest_value_shows() -> None:
    made = Template(PLACE, EXAMPLE)
    state: dict[str, bytes] = {}
    for n in range(4):
        figure = Aggregate("ahu-1.supply_temp", NOON + 900 * n, 900.0, 9, (20.0 + n,))
        state |= {one.topic: one.body for one in made.batch(climate(), HEAD, [figure])}
    assert made.late == "in-order", "the outbox lets nothing overtake"
    assert b'"value":23' in state["buildings/library/ahu-1.supply_temp/mean"]


def test_a_platform_that_files_by_time_may_get_the_newest_first() -> None:
    assert Template(PLACE, TemplateSettings(topic="a/$point", late="dated")).late == "dated"


@pytest.mark.parametrize(("synced", "word"), [(True, "synced"), (False, "unsynced")])
def test_a_payload_can_say_whether_its_time_is_a_guess(synced: bool, word: str) -> None:
    payload = '{"v":$value,"q":"$quality","clock":"$clock"}'
    made = Template(PLACE, TemplateSettings(topic="$point", payload=payload))
    figure = Aggregate("ahu-1.supply_temp", NOON, 900.0, 9, (20.0,), synced=synced)
    assert not list(made.objections(climate()))
    [message] = made.batch(climate(), HEAD, [figure])
    assert json.loads(message.body) == {"v": 20, "q": "ok", "clock": word}


def test_a_payload_of_another_kind_need_not_be_json() -> None:
    plain = TemplateSettings(topic="$point", payload="$value $quality", content_type="text/plain")
    assert not list(Template(PLACE, plain).objections(climate()))
    claimed = TemplateSettings(topic="$point", payload="$value $quality")
    [said] = Template(PLACE, claimed).objections(climate())
    assert "the payload is no JSON" in said
