"""A device is of a type when it answers as that type does."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.modbus.identify import Check, checks, text_of


@pytest.mark.parametrize(
    ("keys", "wire", "fits"),
    [
        ({"values": [1648, 1651]}, "0673", True),
        ({"values": [1648, 1651]}, "0672", False),
        ({"values": [0x42323320], "type": "u32"}, "42323320", True),
        ({"values": [0x42323320], "type": "u32", "byte_order": "CDAB"}, "33204232", True),
        ({"values": [65535]}, "ffff", True),  # an identity is never "not available"
        ({"values": [7]}, "00070007", False),
        ({"text": ["iem31", "iEM32"], "words": 4}, "69454d3332353500", True),
        ({"text": ["iEM32"], "words": 4}, "69454d3333353500", False),
        ({"text": ["iEM32"], "words": 4, "byte_order": "BADC"}, "4569334d35320035", True),
        ({"text": ["iEM32"], "words": 4}, "69454d33", False),
    ],
)
def test_a_check_fits_what_the_device_answers(keys: dict[str, Any], wire: str, *, fits: bool) -> None:
    assert Check(addr=0, **keys).fits(bytes.fromhex(wire)) == fits


def test_a_check_reads_exactly_its_own_width() -> None:
    assert Check(addr=11, values=(1648,)).count == 1
    assert Check(addr=0, type="u64", values=(1,)).count == 4
    assert Check(addr=0, text=("ABB",), words=8).count == 8


def test_the_identify_table_of_a_profile_is_read_whole() -> None:
    one, other = checks({"type": {"addr": 35168, "values": [1]}, "maker": {"addr": 48, "text": ["ABB"]}})
    assert (one.addr, other.text) == (35168, ("ABB",))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"addr": 1}, "values or text"),
        ({"addr": 1, "values": [1], "text": ["a"]}, "values or text"),
        ({"addr": 1, "text": ["  "]}, "begins with an empty one"),
        ({"addr": 1, "valeus": [1]}, "valeus"),
    ],
)
def test_a_check_that_tells_nothing_is_refused(keys: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        checks({"model": keys})


def test_text_of_a_device_can_be_shown_as_it_is() -> None:
    assert text_of(b"SDM\x1b630  \0\0rest") == "SDM?630"
