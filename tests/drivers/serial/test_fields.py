"""Fields of lines become numbers or reasons, and patterns that could hang are refused."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.serial.fields import FieldWant, LineDevice, Speech, compiled, number
from drivers.serial.text import Line

WORDS = {"open": 1.0, "closed": 0.0}


def want(
    name: str, key: str = "", *, scale: float = 1.0, offset: float = 0.0, counts: bool = False
) -> FieldWant:
    return FieldWant(name=name, key=key or name, words=WORDS, scale=scale, offset=offset, counts=counts)


def heard(
    device: LineDevice, text: str, at: float = 1.0, *, whole: bool = True
) -> dict[str, float | None] | None:
    said = device.hear(Line(text, whole), at)
    return None if said is None else {one.point: one.value for one in said.fresh}


@pytest.mark.parametrize(
    ("given_", "value"),
    [
        (21.5, 21.5), (3, 3.0), (True, 1.0), (False, 0.0), ("21.5", 21.5), ("21,5", 21.5), (" -3 ", -3.0),
        ("1e3", 1000.0), ("+.5", 0.5), ("open", 1.0), ("closed", 0.0), ("7.", 7.0),
    ],
)  # fmt: skip
def test_what_is_a_number_or_a_known_word_counts(given_: object, value: float) -> None:
    assert number(given_, want("x")) == (value, "")


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        (None, "not_available"), ("", "not_available"), ("--", "not_available"), ("NaN", "not_available"),
        ("ajar", "malformed"), ([1], "malformed"), ({}, "malformed"), ("1_000", "malformed"),
        ("inf", "malformed"), ("0x10", "malformed"), ("1.2.3", "malformed"), ("1e999", "malformed"),
        (10**400, "malformed"), (math.inf, "malformed"),
    ],
)  # fmt: skip
def test_what_is_no_number_gives_a_reason(given_: object, why: str) -> None:
    assert number(given_, want("x")) == (None, why)


def test_a_json_object_is_taken_apart_by_keys_and_paths() -> None:
    wants = [want("t", "main.temp"), want("h", "list.1"), want("p", "a.b"), want("door", scale=2, offset=1)]
    device = LineDevice("d", Speech(every=10.0), wants)
    text = json.dumps({"main": {"temp": 21.5}, "list": [0, 40], "a.b": 7, "door": "open", "x": None})
    assert heard(device, text) == {"d.t": 21.5, "d.h": 40.0, "d.p": 7.0, "d.door": 3.0}


def test_a_line_may_hold_some_points_only_and_must_hold_one() -> None:
    device = LineDevice("d", Speech(every=10.0), [want("t"), want("h")])
    assert heard(device, '{"t": 1}') == {"d.t": 1.0}
    assert heard(device, '{"x": 1}') is None


@pytest.mark.parametrize(
    "text", ["", "hello", "[1]", "1", '{"t": 1', "[" * 4000, '{"a":' * 600, '{"t": NaN}']
)
def test_what_is_no_json_object_is_nobodys(text: str) -> None:
    assert heard(LineDevice("d", Speech(every=10.0), [want("t")]), text) is None


def test_devices_share_a_line_by_where() -> None:
    device = LineDevice("d", Speech(every=10.0, where={"id": "17", "ok": "true"}), [want("t")])
    assert heard(device, '{"id": 17, "ok": true, "t": 1}') == {"d.t": 1.0}
    assert heard(device, '{"id": 18, "ok": true, "t": 1}') is None
    assert heard(device, '{"ok": true, "t": 1}') is None


def test_a_pattern_finds_its_groups_anywhere_in_a_line() -> None:
    pattern = compiled(r"T=(?P<t>-?[0-9.]+)(?: H=(?P<h>[0-9.]+))?")
    device = LineDevice("d", Speech(every=10.0, pattern=pattern), [want("t"), want("h")])
    assert heard(device, "# T=-2.5 H=40") == {"d.t": -2.5, "d.h": 40.0}
    assert heard(device, "T=3") == {"d.t": 3.0}
    assert heard(device, "nothing") is None


def test_a_pattern_does_not_see_a_line_that_may_have_lost_its_begin() -> None:
    device = LineDevice("d", Speech(every=10.0, pattern=re.compile("(?P<t>[0-9.]+)")), [want("t")])
    assert heard(device, "1.5", whole=False) is None
    assert heard(LineDevice("d", Speech(every=10.0), [want("t")]), '{"t": 1}', whole=False) == {"d.t": 1.0}


def test_samples_come_at_most_so_often_but_every_count_counts() -> None:
    device = LineDevice("d", Speech(every=1.0, at_most=5.0), [want("t"), want("n", counts=True)])
    got = [heard(device, '{"t": 1, "n": 1}', at) for at in (0.0, 1.0, 4.0, 5.0, 6.0)]
    assert [sorted(one or {}) for one in got] == [
        ["d.n", "d.t"], ["d.n"], ["d.n"], ["d.n", "d.t"], ["d.n"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("(", "pattern: missing"),
        ("T=([0-9]+)", "no named group"),
        (r"(?P<a>(x+)+)y", "the group that ends at character 10 repeats"),
        (r"(?P<a>\d)(,\d+)*$", "repeats"),
        (r"(?P<a>\d)(?:a|a){2,}$", "repeats"),
        ("(?P<a>a){99999999999}", "pattern:"),
    ],
)
def test_a_pattern_that_is_none_or_may_never_end_is_refused(pattern: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        compiled(pattern)


@pytest.mark.parametrize(
    "pattern", [r"(?P<a>[)+*]+)", r"\((?P<a>\d+)\)+", r"[(](?P<a>[^)]*)", r"(?P<a>x)?", "(?P<a>[])]+)"]
)
def test_a_pattern_that_repeats_characters_only_is_taken(pattern: str) -> None:
    assert compiled(pattern)


FIELDS = st.dictionaries(
    st.sampled_from(["t", "h"]), st.floats() | st.integers() | st.text() | st.none() | st.lists(st.integers())
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.builds(json.dumps, FIELDS))
def test_any_line_gives_finite_numbers_or_reasons(text: str) -> None:
    for speech in (Speech(every=1.0), Speech(every=1.0, pattern=re.compile("(?P<t>.*)(?P<h>.*)"))):
        said = LineDevice("d", speech, [want("t"), want("h", scale=1e300)]).hear(Line(text, whole=True), 1.0)
        for sample in said.fresh if said else ():
            assert sample.why if sample.value is None else math.isfinite(sample.value)


def test_where_the_line_is_lost_every_point_is_missed() -> None:
    one = LineDevice("air", Speech(every=0.0), [want("t"), want("rh")])
    assert list(one.missed()) == ["air.t", "air.rh"]
