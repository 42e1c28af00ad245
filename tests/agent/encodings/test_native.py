"""The native format: what it writes, and that its own schema takes all of it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, get_args

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.core.attested import Attested
from agent.core.command import ANSWERS as COMMANDS
from agent.core.command import Answer, Verb, Wanted, Why
from agent.core.ed25519 import Key
from agent.core.message import Encoding, Head, Loss, Message, Place, Previous, Queue, Status, Tip
from agent.core.point import Kind, Point
from agent.core.product import Mode, Privacy, Product, Route, Statistic
from agent.core.record import Aggregate, Event, State
from agent.core.sight import HOLES
from agent.encodings import _native_schema, _native_wire
from agent.encodings._native_commands import TEXTS
from agent.encodings._records import SOFT
from agent.encodings._text import rounded, utc_text, word
from agent.encodings.native import BIRTH, HARD, Native, NativeSettings, native_schema
from agent.outbox.row import Row
from agent.registry import plugin
from agent.uplink.session import user_properties

# the key of RFC 8032, section 7.1, test 2
SIGNER: Final = Key(bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
CASES: Final = Path(__file__).parents[2] / "cases" / "wire"
NOON: Final = 1795262400.0  # 2026-11-21T12:00:00Z
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1")
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
LID: Final = "3f9c0a1b"
ROUTE: Final = Route(
    recipient="city", product="climate", grant="ops", purpose="operations", basis="task", keep=3600.0
)
CAGED: Final = msgspec.structs.replace(
    HEAD,
    cages=(
        (
            "square",
            Attested(
                refused=("disk:/tmp", "exec"),
                worked=(),
                unconfined=False,
                model="nanodet-g",
                sha256="ab" * 32,
            ),
        ),
        (
            "yard",
            Attested(refused=("exec",), worked=("net:192.0.2.1",), unconfined=True, model="toy", sha256=""),
        ),
    ),
)
CHECK: Final = jsonschema.Draft202012Validator(native_schema())


def native() -> Native:
    return Native(PLACE)


def product(
    *names: str,
    window: float = 60.0,
    span: str = "1m",
    statistics: tuple[Statistic, ...] = ("mean", "min", "max"),
    resolution: float = 0.01,
) -> Product:
    points = tuple(
        Point(name=name, unit="Cel", resolution=resolution, quantity="temperature")
        for name in names or ("ahu-1.supply_temp",)
    )
    return Product(
        id="climate", points=points, published=points, steps=(), window=window, span=span,
        statistics=statistics,
    )  # fmt: skip


def protected() -> Product:
    return msgspec.structs.replace(product(), privacy=Privacy(mode="suppress", k=5))


def guarded(privacy: Privacy) -> Product:
    return msgspec.structs.replace(product(), privacy=privacy)


WANTED: Final = Wanted("climate", 42, 900, 931)
ANSWERS: Final = {
    "begun": Answer(verb="replay", outcome="begun", wanted=WANTED),
    "done": Answer(
        verb="replay", outcome="done", wanted=WANTED, count=30, gone=((900, 900),), waits=((931, 931),)
    ),
    "refused": Answer(verb="replay", outcome="refused", why="product"),
    "stopped": Answer(verb="replay", outcome="stopped", why="unread", wanted=WANTED, count=2),
    "rebirth": Answer(verb="rebirth", outcome="done"),
}

MODES: Final = {
    "birth": Privacy(mode="suppress", k=5),
    "birth-hold": Privacy(mode="hold", k=10, round=5, longest="week"),
    "birth-dp": Privacy(mode="dp", epsilon="1/2", sensitivity=4, round=5, clamp=True),
    "birth-min-sources": Privacy(mode="min-sources", min_sources=15, max_share=0.15),
}


def states() -> Product:
    fan = Point(name="ahu-1.fan", kind=Kind.STATE, label="Supply fan", states=((0, "off"), (1, "käy")))
    return msgspec.structs.replace(product(statistics=("share",)), points=(fan,), published=(fan,))


def many_points() -> Product:
    points = tuple(Point(name=f"meter-{n:03d}.active_power", unit="kW") for n in range(650))
    return msgspec.structs.replace(product(), points=points, published=points)


def body(message: Message) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message.body)
    return read


def test_a_batch_reads_as_published() -> None:
    figure = Aggregate("ahu-1.supply_temp", NOON, 60.0, 12, (21.6234, 19.15, 25.6499))
    (message,) = native().batch(product(), HEAD, [figure])
    assert message.topic == "citygate/1/vaasa/library/gw1/d/climate"
    assert message.body == (
        b'{"v":1,"k":"batch","e":42,"s":1000,"t":"2026-11-21T12:00:00Z","w":60,'
        b'"c":["p","n","mean","min","max"],"r":[["ahu-1.supply_temp",12,21.62,19.15,25.65]]}'
    )
    assert message.user == (("id", "gw1/42/climate/1000"), ("policy", "3b683cb786f6"))
    assert (message.qos, message.retain, message.content_type, message.utf8) == (
        1, False, "application/json", True,
    )  # fmt: skip


def test_one_window_is_one_message_and_each_window_has_its_own_number() -> None:
    points = ("a.x", "b.x")
    figures = [Aggregate(name, NOON + 60 * n, 60.0, 1, (1.0, 1.0, 1.0)) for name in points for n in (1, 0)]
    messages = native().batch(product(*points), HEAD, figures)
    assert [(body(one)["t"][11:16], body(one)["s"], len(body(one)["r"])) for one in messages] == [
        ("12:00", 1000, 2),
        ("12:01", 1001, 2),
    ]


def test_what_is_not_simply_ok_is_marked() -> None:
    figures = [
        Aggregate("door.in", NOON, 900.0, 12, (12.0,)),
        Aggregate("door.out", NOON, 900.0, None, (None,), State.SUPPRESSED),
        Aggregate("side.in", NOON, 900.0, 31, (31.0,), State.PARTIAL, 0.629, "no_reply"),
        Aggregate("side.out", NOON, 900.0, 0, (None,), State.NO_DATA, 0.0, "no_reply"),
    ]
    points = tuple(one.point for one in figures)
    (message,) = native().batch(product(*points, window=900.0, statistics=("sum",)), HEAD, figures)
    assert body(message)["r"] == [
        ["door.in", 12, 12], ["door.out", None, None], ["side.in", 31, 31], ["side.out", 0, None],
    ]  # fmt: skip
    assert body(message)["x"] == {
        "door.out": {"q": "suppressed"},
        "side.in": {"q": "partial", "cov": 0.62, "why": "no_reply"},
        "side.out": {"q": "no_data", "why": "no_reply"},
    }


def test_coverage_that_is_nearly_full_never_reads_as_full() -> None:
    figure = Aggregate("a.x", NOON, 60.0, 1, (1.0, 1.0, 1.0), State.PARTIAL, 0.9999)
    (message,) = native().batch(product("a.x"), HEAD, [figure])
    assert body(message)["x"]["a.x"]["cov"] == 0.99


def test_without_a_trusted_clock_a_window_says_so() -> None:
    figure = Aggregate("a.x", NOON, 60.0, 1, (1.0, 1.0, 1.0), boot=321.12345, synced=False)
    (message,) = native().batch(product("a.x"), HEAD, [figure])
    assert {key: body(message)[key] for key in ("tq", "bt", "boot")} == {
        "tq": "unsynced", "bt": 321.123, "boot": "6f1c22ab",
    }  # fmt: skip


def test_a_share_is_not_rounded_to_the_steps_of_a_state() -> None:
    known = product("a.x", statistics=("share",), resolution=1.0)
    (message,) = native().batch(known, HEAD, [Aggregate("a.x", NOON, 60.0, 1, (0.62346,))])
    assert body(message)["r"] == [["a.x", 1, 0.6235]]


def test_an_event_tells_its_time_no_finer_than_its_window() -> None:
    event = Event(
        "a.x", "threshold", "warning", NOON + 754.5, 251.04, "Pa", "above", boot=1754.5, synced=False
    )
    (message,) = native().batch(product("a.x", window=900.0, span="15m"), HEAD, [event])
    read = body(message)
    assert (read["t"], read["bt"], read["val"]) == ("2026-11-21T12:00:00Z", 1000.0, 251.04)
    (exact,) = native().batch(product("a.x", window=0.0, span=""), HEAD, [event])
    assert body(exact)["t"] == "2026-11-21T12:12:34.500Z"
    (daily,) = native().batch(product("a.x", window=2678400.0, span="month"), HEAD, [event])
    assert body(daily)["t"] == "2026-11-21T00:00:00Z"


def test_events_are_one_message_each_and_numbered_with_the_batches() -> None:
    event = Event("a.x", "threshold", "warning", NOON, None, "Pa", "above")
    figure = Aggregate("a.x", NOON, 60.0, 1, (1.0, 1.0, 1.0))
    messages = native().batch(product("a.x"), HEAD, [figure, event, event])
    assert [(one.kind, body(one)["s"]) for one in messages] == [
        ("event", 1000),
        ("event", 1001),
        ("batch", 1002),
    ]
    assert [dict(one.user)["id"][-4:] for one in messages] == ["1000", "1001", "1002"]


def test_a_large_window_is_split_and_every_part_has_its_own_number() -> None:
    names = tuple(f"device-{n:04d}.active_power" for n in range(1500))
    figures = [Aggregate(name, NOON, 60.0, 12, (1.25, 2.5, 3.75)) for name in names]
    messages = native().batch(product(*names), HEAD, figures)
    assert len(messages) > 3
    assert all(len(one.body) <= SOFT for one in messages)
    assert [body(one)["s"] for one in messages] == list(range(1000, 1000 + len(messages)))
    assert [row[0] for one in messages for row in body(one)["r"]] == list(names)


def test_forty_points_stay_within_their_budget() -> None:
    names = tuple(f"ahu{n}.supply" for n in range(40))
    figures = [Aggregate(name, NOON, 60.0, 12, (21.6234, 19.15, 25.65)) for name in names]
    (message,) = native().batch(product(*names), HEAD, figures)
    wire = len(message.body) + len(message.topic) + sum(len(a) + len(b) + 5 for a, b in message.user) + 40
    assert wire <= 1800


def test_a_birth_describes_the_points_and_names_the_schema() -> None:
    (message,) = native().birth(protected(), ROUTE, HEAD, LID)
    read = body(message)
    assert message.retain
    assert message.topic.endswith("/b/climate")
    assert read["points"] == {"ahu-1.supply_temp": {"u": "Cel", "kind": "gauge", "prop": "temperature"}}
    assert read["privacy"] == {"mode": "suppress", "k": 5}
    assert re.fullmatch(r"citygate-1\.2#[0-9a-f]{12}", read["schema"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("birth-hold", {"mode": "hold", "k": 10, "round": 5, "longest": "week"}),
        ("birth-dp", {"mode": "dp", "round": 5, "eps": "1/2", "sens": 4, "clamp": True}),
        ("birth-min-sources", {"mode": "min_sources", "sources": 15, "share": 0.15}),
    ],
)
def test_a_birth_says_how_figures_are_protected(name: str, said: dict[str, Any]) -> None:
    (message,) = native().birth(guarded(MODES[name]), ROUTE, HEAD, LID)
    assert body(message)["privacy"] == said
    plain = native().birth(product(), ROUTE, HEAD, LID)[0]
    assert body(plain)["privacy"] == {"mode": "none"}


def test_ok_suppressed_partial_and_no_data_are_four_different_things() -> None:
    states = (State.OK, State.SUPPRESSED, State.PARTIAL, State.NO_DATA)
    points = tuple(f"door.{state}" for state in states)
    figures = [
        Aggregate("door.ok", NOON, 900.0, 15, (0.0,)),
        Aggregate("door.suppressed", NOON, 900.0, None, (None,), State.SUPPRESSED),
        Aggregate("door.partial", NOON, 900.0, 8, (0.0,), State.PARTIAL, 0.5, "no_reply"),
        Aggregate("door.no_data", NOON, 900.0, 0, (None,), State.NO_DATA, 0.0, "silent"),
    ]
    (message,) = native().batch(product(*points, statistics=("sum",)), HEAD, figures)
    read = body(message)
    rows = {row[0]: (*row[1:], read["x"].get(row[0], {}).get("q")) for row in read["r"]}
    assert len(set(rows.values())) == 4
    assert [rows[name][-1] for name in points] == [None, "suppressed", "partial", "no_data"]


def test_cells_of_another_width_are_batches_of_their_own() -> None:
    points = ("door.in", "door.out")
    figures = [
        Aggregate("door.in", NOON, 900.0, 15, (9.0,)),
        Aggregate("door.out", NOON - 1800, 2700.0, 45, (6.0,)),
    ]
    messages = native().batch(product(*points, window=900.0, statistics=("sum",)), HEAD, figures)
    assert [(body(one)["t"], body(one)["w"], body(one)["r"][0][0]) for one in messages] == [
        ("2026-11-21T11:30:00Z", 2700, "door.out"),
        ("2026-11-21T12:00:00Z", 900, "door.in"),
    ]


def test_what_single_sources_gave_has_no_place_in_a_message() -> None:
    figure = Aggregate("flats.energy", NOON, 900.0, 90, (75.5,), parts=((71.25,), (4.25,)))
    (message,) = native().batch(product("flats.energy", statistics=("delta",)), HEAD, [figure])
    assert b"71.25" not in message.body


def test_a_large_birth_comes_in_parts_and_nothing_is_left_out() -> None:
    points = tuple(
        Point(name=f"device-{n}.power", label="x" * 80, location=(21.6, 63.1)) for n in range(5000)
    )
    known = msgspec.structs.replace(product(), points=points, published=points)
    parts = native().birth(known, ROUTE, HEAD, LID)
    assert max(len(one.body) for one in parts) <= BIRTH
    assert min(len(one.body) for one in parts[:-1]) > 0.9 * BIRTH
    topics = [one.topic.removeprefix("citygate/1/vaasa/library/gw1/") for one in parts]
    assert topics == ["b/climate", *(f"b/climate/{n}" for n in range(2, len(parts) + 1))]
    assert [body(one)["part"] for one in parts] == [[n, len(parts)] for n in range(1, len(parts) + 1)]
    told = {name: about for one in parts for name, about in body(one)["points"].items()}
    assert list(told) == [one.name for one in points]
    assert all(about["loc"] == [21.6, 63.1] and about["alias"] == ["x" * 80] for about in told.values())
    assert len({json.dumps(body(one) | {"points": 0, "part": 0}) for one in parts}) == 1


def test_status_names_routes_by_product_alone() -> None:
    status = Status(
        state="online", lid=LID, epoch=42, policy="3b683cb786f6", clock="ntp", software="0.1.0",
        queue=Queue(n=2, oldest=NOON, bytes=300, cap=1000),
        routes=(("city.climate", "refused:0x87"), ("city.people-flow", "ok")),
    )  # fmt: skip
    message = native().status(status)
    assert body(message)["routes"] == {"climate": "refused:0x87", "people-flow": "ok"}
    assert b"city." not in message.body
    assert message.retain


def test_a_gap_of_very_many_stretches_stays_small_and_true() -> None:
    losses = [
        Loss(why="cap", epoch=41, first=n, last=n + 1, count=2, begin=NOON + n, end=NOON + n + 2)
        for n in range(0, 9000, 3)
    ]
    message = native().gap("climate", HEAD, losses)
    (lost,) = body(message)["lost"]
    assert (lost["from"], lost["to"], lost["n"]) == (0, 8998, 6000)
    assert lost["t"] == [utc_text(NOON), utc_text(NOON + 8999)]


def test_an_unbearable_body_is_refused() -> None:
    fan = Point(name="ahu-1.fan", kind=Kind.STATE, states=tuple((n, "x" * 80) for n in range(2000)))
    known = msgspec.structs.replace(product(), points=(fan,), published=(fan,))
    with pytest.raises(ValueError, match=str(HARD)):
        native().birth(known, ROUTE, HEAD, LID)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (21.6234, 0.01, "21.62"),
        (0.30000000000000004, 0.1, "0.3"),
        (7.3, 0.25, "7.25"),
        (1236.0, 10.0, "1240"),
        (12.0, 0.0, "12"),
        (-0.2, 1.0, "0"),
        (1e300, 1e-10, "1e300"),
        (float("nan"), 0.0, "null"),
        (float("-inf"), 1.0, "null"),
        (None, 1.0, "null"),
    ],
)
def test_numbers_are_short(value: float | None, step: float, text: str) -> None:
    assert msgspec.json.encode(rounded(value, step)).decode().replace("+", "") == text


def test_the_shipped_schema_is_the_one_that_the_structs_make() -> None:
    assert native_schema() == _native_schema.build()
    CHECK.check_schema(native_schema())


def test_the_strict_reader_refuses_what_has_no_place() -> None:
    reader = _native_wire.checker(_native_wire.Batch, 3)
    good = {
        "v": 1,
        "k": "batch",
        "e": 1,
        "s": 1,
        "t": "2026-11-21T12:00:00Z",
        "w": 60,
        "c": ["p", "n", "sum"],
    }
    reader.decode(json.dumps(good | {"r": [["a.x", 1, 2.5]]}))
    for bad in (
        good | {"r": [["a.x", 1, 2.5]], "image": "iVBORw0KGgo="},
        good | {"r": [["a.x", 1, "AB-123"]]},
        good | {"r": [["a.x", 1, 2.5, 3]]},
        good | {"r": [["00:11:22:33:44:55", 1, 2.5]]},
        good | {"r": [["a.x", 1, 2.5]], "t": "yesterday"},
    ):
        with pytest.raises(msgspec.ValidationError):
            reader.decode(json.dumps(bad))
        assert list(CHECK.iter_errors(bad)) or len(bad["r"][0]) == 4  # type: ignore[index]


def test_it_is_found_by_its_name_and_keeps_the_contract() -> None:
    made: Encoding = plugin("encoding", "native")(PLACE)
    assert isinstance(made, Native)


# -- other forms


def test_each_point_can_be_a_message_of_its_own() -> None:
    made = Native(PLACE, NativeSettings(form="single"))
    figures = [
        Aggregate("door.in", NOON, 900.0, 12, (12.0,)),
        Aggregate("door.out", NOON, 900.0, None, (None,), State.SUPPRESSED),
    ]
    flow = product("door.in", "door.out", window=900.0, statistics=("sum",))
    messages = made.batch(flow, HEAD, figures)
    assert messages[0].body == (
        b'{"v":1,"k":"figure","e":42,"s":1000,"t":"2026-11-21T12:00:00Z","w":900,'
        b'"p":"door.in","n":12,"f":{"sum":12}}'
    )
    assert body(messages[1]) | {"t": 0} == {
        "v": 1, "k": "figure", "e": 42, "s": 1001, "t": 0, "w": 900, "p": "door.out", "n": None,
        "f": {"sum": None}, "x": {"q": "suppressed"},
    }  # fmt: skip
    assert {one.kind for one in messages} == {"batch"}, "the ledger keeps them as it keeps batches"
    schema_takes(messages)


def test_gzip_is_used_where_it_makes_a_message_shorter_and_says_so() -> None:
    names = tuple(f"ahu{n}.supply" for n in range(40))
    figures = [Aggregate(name, NOON, 60.0, 12, (21.6234, 19.15, 25.65)) for name in names]
    (plain,) = native().batch(product(*names), HEAD, figures)
    (packed,) = Native(PLACE, NativeSettings(gzip=True)).batch(product(*names), HEAD, figures)
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body) / 2
    assert (packed.user[-1], packed.utf8) == (("enc", "gzip"), False)
    (short,) = Native(PLACE, NativeSettings(gzip=True)).batch(product(), HEAD, figures[:1])
    assert short.utf8
    assert ("enc", "gzip") not in short.user


def test_the_same_records_are_compressed_to_the_same_bytes() -> None:
    figures = [Aggregate(f"ahu{n}.supply", NOON, 60.0, 12, (21.5,)) for n in range(40)]
    known = product(*(one.point for one in figures), statistics=("mean",))
    packed = NativeSettings(gzip=True)
    assert Native(PLACE, packed).batch(known, HEAD, figures) == Native(PLACE, packed).batch(
        known, HEAD, figures
    )


# -- any record at all

finite = st.floats(allow_nan=True, allow_infinity=True) | st.none() | st.integers(-(10**6), 10**6).map(float)
stamps = st.floats(min_value=-1e10, max_value=4e9)
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,30}\.[a-z0-9][a-z0-9_]{0,30}", fullmatch=True)


@st.composite
def figures(draw: st.DrawFn) -> tuple[Product, list[Aggregate | Event]]:
    statistics = draw(st.lists(st.sampled_from(get_args(Statistic)), min_size=1, unique=True))
    points = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    known = product(
        *points,
        window=draw(st.sampled_from([0.0, 0.5, 60.0, 900.0, 86400.0])),
        span=draw(st.sampled_from(["1m", "day", "month"])),
        statistics=tuple(statistics),
        resolution=draw(st.sampled_from([0.0, 1e-6, 0.01, 0.25, 1.0, 50.0])),
    )
    records: list[Aggregate | Event] = []
    for name in points:
        values = tuple(draw(finite) for _ in statistics)
        records.append(
            Aggregate(
                name, draw(stamps), draw(st.sampled_from([0.5, 60.0, 82800.0])),
                draw(st.none() | st.integers(0, 10**6)), values, draw(st.sampled_from(State)),
                draw(st.floats(-1, 2)), draw(st.text(max_size=40)), draw(stamps), draw(st.booleans()),
            )
        )  # fmt: skip
        records.append(
            Event(
                name, draw(st.text(max_size=40)), draw(st.text(max_size=40)), draw(stamps), draw(finite),
                draw(st.text(max_size=50)), draw(st.text(max_size=300)), draw(stamps), draw(st.booleans()),
            )
        )  # fmt: skip
    return known, records


def schema_takes(messages: Sequence[Message]) -> None:
    for message in messages:
        text = message.body.decode("utf-8")
        CHECK.validate(json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")))
        assert len(message.body) <= HARD


@settings(max_examples=60, deadline=None)
@given(figures())
def test_any_records_at_all_pass_the_schema(drawn: tuple[Product, list[Aggregate | Event]]) -> None:
    known, records = drawn
    messages = native().batch(known, HEAD, records)
    schema_takes(messages)
    assert [body(one)["s"] for one in messages] == list(range(1000, 1000 + len(messages)))
    rows = [row[0] for one in messages if one.kind == "batch" for row in body(one)["r"]]
    assert sorted(rows) == sorted(one.point for one in records if isinstance(one, Aggregate))


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_any_time_and_any_word_can_be_written(seconds: float, text: str) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", utc_text(seconds))
    assert re.fullmatch(r"[a-z0-9_]{1,32}", word(text))


# -- every released message


def corpus() -> dict[str, list[Message]]:
    """Make the messages of ``tests/cases/wire``, one list for each file."""
    made = native()
    points = ("door.in", "door.out", "side.in")
    flow = product(*points, window=900.0, span="15m", statistics=("sum",), resolution=1.0)
    window = [
        Aggregate("door.in", NOON, 900.0, 12, (12.0,)),
        Aggregate("door.out", NOON, 900.0, None, (None,), State.SUPPRESSED),
        Aggregate("side.in", NOON, 900.0, 31, (31.0,), State.PARTIAL, 0.62, "no_reply"),
    ]
    noisy = [
        Aggregate(name, NOON, 900.0, None, (value,))
        for name, value in zip(points, (14.0, -2.0, 0.0), strict=True)
    ]
    held = Aggregate("door.in", NOON - 2700, 3600.0, 60, (6.0,), State.PARTIAL, 0.75, "no_reply")
    warm = Aggregate("ahu-1.supply_temp", NOON, 60.0, 12, (21.6234, 19.15, 25.65))
    adrift = Aggregate("ahu-1.supply_temp", NOON, 60.0, 12, (21.62, 19.15, 25.65), boot=73.5, synced=False)
    every_state = [
        Aggregate("door.in", NOON, 900.0, 12, (12.0,)),
        Aggregate("door.out", NOON, 900.0, None, (None,), State.SUPPRESSED),
        Aggregate("north.in", NOON, 900.0, 0, (None,), State.NO_DATA, 0.0, "no_reply"),
        Aggregate("side.in", NOON, 900.0, 31, (31.0,), State.PARTIAL, 0.62, "no_reply"),
        Aggregate("south.in", NOON, 900.0, 15, (7.0,), State.UNCERTAIN, 1.0, "clock"),
    ]
    doors = product(*(one.point for one in every_state), window=900.0, span="15m", statistics=("sum",))
    event = Event(
        "ahu-1.filter_dp", "threshold", "warning", NOON, 251.0, "Pa", "filter pressure above 250 Pa"
    )
    many = tuple(f"meter-{n:03d}.active_power" for n in range(400))
    wide = [Aggregate(name, NOON, 60.0, 6, (0.5 * n, 0.0, 100.0)) for n, name in enumerate(many)]
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    crash = Loss(why="crash", epoch=42, first=932, last=None, count=None)
    status = Status(
        state="online", lid=LID, epoch=43, policy=HEAD.policy, clock="ntp", software="0.1.0",
        queue=Queue(n=0, oldest=None, bytes=0, cap=512_000_000), routes=(("city.climate", "ok"),),
    )  # fmt: skip
    tip = Tip(lid=LID, id=10432, hash="ab" * 32, at=NOON, policy=HEAD.policy)
    ended = msgspec.structs.replace(status, acl=("user city", "topic read citygate/1/vaasa/library/gw1/s"))
    batch = list(made.batch(product(), HEAD, [warm]))
    return {
        "batch": batch,
        "batch-late": [msgspec.structs.replace(batch[0], user=user_properties(as_row(batch[0]), late=True))],
        "batch-partial-suppressed": list(made.batch(flow, HEAD, window)),
        "batch-unsynced": list(made.batch(product(), HEAD, [adrift])),
        "batch-split": list(made.batch(product(*many), HEAD, wide)),
        "event": list(made.batch(product("ahu-1.filter_dp"), HEAD, [event])),
        "gap": [made.gap("climate", HEAD, [loss, crash])],
        "start": [made.start("climate", HEAD, Previous(epoch=41, last=8812, clean=False))],
        "start-first": [made.start("climate", HEAD, None)],
        "time": [made.time("climate", HEAD, 1795291200.12)],
        "status": [made.status(status)],
        "status-reader-ended": [made.status(ended)],
        "head": [made.head(tip, SIGNER.public, SIGNER.sign)],
        "status-offline": [made.will(LID, 43)],
        "batch-noisy": list(made.batch(flow, HEAD, noisy)),
        "replay": [asked("replay", '"lid":"3f9c0a1b","product":"climate","e":42,"from":900,"to":931')],
        "rebirth": [asked("rebirth")],
        **{f"answer-{name}": [made.answer(HEAD, one)] for name, one in ANSWERS.items()},
        "batch-held": list(made.batch(flow, HEAD, [held])),
        "figure": list(Native(PLACE, NativeSettings(form="single")).batch(flow, HEAD, window)),
        **{name: list(made.birth(guarded(one), ROUTE, HEAD, LID)) for name, one in MODES.items()},
        "batch-every-state": list(made.batch(doors, HEAD, every_state)),
        "birth-camera": list(made.birth(protected(), ROUTE, CAGED, LID)),
        "birth-parts": list(made.birth(many_points(), ROUTE, HEAD, LID)),
        "birth-states": list(made.birth(states(), ROUTE, HEAD, LID)),
    }


def asked(verb: Verb, more: str = "") -> Message:
    """Write a command as a recipient does, and see that it is read."""
    text = f'{{"v":1,"k":"{verb}"{"," if more else ""}{more}}}'.encode()
    (topic,) = [one for one, what in native().commands().items() if what == verb]
    assert native().read(verb, text).verb == verb
    return Message(topic=topic, body=text, kind=verb)


def as_row(message: Message) -> Row:
    return Row(
        id=1, route="city.climate", epoch=42, seq=1000, kind=message.kind, topic=message.topic,
        body=message.body, user=message.user, content_type=message.content_type, utf8=message.utf8,
        qos=message.qos, retain=message.retain, made=NOON, expires=NOON + 1, policy=HEAD.policy, boot=0.0,
    )  # fmt: skip


def read_states(messages: Sequence[Message]) -> dict[str, tuple[str, object]]:
    """Give each point's state and first figure, as a reader finds them."""
    (read,) = map(body, messages)
    return {row[0]: (read.get("x", {}).get(row[0], {}).get("q", "ok"), row[2]) for row in read["r"]}


