"""Sparkplug B: the rules of its specification that an edge node must keep, read by two foreign decoders.

Names of tests follow the specification's own assertions (tck-id-...) where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.message import SILENT, Head, Loss, Message, Place, Previous, Queue, Status, Talk
from agent.core.point import Kind, Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, State
from agent.encodings import _protobuf
from agent.encodings._records import SOFT
from agent.encodings._sparkplug_wire import (
    BOOLEAN,
    INT64,
    REBIRTH,
    STRING,
    Metric,
    alias_of,
    asks_for_rebirth,
    metrics_of,
    payload,
)
from agent.encodings.sparkplug_b import SparkplugB, SparkplugBSettings
from tests.peers.foreign import read_by_pysparkplug, read_by_tahu

NOON: Final = 1795262400.0
NOW: Final = NOON + 905.5
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
ROUTE: Final = Route(
    recipient="city", product="climate", grant="ops", purpose="operations", basis="task", keep=3600.0
)
FIGURE: Final = Aggregate("ahu-1.supply_temp", NOON, 900.0, 12, (21.6234, 19.15))


def climate(*names: str) -> Product:
    points = tuple(
        Point(name=name, unit="Cel", resolution=0.01, quantity="temperature")
        for name in names or ("ahu-1.supply_temp",)
    )
    return Product(
        id="climate", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=("mean", "min"),
    )  # fmt: skip


def node(**style: Any) -> SparkplugB:  # noqa: ANN401 - settings
    return SparkplugB(PLACE, SparkplugBSettings(**style))


def begun(encoding: SparkplugB, number: int = 0) -> Talk:
    return encoding.talk(number, lambda: NOW)


def sent(talk: Talk, messages: Sequence[Message], *, late: bool = False) -> list[tuple[str, bytes]]:
    """Give topics and bodies as they leave: what must come first, first."""
    made: list[tuple[str, bytes]] = []
    for one in messages:
        said = (*talk.opening(), one)
        made += [(each.topic, talk.dress(each.topic, each.body, late=late)) for each in said]
    return made


def whole_life(encoding: SparkplugB) -> list[tuple[str, bytes]]:
    births = encoding.birth(climate(), ROUTE, HEAD, "3f9c0a1b")
    return sent(begun(encoding), [*births, status(), *encoding.batch(climate(), HEAD, [FIGURE])])


def status() -> Message:
    said = Status(
        state="online", lid="3f9c0a1b", epoch=42, policy="3b683cb786f6", clock="ntp", software="0.1.0",
        queue=Queue(n=2, oldest=NOON, bytes=300, cap=1000), routes=(("city.climate", "ok"),),
    )  # fmt: skip
    return node().status(said)


def metrics(read: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one["value"] for one in read["metrics"]}


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    ((_, _), *data) = sent(begun(node()), messages)
    (read,) = read_by_pysparkplug([("DData", body, None) for _, body in data])
    told = metrics(read)
    points = [name.removesuffix("/quality") for name in told if name.endswith("/quality")]
    return {name: (told[f"{name}/quality"], told[f"{name}/sum"]) for name in points}


def test_nbirth_comes_first_then_dbirth_then_data_and_all_are_numbered_from_zero() -> None:
    topics, bodies = zip(*whole_life(node()), strict=True)
    assert topics == (
        "spBv1.0/vaasa/NBIRTH/library-gw1",
        "spBv1.0/vaasa/DBIRTH/library-gw1/climate",
        "spBv1.0/vaasa/NDATA/library-gw1",
        "spBv1.0/vaasa/DDATA/library-gw1/climate",
    )
    assert [one["seq"] for one in read_by_tahu(bodies)] == [0, 1, 2, 3]


def test_two_foreign_readers_read_the_same_figures() -> None:
    *_, (_, body) = whole_life(node())
    (tahu,), (py,) = read_by_tahu([body]), read_by_pysparkplug([("DData", body, None)])
    assert metrics(tahu) == metrics(py)
    assert metrics(py) == {
        "ahu-1.supply_temp/mean": 21.62,
        "ahu-1.supply_temp/min": 19.15,
        "ahu-1.supply_temp/n": 12,
        "ahu-1.supply_temp/quality": "ok",
        "Message/Epoch": 42,
        "Message/Seq": 1000,
    }
    assert py["timestamp"] == round(NOW * 1000), "the time of sending"
    assert {one["at"] for one in py["metrics"] if one["name"].startswith("ahu")} == {round(NOON * 1000)}


def test_payloads_name_birth_data_requirement_every_metric_that_is_ever_sent_was_born() -> None:
    encoding = node()
    births = encoding.birth(climate("door.in"), ROUTE, HEAD, "3f9c0a1b")
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32)
    figures = [
        Aggregate(
            "door.in", NOON, 900.0, 1, (1.0, 1.0), State.PARTIAL, 0.5, "no_reply", boot=9.0, synced=False
        )
    ]
    event = Event("door.in", "threshold", "warning", NOON, 5.0, "1", "above")
    data = [
        *encoding.batch(climate("door.in"), HEAD, [*figures, event]),
        encoding.gap("climate", HEAD, [loss]),
        encoding.start("climate", HEAD, Previous(epoch=41, last=8812, clean=False)),
        encoding.time("climate", HEAD, 1795291200.12),
    ]
    talk = begun(encoding)
    nbirth, dbirth, *rest = read_by_tahu([body for _, body in sent(talk, [*births, status(), *data])])
    ndata, *rest = rest
    types = {one["name"]: one["type"] for one in dbirth["metrics"]}
    for message in rest:
        assert {one["name"]: one["type"] for one in message["metrics"]}.items() <= types.items()
    known = {one["name"]: one["type"] for one in nbirth["metrics"]}
    assert {one["name"]: one["type"] for one in ndata["metrics"]}.items() <= known.items()


def test_a_birth_tells_units_as_eng_unit_and_has_no_values_yet() -> None:
    ((_, _), (_, body), *_) = whole_life(node())
    (read,) = read_by_tahu([body])
    mean = next(one for one in read["metrics"] if one["name"] == "ahu-1.supply_temp/mean")
    assert mean["properties"]["engUnit"]["value"] == "Cel"
    assert mean["value"] is None


def test_payloads_nbirth_bdseq_equals_that_of_the_will_and_counts_connections_to_255() -> None:
    for number, told in ((0, 0), (1, 1), (255, 255), (256, 0)):
        talk = begun(node(), number)
        will = talk.will
        assert (will.topic, will.qos, will.retain) == ("spBv1.0/vaasa/NDEATH/library-gw1", 1, False)
        ((_, nbirth), *_) = sent(talk, [status()])
        death, birth = read_by_tahu([will.body, nbirth])
        assert metrics(death) == {"bdSeq": told}
        assert metrics(birth)["bdSeq"] == told
        assert "seq" not in death


def test_payloads_nbirth_rebirth_req_the_node_control_is_there_and_false() -> None:
    ((_, body), *_) = whole_life(node(aliases=True))
    (read,) = read_by_tahu([body])
    control = next(one for one in read["metrics"] if one["name"] == "Node Control/Rebirth")
    assert (control["type"], control["value"]) == ("Boolean", False)
    assert "alias" not in control


def test_the_number_runs_to_255_and_begins_again() -> None:
    talk = begun(node())
    (data,) = node().batch(climate(), HEAD, [FIGURE])
    bodies = [body for _, body in sent(talk, [data] * 300)]
    assert [one["seq"] for one in read_by_tahu(bodies)] == [n % 256 for n in range(301)]


def test_births_and_data_go_with_qos_0_and_are_not_retained() -> None:
    encoding = node()
    births = encoding.birth(climate(), ROUTE, HEAD, "3f9c0a1b")
    said = [*births, *encoding.batch(climate(), HEAD, [FIGURE]), status(), *begun(encoding).opening()]
    assert {(one.qos, one.retain) for one in said} == {(0, False)}


def test_what_waited_is_marked_as_historical_and_nothing_else_changes() -> None:
    encoding = node()
    data = encoding.batch(climate(), HEAD, [FIGURE])
    (*_, (_, live)), (*_, (_, late)) = (sent(begun(encoding), data, late=one) for one in (False, True))
    first, second = read_by_pysparkplug([("DData", live, None), ("DData", late, None)])
    assert {one["history"] for one in first["metrics"]} == {False}
    assert {one["history"] for one in second["metrics"]} == {True}
    assert metrics(first) == metrics(second)


def test_with_aliases_data_have_no_names_and_a_birth_tells_them() -> None:
    named, short = whole_life(node()), whole_life(node(aliases=True))
    births, data = short[1][1], short[-1][1]
    assert b"supply_temp" not in data
    assert len(data) < len(named[-1][1])
    read = read_by_pysparkplug([("DData", data, births), ("DData", named[-1][1], None)])
    assert metrics(read[0]) == metrics(read[1])


def test_an_alias_belongs_to_its_metric_under_every_plan() -> None:
    assert alias_of("climate", "ahu-1.supply_temp/mean") == alias_of("climate", "ahu-1.supply_temp/mean")
    assert alias_of("climate", "x/mean") != alias_of("energy", "x/mean")
    assert alias_of("climate", "x/mean") < 2**53, "a whole number in JavaScript too"


def test_without_types_in_data_they_are_those_of_the_birth() -> None:
    lean = whole_life(node(datatype_in_data=False))
    (read,) = read_by_pysparkplug([("DData", lean[-1][1], lean[1][1])])
    assert metrics(read)["ahu-1.supply_temp/mean"] == 21.62
    assert len(lean[-1][1]) < len(whole_life(node())[-1][1])


def test_a_rebirth_starts_again_at_zero_with_the_same_bdseq() -> None:
    talk = begun(node(), 7)
    sent(talk, [status()] * 3)
    command = payload(metrics_of([Metric("Node Control/Rebirth", BOOLEAN, value=True)]), at=NOW, seq=None)
    assert talk.hear("spBv1.0/vaasa/NCMD/library-gw1", command) == "rebirth"
    ((topic, body), *_) = sent(talk, [status()])
    (read,) = read_by_tahu([body])
    assert topic.endswith("/NBIRTH/library-gw1")
    assert (read["seq"], metrics(read)["bdSeq"]) == (0, 7)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xff\xff",
        b"\x0a",
        metrics_of([Metric("Node Control/Rebirth", BOOLEAN, value=False)]),
        metrics_of([Metric("Node Control/Reboot", BOOLEAN, value=True)]),
        metrics_of([Metric("ahu-1.supply_temp/mean", STRING, "30")]),
    ],
)
def test_no_other_command_does_anything(body: bytes) -> None:
    talk = begun(node())
    sent(talk, [status()])
    assert talk.hear("spBv1.0/vaasa/NCMD/library-gw1", body) == ""
    assert talk.hear("spBv1.0/vaasa/DCMD/library-gw1/climate", body) == ""
    assert not talk.opening()


def test_operational_behavior_primary_application_state_nothing_is_said_before_the_host_is_online() -> None:
    talk = begun(node(primary_host="scada"))
    topic = "spBv1.0/STATE/scada"
    assert topic in talk.topics
    assert talk.waits
    assert talk.hear(topic, said(online=True, at=1000)) == "go"
    assert not talk.waits
    sent(talk, [status()])
    assert talk.hear(topic, said(online=True, at=2000)) == ""
    assert talk.hear(topic, said(online=False, at=1500)) == "", "an older word than the last one heard"
    assert talk.hear(topic, said(online=False, at=3000)) == "wait"
    assert talk.waits
    assert talk.hear(topic, b"OFFLINE") == "", "that was Sparkplug 2"


def said(*, online: bool, at: int) -> bytes:
    return json.dumps({"online": online, "timestamp": at}).encode()


def test_without_a_primary_host_nobody_is_waited_for() -> None:
    talk = begun(node())
    assert not talk.waits
    assert talk.topics == ("spBv1.0/vaasa/NCMD/library-gw1",)


def test_a_large_window_is_split() -> None:
    names = tuple(f"meter-{n:03d}.active_power" for n in range(400))
    figures = [Aggregate(name, NOON, 900.0, 6, (0.5, 1.0)) for name in names]
    messages = node().batch(climate(*names), HEAD, figures)
    assert len(messages) > 1
    assert all(len(one.body) <= SOFT for one in messages)
    assert [dict(one.user)["id"] for one in messages] == [
        f"gw1/42/climate/{1000 + n}" for n in range(len(messages))
    ]


def test_a_gap_says_how_many_and_which() -> None:
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    (*_, (_, body)) = sent(begun(node()), [node().gap("climate", HEAD, [loss])])
    (read,) = read_by_tahu([body])
    assert metrics(read)["Lost/Messages"] == 32
    assert json.loads(metrics(read)["Lost/Details"]) == [
        {"why": "cap", "epoch": 42, "from": 900, "to": 931, "n": 32}
    ]


def test_a_group_of_another_name_is_used_everywhere() -> None:
    encoding = node(group="Vaasa Buildings", edge="Library 1")
    talk = begun(encoding)
    assert talk.topics == ("spBv1.0/Vaasa Buildings/NCMD/Library 1",)
    assert encoding.batch(climate(), HEAD, [FIGURE])[0].topic == (
        "spBv1.0/Vaasa Buildings/DDATA/Library 1/climate"
    )


def test_every_body_of_a_hundred_random_windows_is_read_by_the_foreign_decoder() -> None:
    bodies: list[bytes] = []
    expected: list[list[float | None]] = []
    numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)

    @settings(max_examples=100, deadline=None, database=None)
    @given(
        st.lists(numbers, min_size=2, max_size=2),
        st.sampled_from(State),
        st.none() | st.integers(0, 4 * 10**9),
    )
    def collect(values: list[float | None], state: State, n: int | None) -> None:
        point = Point(name="a.x", kind=Kind.GAUGE)
        known = Product(
            id="climate", points=(point,), published=(point,), steps=(), window=900.0, span="15m",
            statistics=("mean", "min"),
        )  # fmt: skip
        figure = Aggregate("a.x", NOON, 900.0, n, (values[0], values[1]), state, 0.5, "clock")
        bodies.append(sent(begun(node()), node().batch(known, HEAD, [figure]))[-1][1])
        expected.append(values)

    collect()
    for read, values in zip(read_by_tahu(bodies), expected, strict=True):
        told = metrics(read)
        found = [told["a.x/mean"], told["a.x/min"]]
        assert [None if one is None else float(one) for one in found] == values


@given(st.integers(-(2**63), 2**64 - 1), st.integers(1, 2**20))
def test_our_protobuf_reads_what_it_writes(number: int, field: int) -> None:
    body = _protobuf.whole(field, number) + _protobuf.block(field, b"x") + _protobuf.double(field, 0.5)
    read = [(one, content) for one, _, content, _ in _protobuf.parts(body)]
    assert read[0] == (field, number % 2**64)
    assert read[1] == (field, b"x")
    assert b"".join(raw for *_, raw in _protobuf.parts(body)) == body


@pytest.mark.parametrize(
    ("field", "said"),
    [(b"\x0b\x0c", "type 3"), (b"\x0a\x05abc", "ends within"), (b"\x09\x00\x00", "ends within")],
    ids=["a group", "a text", "a double"],
)
def test_a_foreign_command_that_is_broken_is_refused_and_does_nothing(field: bytes, said: str) -> None:
    rebirth = metrics_of([Metric(REBIRTH, BOOLEAN, True)])
    assert asks_for_rebirth(rebirth)
    with pytest.raises(ValueError, match=said):
        list(_protobuf.parts(field))
    assert not asks_for_rebirth(field + rebirth)


def test_bdseq_is_a_long_number() -> None:
    body = payload(metrics_of([Metric("bdSeq", INT64, 3)]), at=NOW, seq=None)
    (read,) = read_by_tahu([body])
    assert read["metrics"][0]["type"] == "Int64"


NOTHING = replace(FIGURE, state=State.NO_DATA, values=(None, None), n=0)


def spoken(talk: Talk, message: Message, *, late: bool = False) -> list[tuple[str, bytes]]:
    """Give what leaves for one message, as the uplink has it leave."""
    left = [(each.topic, talk.dress(each.topic, each.body, late=False)) for each in talk.opening()]
    topic, before = talk.before(message.topic, late=late, silent=SILENT in message.user)
    left += [(each.topic, talk.dress(each.topic, each.body, late=False)) for each in before]
    left.append((topic, talk.dress(topic, message.body, late=late)))
    return left + [(each.topic, talk.dress(each.topic, each.body, late=False)) for each in talk.after(topic)]


def kinds_of(left: Sequence[tuple[str, bytes]]) -> list[str]:
    return [topic.split("/")[2] for topic, _ in left]


def life(talk: Talk, *messages: Message) -> list[tuple[str, bytes]]:
    return [one for message in messages for one in spoken(talk, message)]


def birth() -> Message:
    (message,) = node().birth(climate(), ROUTE, HEAD, "3f9c0a1b")
    return message


def window(*figures: Aggregate) -> Message:
    (message,) = node().batch(climate(), HEAD, figures)
    return message


def test_operational_behavior_device_ddeath_a_silent_device_dies_and_is_born_before_its_next_data() -> None:
    left = life(begun(node()), birth(), window(FIGURE), window(NOTHING), window(NOTHING), window(FIGURE))
    assert kinds_of(left) == ["NBIRTH", "DBIRTH", "DDATA", "DDEATH", "DDEATH", "DBIRTH", "DDATA"]
    read = read_by_tahu([body for _, body in left])
    assert [one["seq"] for one in read] == list(range(7))
    reborn, data = read_by_pysparkplug([("DBirth", left[5][1], None), ("DData", left[6][1], left[5][1])])
    death = read[3]
    assert metrics(death)["Message/Seq"] == metrics(data)["Message/Seq"]  # no number is left out
    assert metrics(death)["ahu-1.supply_temp/quality"] == "no_data"
    assert set(metrics(data)) <= set(metrics(reborn))


def test_history_kills_no_device_and_wakes_one_that_is_dead() -> None:
    talk = begun(node())
    life(talk, birth(), window(FIGURE))
    assert kinds_of(spoken(talk, window(NOTHING), late=True)) == ["DDATA"]
    life(talk, window(NOTHING))
    assert kinds_of(spoken(talk, window(FIGURE), late=True)) == ["DBIRTH", "DDATA"]


def test_a_window_of_which_one_point_was_heard_is_no_death() -> None:
    other = replace(FIGURE, point="ahu-1.return_temp")
    left = life(begun(node()), birth(), window(NOTHING, other))
    assert kinds_of(left)[-1] == "DDATA"
    suppressed = replace(FIGURE, state=State.SUPPRESSED, values=(None, None), n=None)
    assert kinds_of(life(begun(node()), birth(), window(suppressed)))[-1] == "DDATA"


def test_a_device_that_is_gone_is_dead_and_a_last_word_wakes_it_for_that_word_alone() -> None:
    encoding, talk = node(), begun(node())
    left = life(talk, birth(), encoding.death("climate"))
    (read,) = read_by_tahu([left[-1][1]])
    assert kinds_of(left)[-1] == "DDEATH"
    assert (read["metrics"], read["seq"]) == ([], 2)
    last = encoding.gap("climate", HEAD, [Loss(why="ttl", epoch=42, first=1, last=2, count=2)])
    assert kinds_of(spoken(talk, last)) == ["DBIRTH", "DDATA", "DDEATH"]
    assert kinds_of(life(talk, birth(), window(FIGURE))) == ["DBIRTH", "DDATA"]


def test_after_a_rebirth_of_the_node_each_device_is_born_before_its_data() -> None:
    talk = begun(node())
    life(talk, birth(), window(FIGURE))
    command = payload(metrics_of([Metric("Node Control/Rebirth", BOOLEAN, value=True)]), at=NOW, seq=None)
    talk.hear("spBv1.0/vaasa/NCMD/library-gw1", command)
    life(talk, status())
    assert kinds_of(spoken(talk, window(FIGURE))) == ["DBIRTH", "DDATA"]


def test_rebirths_that_are_asked_for_in_a_circle_do_not_keep_data_from_leaving() -> None:
    at = [NOW]
    talk = node().talk(0, lambda: at[0])
    command = payload(metrics_of([Metric("Node Control/Rebirth", BOOLEAN, value=True)]), at=NOW, seq=None)
    heard = []
    for seconds in (0.0, 1.0, 3.9, 0.2, 4.0, 1.0):
        at[0] += seconds
        heard.append(talk.hear("spBv1.0/vaasa/NCMD/library-gw1", command))
    assert heard == ["rebirth", "", "", "rebirth", "", "rebirth"]
