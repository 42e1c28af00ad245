"""Places agree with what tomllib reads, however a document is written."""

from __future__ import annotations

import tomllib
from datetime import date, datetime, time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.locate import locate
from agent.config.spans import Path, Place, Span

KEYS = st.text("abcABC019-_", min_size=1, max_size=4) | st.text("ab .#=]['\"\\\té", max_size=4)
GAPS = st.sampled_from(["", " ", "\t ", "  "])
LINES = st.sampled_from(["", "\n", "# a comment = [1] 'x'\n", "\n   \n#\n", "   "])


def quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(one):04x}" if one in '"\\\t' else one for one in text) + '"'


@st.composite
def keys(draw: st.DrawFn, name: str) -> str:
    forms = [quoted(name)]
    if name and all(one in "abcABC019-_" for one in name):
        forms.append(name)
    if not set(name) & {"'", "\n"}:
        forms.append(f"'{name}'")
    gap = draw(GAPS)
    return gap + draw(st.sampled_from(forms)) + gap


SCALARS = st.one_of(
    st.integers(-10, 10_000).map(str),
    st.sampled_from(
        [
            "true", "0xff_ff", "1_000", "-inf", "nan", "6.5e-3", "1979-05-27", "07:32:00.5",
            "1979-05-27 07:32:00Z", "1979-05-27T07:32:00", '""', "''", '"a # b, ] }"', "'it is \\'",
            '"\\" \\\\"', '"""a\n"" \\""" b""""', "'''\na ''\nb'''", '"""]\n[x]\n"""', "''''a'''''",
        ]
    ),
)  # fmt: skip


@st.composite
def inline_values(draw: st.DrawFn, depth: int = 2) -> str:
    kind = draw(st.sampled_from(["scalar", "scalar", "list", "table"])) if depth else "scalar"
    if kind == "list":
        blank = st.sampled_from(["", " ", "\n", " # one, two ]\n\t"])
        items = draw(st.lists(inline_values(depth - 1), max_size=3))
        body = ",".join(draw(blank) + one + draw(blank) for one in items)
        return f"[{body}{draw(st.sampled_from(['', ','])) if items else ''}{draw(blank)}]"
    if kind == "table":
        names = draw(st.lists(KEYS, max_size=3, unique=True))
        pairs = [f"{draw(keys(name))}={draw(GAPS)}{draw(inline_values(depth - 1))}" for name in names]
        return "{" + ",".join(pairs) + " }"
    return draw(SCALARS)


@st.composite
def documents(draw: st.DrawFn) -> str:
    lines = [draw(LINES)]
    for _ in range(draw(st.integers(0, 6))):
        path = ".".join(draw(keys(name)) for name in draw(st.lists(KEYS, min_size=1, max_size=3)))
        match draw(st.sampled_from(["table", "array", "pair", "pair"])):
            case "table":
                lines.append(f"{draw(GAPS)}[{path}]{draw(GAPS)}# [no] table")
            case "array":
                lines.append(f"[[{path}]]")
            case _:
                lines.append(f"{path}={draw(GAPS)}{draw(inline_values())}{draw(GAPS)}")
        lines.append(draw(LINES))
    text = "\n".join(lines)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def paths(value: object, path: Path = ()) -> dict[Path, object]:
    found: dict[Path, object] = {path: value} if path else {}
    if isinstance(value, dict):
        for key, one in value.items():
            found |= paths(one, (*path, key))
    if isinstance(value, list):
        for index, one in enumerate(value):
            found |= paths(one, (*path, index))
    return found


def same(one: object, other: object) -> bool:
    return repr(one) == repr(other)  # nan is not equal to itself


@given(documents())
@settings(max_examples=150, deadline=None)
def test_every_path_that_tomllib_reads_has_a_place_and_no_other_has(text: str) -> None:
    try:
        read = paths(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return
    assert locate(text).keys() == read.keys()


@given(documents())
@settings(max_examples=150, deadline=None)
def test_the_text_at_a_place_reads_as_the_value_of_its_path(text: str) -> None:
    text = text.replace("\r\n", "\n")
    try:
        read = paths(tomllib.loads(text))
    except tomllib.TOMLDecodeError:
        return
    lines = text.split("\n")
    for path, place in locate(text).items():
        key, value = (cut(lines, span) for span in (place.key, place.value))
        if isinstance(path[-1], str):
            assert tomllib.loads(f"{key} = 1") == {path[-1]: 1}
        if isinstance(read[path], (str, int, float, bool, date, time, datetime)) and "\n" not in whole(
            text, place
        ):
            assert same(tomllib.loads(f"x = {value}")["x"], read[path])


def cut(lines: list[str], span: Span) -> str:
    return lines[span.line - 1][span.column - 1 : span.column - 1 + span.length]


def whole(text: str, place: Place) -> str:
    """Give the value's line from its start, or a line break when the value may go on below."""
    line = text.split("\n")[place.value.line - 1][place.value.column - 1 :]
    return "\n" if line.startswith(('"""', "'''")) else line


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("a = 1", ("a",), (1, 1, 1, 5, 1)),
        ('[link.hall]\nhost = "x"  # y', ("link", "hall", "host"), (2, 1, 4, 8, 3)),
        ("[link.hall]", ("link",), (1, 2, 4, 2, 4)),
        ("[link.hall]", ("link", "hall"), (1, 7, 4, 1, 11)),
        ("[[a]]\n[[a]]\nb = 2", ("a", 1, "b"), (3, 1, 1, 5, 1)),
        ("a = [\n  1,\n  { b = 2 },\n]", ("a", 1, "b"), (3, 5, 1, 9, 1)),
        ('a = """x\ny"""', ("a",), (1, 1, 1, 5, 4)),
    ],
)
def test_a_place_is_counted_as_editors_count(
    text: str, path: Path, expected: tuple[int, int, int, int, int]
) -> None:
    place = locate(text)[path]
    line, key, key_length, value, value_length = expected
    assert place == Place(Span(line, key, key_length), Span(line, value, value_length))


def test_a_large_file_is_located_in_no_time() -> None:
    tables: list[str] = [f'[device.d{n}]\nlink = "a"\nunit = {n}\nevery = "10s"' for n in range(500)]
    found: dict[Path, Any] = {**locate("\n".join(tables))}
    assert len(found) == 1 + 500 * 4