def as_case(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Write messages as the corpus keeps them: the body as text, byte for byte."""
    return [
        {
            "topic": one.topic, "qos": one.qos, "retain": one.retain, "content_type": one.content_type,
            "payload_format": int(one.utf8), "user": [list(pair) for pair in one.user],
            "body": one.body.decode(),
        }
        for one in messages
    ]  # fmt: skip


def test_every_act_that_is_tried_has_a_place_in_a_birth() -> None:
    whole = Attested(refused=HOLES, worked=HOLES, unconfined=True, model="toy", sha256="0" * 64)
    head = msgspec.structs.replace(HEAD, cages=(("square", whole),))
    (message,) = native().birth(protected(), ROUTE, head, LID)
    CHECK.validate(body(message))
    assert body(message)["cages"]["square"]["worked"] == list(HOLES)


def test_the_corpus_holds_every_kind_every_topic_every_state_and_every_mode() -> None:
    messages = [one for path in CASES.glob("*.json") for one in json.loads(path.read_text("utf-8"))]
    bodies = [json.loads(one["body"]) for one in messages]
    kinds = [msgspec.structs.fields(kind) for kind in _native_wire.KINDS]
    assert {one["k"] for one in bodies} == {
        get_args(one.type)[0] for kind in kinds for one in kind if one.name == "k"
    }
    assert {one["topic"].split("/")[5] for one in messages} == {"s", "b", "d", "l", "r", "c"}
    marks = {mark["q"] for one in bodies if one["k"] == "batch" for mark in one.get("x", {}).values()}
    assert marks == {*State} - {State.OK}
    modes = {one["privacy"]["mode"] for one in bodies if one["k"] == "birth"}
    assert modes == {mode.replace("-", "_") for mode in get_args(Mode)}


@pytest.mark.parametrize("name", sorted(corpus()))
def test_the_corpus_is_written_byte_for_byte(name: str) -> None:
    kept = json.loads((CASES / f"{name}.json").read_text("utf-8"))
    for one in kept:  # the schema's hash stands in the birth: a new optional field changes it rightly
        one["body"] = re.sub(r"citygate-1\.\d+#[0-9a-f]{12}", "citygate-1.*", one["body"])
    made = as_case(corpus()[name])
    for one in made:
        one["body"] = re.sub(r"citygate-1\.\d+#[0-9a-f]{12}", "citygate-1.*", one["body"])
    assert made == kept


@pytest.mark.parametrize("path", sorted(CASES.glob("*.json")), ids=lambda path: path.stem)
def test_every_released_message_passes_todays_schema(path: Path) -> None:
    for one in json.loads(path.read_text("utf-8")):
        CHECK.validate(json.loads(one["body"]))


def test_every_example_of_the_description_passes_the_schema() -> None:
    page = (Path(__file__).parents[3] / "docs" / "city" / "native.md").read_text("utf-8")
    examples = [line for line in page.splitlines() if line.startswith('{"v":1')]
    assert {json.loads(line)["k"] for line in examples} == {
        "batch", "event", "gap", "start", "time", "status", "birth", "head", "figure",
        "replay", "rebirth", "answer",
    }  # fmt: skip
    for line in examples:
        CHECK.validate(json.loads(line))


@pytest.mark.parametrize("why", [one for one in get_args(Why) if one])
def test_every_refusal_has_a_sentence_that_the_schema_takes(why: Why) -> None:
    message = native().answer(HEAD, Answer(verb="replay", outcome="refused", why=why))
    CHECK.validate(body(message))
    assert body(message)["text"] == TEXTS[why]
    assert (message.topic, message.retain) == ("citygate/1/vaasa/library/gw1/r", False)


LOSS: Final = Loss(why="cap", epoch=42, first=1, last=2, count=2)


def test_a_numbering_of_answers_is_theirs_alone() -> None:
    for made in (native().start(COMMANDS, HEAD, None), native().gap(COMMANDS, HEAD, [LOSS])):
        assert made.topic == "citygate/1/vaasa/library/gw1/r"


def test_a_step_beyond_all_numbers_leaves_a_value_as_it_is() -> None:
    assert rounded(1e308, 3e-9) == 1e308
    assert rounded(10.1, 0.25) == 10.0


def test_the_number_of_an_asset_is_among_the_names_of_a_point() -> None:
    labelled = Point(name="ahu-1.t", label="Supply air", asset="V-1017")
    birth = native().birth(replace(product(), points=(labelled,), published=(labelled,)), ROUTE, HEAD, LID)
    [about] = [one["points"]["ahu-1.t"] for one in map(body, birth) if "ahu-1.t" in one.get("points", {})]
    assert about["alias"] == ["Supply air", "asset:V-1017"]
