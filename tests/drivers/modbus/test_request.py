"""A reply has the size that was asked for, and a refusal is an answer, a hint to wait, or neither."""

from __future__ import annotations

import pytest

from drivers.modbus.request import UNSURE, Fault, Request, bytes_of, why


@pytest.mark.parametrize(("bits", "size"), [(1, 1), (7, 1), (8, 1), (9, 2), (16, 2), (17, 3), (2000, 250)])
def test_bits_come_eight_to_a_byte_and_the_last_byte_may_be_half_empty(bits: int, size: int) -> None:
    assert bytes_of("coil", bits) == bytes_of("discrete", bits) == size
    assert Request(1, "coil", 0, bits).reply_bytes == size


def test_registers_come_two_bytes_each() -> None:
    assert [bytes_of(table, 125) for table in ("holding", "input")] == [250, 250]


@pytest.mark.parametrize(
    ("code", "word", "busy", "silent"),
    [
        (0, "no_reply", False, True),
        (1, "exception", False, False),
        (2, "illegal_address", False, False),
        (3, "exception", False, False),
        (4, "exception", False, False),
        (5, "busy", True, False),
        (6, "busy", True, False),
        (10, "no_reply", False, True),
        (11, "no_reply", False, True),
    ],
)
def test_each_exception_has_its_word_and_says_whether_the_device_spoke(
    code: int, word: str, *, busy: bool, silent: bool
) -> None:
    fault = Fault(why(code) if code else "no_reply", 0.0, code)
    assert (fault.why, fault.busy, fault.silent) == (word, busy, silent)
    assert not Fault(UNSURE, 0.0).silent, "a refusal came, though nobody knows of what"
