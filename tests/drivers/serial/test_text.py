"""Lines are cut whole; what is too long or no text is dropped."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.serial.text import Encoding, LineParser


def texts(data: bytes, *, longest: int = 100, encoding: Encoding = "utf-8") -> list[str]:
    return [line.text for line in LineParser(longest, encoding).feed(data)]


def test_lines_are_cut_at_their_ends_of_either_kind() -> None:
    assert texts(b"one\r\ntwo\nthree\r\n\r\n  four \nfi") == ["one", "two", "three", "four"]


def test_only_the_first_line_may_have_lost_its_begin() -> None:
    parser = LineParser(100, "utf-8")
    assert [line.whole for line in parser.feed(b"f=1\nhalf=2\n") + parser.feed(b"half=3\n")] == [
        False,
        True,
        True,
    ]


def test_a_line_that_is_too_long_is_dropped_and_the_next_one_kept() -> None:
    parser = LineParser(16, "utf-8")
    lines = parser.feed(b"x" * 17 + b"\n" + b"y" * 16 + b"\r\n")
    assert [line.text for line in lines] == ["y" * 16]
    assert parser.counts.malformed == 1
    assert parser.counts.noise_bytes == 17


@pytest.mark.parametrize(("encoding", "text"), [("utf-8", "21.5 °C"), ("latin-1", "21.5 °C")])
def test_bytes_are_letters_in_the_chosen_encoding(encoding: Encoding, text: str) -> None:
    assert texts(text.encode(encoding) + b"\n", encoding=encoding) == [text]


@pytest.mark.parametrize(
    ("encoding", "data"), [("utf-8", b"\xff1"), ("ascii", b"\xc2\xb0"), ("latin-1", b"a\0")]
)
def test_what_is_no_text_is_dropped(encoding: Encoding, data: bytes) -> None:
    parser = LineParser(100, encoding)
    assert not parser.feed(data + b"\n")
    assert (parser.counts.malformed, parser.counts.frames) == (1, 0)


def test_bytes_without_lines_give_a_hint_until_a_line_comes() -> None:
    parser = LineParser(100, "utf-8")
    parser.feed(b"\xf0\xf1" * 1000)
    assert "baud" in parser.hint
    parser.feed(b"\nhello\n")
    assert not parser.hint


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=300) | st.sampled_from([b"\n", b"\r\n", b"x" * 5000])))
def test_any_bytes_are_survived_and_hardly_kept(parts: list[bytes]) -> None:
    parser = LineParser(64, "utf-8")
    for part in parts:
        for line in parser.feed(part):
            assert len(line.text.encode()) <= 64
        assert len(parser._rest) <= 66


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)),
    st.lists(st.integers(0, 1000), max_size=20),
)
def test_every_line_is_found_however_it_is_cut(lines: list[str], cuts: list[int]) -> None:
    data = b"".join(f"{line}\r\n".encode() for line in lines)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    parser = LineParser(100, "utf-8")
    found = [line.text for begin, end in pairwise(places) for line in parser.feed(data[begin:end])]
    assert found == lines
