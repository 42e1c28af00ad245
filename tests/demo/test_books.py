"""The city's books follow the rule for consumers."""

from __future__ import annotations

from typing import Any

from agent.demo.books import Books

TOPIC = "citygate/1/demo/library/gw1/d/energy"


def batch(number: int, epoch: int = 1) -> dict[str, Any]:
    return {"k": "batch", "e": epoch, "s": number}


def test_a_message_that_comes_twice_counts_once() -> None:
    books = Books()
    assert books.enter(TOPIC, batch(1), [])
    assert not books.enter(TOPIC, batch(1), [])
    assert (len(books.batches), books.repeats) == (1, 1)


def test_a_skipped_number_is_a_hole_until_it_comes() -> None:
    books = Books()
    for number in (1, 4, 3):
        books.enter(TOPIC, batch(number), [])
    assert books.holes == 1
    assert books.enter(TOPIC, batch(2), [])
    assert books.holes == 0


def test_each_epoch_and_product_is_numbered_on_its_own() -> None:
    books = Books()
    books.enter(TOPIC, batch(7), [])
    books.enter(TOPIC, batch(1, epoch=2), [])
    books.enter(f"{TOPIC}-more", batch(1), [])
    assert (books.holes, books.repeats, len(books.batches)) == (0, 0, 3)


def test_a_message_against_the_schema_is_not_booked() -> None:
    books = Books()
    assert not books.enter(TOPIC, batch(1), ["$.x: too much"])
    assert books.faults == [f"{TOPIC}: $.x: too much"]
    assert not books.batches


def test_a_gap_is_kept_with_what_it_declares() -> None:
    books, gap = Books(), {"k": "gap", "e": 1, "s": 1}
    assert books.enter(TOPIC, gap, [])
    assert books.gaps == [gap]
