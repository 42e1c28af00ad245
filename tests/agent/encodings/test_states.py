"""What every encoding must keep apart, whichever there are: states, late windows, losses, and who is there.

Each encoding's own test file offers ``read_states``: how its platform reads a window back. A new encoding
cannot escape: without a reader there is no passing here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final, get_args

import pytest
from msgspec.structs import replace

from agent.core.message import Encoding, Head, Late, Loss, Message, Place, Queue, Status
from agent.core.plan import Recipient
from agent.core.point import Kind, Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, State
from agent.registry import encoder, kinds, plugin

NOON: Final = 1795262400.0
PLACE: Final = Place(city="vaasa", site="library", gateway="gw1", location=(21.6, 63.1))
HEAD: Final = Head(epoch=42, seq=1000, policy="3b683cb786f6", boot_id="6f1c22ab")
ROUTE: Final = Route(
    recipient="city", product="people", grant="ops", purpose="operations", basis="task", keep=3600.0
)
STATES: Final = (State.OK, State.SUPPRESSED, State.PARTIAL, State.NO_DATA, State.UNCERTAIN)
FIGURES: Final = [
    Aggregate("door.ok", NOON, 900.0, 15, (0.0,)),
    Aggregate("door.suppressed", NOON, 900.0, None, (None,), State.SUPPRESSED),
    Aggregate("door.partial", NOON, 900.0, 8, (0.0,), State.PARTIAL, 0.5, "no_reply"),
    Aggregate("door.no_data", NOON, 900.0, 0, (None,), State.NO_DATA, 0.0, "no_reply"),
    Aggregate("door.uncertain", NOON, 900.0, 15, (0.0,), State.UNCERTAIN, 1.0, "clock"),
]
every_encoding: Final = pytest.mark.parametrize("kind", kinds("encoding"))


def people() -> Product:
    points = tuple(Point(name=one.point, kind=Kind.COUNT, quantity="passages") for one in FIGURES)
    return Product(
        id="people", points=points, published=points, steps=(), window=900.0, span="15m",
        statistics=("sum",),
    )  # fmt: skip


def example(kind: str) -> Any:  # noqa: ANN401 - the settings of any encoding
    """Give settings that work: the defaults, or what its test file says where there are none."""
    made = getattr(own_tests(kind), "EXAMPLE", None)
    return made if made is not None else plugin("encoding", kind).settings_type()


def own_tests(kind: str) -> Any:  # noqa: ANN401 - a module
    return import_module(f"tests.agent.encodings.test_{kind.replace('-', '_')}")


def made(kind: str) -> Encoding:
    return encoder(Recipient(name="city", host="b", port=1, encoding=kind, style=example(kind)), PLACE)


@every_encoding
def test_ok_suppressed_partial_and_missing_are_different_things_on_every_platform(kind: str) -> None:
    read: Callable[[Sequence[Message]], dict[str, tuple[str, object]]] = own_tests(kind).read_states
    found = read(made(kind).batch(people(), HEAD, FIGURES))
    assert {name: state for name, (state, _) in found.items()} == {f"door.{one}": one for one in STATES}
    assert {name: value for name, (_, value) in found.items()} == {
        "door.ok": 0, "door.suppressed": None, "door.partial": 0, "door.no_data": None, "door.uncertain": 0,
    }, "zero is a figure; what is withheld or missing is none"  # fmt: skip


@every_encoding
def test_a_withheld_count_is_nowhere_in_the_bytes(kind: str) -> None:
    hidden = [Aggregate("door.suppressed", NOON, 900.0, None, (None,), State.SUPPRESSED)]
    shown = [Aggregate("door.suppressed", NOON, 900.0, 15, (3777.0,))]
    numbered = [
        b"".join(one.body for one in made(kind).batch(people(), HEAD, figures)) for figures in (hidden, shown)
    ]
    assert numbered[0] != numbered[1]
    assert b"3777" not in numbered[0]


@every_encoding
def test_an_encoding_says_how_late_windows_travel(kind: str) -> None:
    assert made(kind).late in get_args(Late)


@every_encoding
def test_a_loss_is_told_on_every_platform(kind: str) -> None:
    loss = Loss(why="cap", epoch=42, first=900, last=931, count=32, begin=NOON - 3600, end=NOON)
    message = made(kind).gap("people", HEAD, [loss])
    assert message.kind == "gap"
    assert message.body


@every_encoding
def test_messages_are_numbered_one_by_one_and_the_same_records_give_the_same_bytes(kind: str) -> None:
    event = Event("door.ok", "threshold", "warning", NOON, 5.0, "1", "above")
    first = made(kind).batch(people(), HEAD, [*FIGURES, event])
    assert first == made(kind).batch(people(), HEAD, [*FIGURES, event])
    assert {one.kind for one in first} == {"batch", "event"}
    numbers = [int(dict(one.user)["id"].rpartition("/")[2]) for one in first]
    assert numbers == list(range(1000, 1000 + len(first))), "MQTT 5 carries the id on every platform"
    assert all(dict(one.user)["policy"] == HEAD.policy for one in first)


@every_encoding
def test_a_time_by_a_clock_that_nobody_has_set_is_told_as_such_on_every_platform(kind: str) -> None:
    event = Event("door.ok", "threshold", "warning", NOON, 5.0, "1", "above")
    for record in (FIGURES[0], event):
        if kind == "template" and record is not event:
            continue  # whoever writes the payload decides whether it holds $clock
        sure, adrift = (
            made(kind).batch(people(), HEAD, [replace(record, synced=synced)])[0].body
            for synced in (True, False)
        )
        assert sure != adrift, record
        assert re.search(rb'"clock|:clock|"tq"|Clock/|[Uu]nsynced', adrift)
        assert not re.search(rb'"clock|:clock|"tq"|Clock/|[Uu]nsynced', sure)


@every_encoding
def test_an_event_whose_value_is_no_number_has_none_on_every_platform(kind: str) -> None:
    event = Event("door.ok", "fault", "warning", NOON, 5.0, "1", "above")
    there = made(kind).batch(people(), HEAD, [replace(event, value=77.25)])[0]
    for nothing in (None, float("nan"), float("inf")):
        [message] = made(kind).batch(people(), HEAD, [replace(event, value=nothing)])
        assert message.body != there.body
        assert b"77.25" not in message.body
        assert not {b"NaN", b"nan", b"Infinity", b"inf"} & set(re.findall(rb"[A-Za-z]+", message.body))


@every_encoding
def test_a_figure_is_never_retained(kind: str) -> None:
    assert not any(one.retain for one in made(kind).batch(people(), HEAD, FIGURES)), (
        "it would outlive its retention"
    )


@every_encoding
def test_being_there_and_being_gone_are_said_on_the_same_topic(kind: str) -> None:
    status = Status(
        state="online", lid="3f9c0a1b", epoch=42, policy=HEAD.policy, clock="ntp", software="0.1.0",
        queue=Queue(n=0, oldest=None, bytes=0, cap=1), routes=(("city.people", "ok"),),
    )  # fmt: skip
    one = made(kind)
    there, gone = one.status(status), one.will("3f9c0a1b", 42)
    assert there.body != gone.body
    assert (there.topic == gone.topic) == (kind != "sparkplug-b"), "Sparkplug has a topic for deaths"
    births = one.birth(people(), ROUTE, HEAD, "3f9c0a1b")
    assert {message.kind for message in births} <= {"birth"}


@every_encoding
def test_topics_have_no_wildcards_and_few_levels(kind: str) -> None:
    one = made(kind)
    births = one.birth(people(), ROUTE, HEAD, "3f9c0a1b")
    for message in (*one.batch(people(), HEAD, FIGURES), *births, one.will("3f9c0a1b", 42)):
        assert not set("+#\0") & set(message.topic)
        assert message.topic.count("/") <= 7, "what AWS IoT Core allows"
