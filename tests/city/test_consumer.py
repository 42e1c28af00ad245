"""The consumer's library, in Python and JavaScript: repetitions dropped, holes found, losses told apart."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.city.libraries import KINDS, Library

ROOT: Final = "citygate/1/vaasa/library/gw1"
DATA: Final = f"{ROOT}/d/energy"
LID: Final = "3f9c0a1b"


@pytest.fixture(scope="module", params=list(KINDS))
def one(request: pytest.FixtureRequest) -> Iterator[Library]:
    made = KINDS[request.param]()
    yield made
    made.close()


@pytest.fixture
def library(one: Library) -> Library:
    one.call(call="new")
    return one


def say(library: Library, body: dict[str, Any], topic: str = DATA) -> object:
    return library.call(call="take", topic=topic, body=json.dumps(body).encode())


def batch(e: int, s: int) -> dict[str, Any]:
    return {"v": 1, "k": "batch", "e": e, "s": s, "r": []}


def start(e: int, before: tuple[int, int] | None = None, s: int = 1) -> dict[str, Any]:
    prev = {"e": before[0], "last": before[1], "clean": True} if before else None
    return {"v": 1, "k": "start", "e": e, "s": s, "prev": prev}


def gap(e: int, s: int, *lost: tuple[int, int, int | None]) -> dict[str, Any]:
    told = [{"why": "cap", "e": run, "from": first, "to": last} for run, first, last in lost]
    return {"v": 1, "k": "gap", "e": e, "s": s, "lost": told}


def status(lid: str = LID) -> dict[str, Any]:
    return {"v": 1, "k": "status", "state": "online", "lid": lid, "e": 1}


def holes(library: Library) -> list[Any]:
    return [(epoch, found) for _, _, epoch, found in library.call(call="holes")]


def test_what_was_here_before_is_dropped_wherever_it_comes_from(library: Library) -> None:
    assert say(library, start(1)) is not None
    assert say(library, batch(1, 2)) == batch(1, 2)
    assert say(library, batch(1, 2)) is None
    assert say(library, batch(1, 2), f"{ROOT}/r/energy") is None
    assert say(library, batch(1, 3), f"{ROOT}/r/energy") is not None
    assert holes(library) == []


def test_a_hole_is_what_is_neither_here_nor_declared(library: Library) -> None:
    for body in (start(1), batch(1, 2), batch(1, 9), gap(1, 10, (1, 4, 5))):
        say(library, body)
    assert holes(library) == [(1, [[3, 3], [6, 8]])]
    say(library, batch(1, 7))
    assert holes(library) == [(1, [[3, 3], [6, 6], [8, 8]])]


def test_what_was_declared_lost_and_comes_all_the_same_is_taken_once(library: Library) -> None:
    for body in (start(1), gap(1, 4, (1, 2, 3))):
        say(library, body)
    assert say(library, batch(1, 2)) is not None
    assert say(library, batch(1, 2)) is None


def test_a_start_closes_the_run_before_it(library: Library) -> None:
    for body in (start(1), batch(1, 2), start(2, (1, 5))):
        say(library, body)
    assert holes(library) == [(1, [[3, 5]])]


def test_a_run_that_passed_by_unheard_is_found_through_the_next(library: Library) -> None:
    for body in (start(1), batch(1, 2), start(3, (2, 4))):
        say(library, body)
    assert holes(library) == [(2, [[1, 4]])]
    say(library, start(2, (1, 3)), f"{ROOT}/r/energy")
    assert sorted(holes(library)) == [(1, [[3, 3]]), (2, [[2, 4]])]


def test_what_was_before_our_time_is_no_hole(library: Library) -> None:
    say(library, batch(7, 500))
    say(library, gap(7, 501, (5, 3, 8), (7, 20, 30)))
    assert holes(library) == []
    assert say(library, batch(7, 499)) is not None  # history that comes all the same is taken


def test_a_run_before_the_first_that_we_saw_is_no_hole_either(library: Library) -> None:
    say(library, start(7, (6, 50)))
    assert holes(library) == []


def test_no_more_is_asked_at_once_than_a_gateway_takes(library: Library) -> None:
    say(library, status(), f"{ROOT}/s")
    for product in range(6):
        for body in (start(1), batch(1, 3)):
            say(library, body, f"{ROOT}/d/p{product}")
    library.call(call="wishes", now=0.0)
    asked = [library.call(call="wishes", now=at) for at in (31.0, 91.0, 151.0)]
    assert [len(one) for one in asked] == [4, 2, 0]
    assert len({wish["product"] for one in asked for _, wish in one}) == 6


def test_a_crash_declares_no_numbers(library: Library) -> None:
    for body in (start(1), batch(1, 2), start(2, (1, 2)), gap(2, 2, (1, 3, None))):
        say(library, body)
    assert holes(library) == []


def test_another_outbox_begins_anew(library: Library) -> None:
    say(library, status(), f"{ROOT}/s")
    for body in (start(1), batch(1, 7)):
        say(library, body)
    say(library, status("00000001"), f"{ROOT}/s")
    assert holes(library) == []
    assert say(library, start(1)) is not None


def test_holes_are_asked_for_after_a_while_and_not_too_often(library: Library) -> None:
    say(library, status(), f"{ROOT}/s")
    for body in (start(1), batch(1, 4), batch(1, 9)):
        say(library, body)
    assert library.call(call="wishes", now=100.0) == []
    assert library.call(call="wishes", now=129.0) == []
    wish = {"v": 1, "k": "replay", "lid": LID, "product": "energy", "e": 1, "from": 2, "to": 8}
    assert library.call(call="wishes", now=131.0) == [[f"{ROOT}/c/replay", wish]]
    assert library.call(call="wishes", now=140.0) == []
    assert library.call(call="wishes", now=432.0) == [[f"{ROOT}/c/replay", wish]]
    for number in (2, 3, 5, 6, 7, 8):
        say(library, batch(1, number), f"{ROOT}/r/energy")
    assert library.call(call="wishes", now=900.0) == []


def test_no_wish_is_larger_than_a_gateway_takes(library: Library) -> None:
    say(library, status(), f"{ROOT}/s")
    for body in (start(1), batch(1, 50_000)):
        say(library, body)
    library.call(call="wishes", now=0.0)
    (wish,) = library.call(call="wishes", now=31.0)
    assert (wish[1]["from"], wish[1]["to"]) == (2, 10_001)


def test_an_answer_closes_what_is_gone(library: Library) -> None:
    for body in (start(1), batch(1, 9)):
        say(library, body)
    of = {"product": "energy", "e": 1, "from": 2, "to": 8}
    answer = {"v": 1, "k": "answer", "e": 1, "s": 2, "re": "replay", "is": "done", "of": of, "n": 4}
    assert say(library, answer | {"gone": [[2, 4]], "waits": [[8, 8]]}, f"{ROOT}/r") is not None
    assert holes(library) == [(1, [[5, 8]])]
    refused = {"v": 1, "k": "answer", "e": 1, "s": 3, "re": "rebirth", "is": "done"}
    assert say(library, refused, f"{ROOT}/r/loader-7") is not None
    assert holes(library) == [(1, [[5, 8]])]


def test_compressed_bodies_and_withdrawn_births_are_understood(library: Library) -> None:
    packed = gzip.compress(json.dumps(batch(1, 1)).encode())
    assert library.call(call="take", topic=DATA, body=packed) == batch(1, 1)
    assert library.call(call="take", topic=f"{ROOT}/b/energy", body=b"") is None


@pytest.mark.parametrize("seed", range(20))
def test_a_history_is_whole_in_the_end_whatever_came_twice_late_or_not(library: Library, seed: int) -> None:
    dice = random.Random(seed)
    told: list[dict[str, Any]] = []
    lost: set[tuple[int, int]] = set()
    before: tuple[int, int] | None = None
    for epoch in range(1, 5):
        last = dice.randint(3, 30)
        gone = {number for number in range(2, last) if dice.random() < 0.1}
        lost |= {(epoch, number) for number in gone}
        declared = [(epoch, number, number) for number in sorted(gone)]
        told.append(start(epoch, before))
        told += [batch(epoch, number) for number in range(2, last) if number not in gone]
        told.append(gap(epoch, last, *declared) if declared else batch(epoch, last))
        before = (epoch, last)
    withheld = [one for one in told[1:-1] if dice.random() < 0.2]
    came = [one for one in told if one not in withheld]
    for _ in range(30):  # live data overtake, and anything may come twice
        at = dice.randrange(1, len(came) - 1)
        came[at], came[at + 1] = came[at + 1], came[at]
        came.insert(dice.randrange(1, len(came)), dice.choice(came))
    first = [one for one in came if say(library, one) is not None]
    assert len(first) == len(told) - len(withheld)
    asked = {(epoch, n) for epoch, found in holes(library) for a, b in found for n in range(a, b + 1)}
    missing = {(one["e"], one["s"]) for one in withheld}
    assert {one for one in asked if one not in missing} <= lost  # its gap may be among what is withheld
    while missing:  # what is replayed tells of more: a start of the run before it, a gap of what is lost
        found = {(epoch, n) for epoch, spans in holes(library) for a, b in spans for n in range(a, b + 1)}
        again = [one for one in withheld if (one["e"], one["s"]) in found & missing]
        assert again, (missing, found)
        for one in again:
            assert say(library, one, f"{ROOT}/r/energy") is not None
            missing.discard((one["e"], one["s"]))
    assert holes(library) == []
