"""The demo's judgement of its camera: two people to the right, nobody else, and no word below k."""

from __future__ import annotations

from typing import Any

import pytest

from agent.demo.books import Books
from agent.demo.people import ANALYSED, CAMERA, LEFT, PEOPLE, RATE, RIGHT, Looks, People
from agent.demo.verdict import Judged, judge, missing

CAGE: dict[str, Any] = {
    "refused": ["disk:/tmp", "disk:/var/tmp", "bytes", "memfd", "exec", "udp", "unix-socket"],
    "worked": ["net:192.0.2.1"], "dev": True, "model": "nanodet-g", "sha256": "ab" * 32,
}  # fmt: skip
BIRTH: dict[str, Any] = {
    "k": "birth", "product": PEOPLE, "privacy": {"mode": "suppress", "k": 2}, "points": {},
    "cages": {"street": CAGE},
}  # fmt: skip
WITHHELD = {"q": "suppressed"}


def batch(number: int, columns: list[str], rows: list[list[Any]], marks: dict[str, Any]) -> dict[str, Any]:
    return {
        "v": 1, "k": "batch", "e": 1, "s": number + 2, "w": 10, "c": columns, "r": rows, "x": marks,
        "t": f"2026-11-28T05:2{number}:00Z",
    }  # fmt: skip


def people(number: int, right: int | None = 2, left: int | None = None, word: str = "") -> dict[str, Any]:
    told = {LEFT: WITHHELD} if left is None else {}
    told |= {RIGHT: WITHHELD} if right is None else {}
    told |= {RIGHT: {"q": word}} if word else {}
    return batch(number, ["p", "n", "sum"], [[LEFT, None, left], [RIGHT, 1, right]], told)


def looks(number: int, share: float | None = 1, rate: float | None = 9.9) -> dict[str, Any]:
    return batch(number, ["p", "n", "mean"], [[ANALYSED, 1, share], [RATE, 1, rate]], {})


def judged(*batches: dict[str, Any], product: str = PEOPLE, birth: dict[str, Any] = BIRTH) -> list[Judged]:
    books = Books()
    books.batches = [(product, one) for one in batches]
    return judge(books, {PEOPLE: People(birth), CAMERA: Looks()})


@pytest.mark.parametrize("right", [2, 3])
def test_who_walks_in_the_clip_is_accepted(right: int) -> None:
    [found] = judged(people(1, right))
    assert found.faults == ()
    assert found.text == f"{right} to the right (truth 2), suppressed to the left"


@pytest.mark.parametrize(
    ("batch", "said"),
    [
        (people(1, 5), "5 to the right, truth 2"),
        (people(1, None), "withheld to the right"),
        (people(1, 2, left=2), "nobody walks to the left"),
        (people(1, 2, left=0), "nobody walks to the left"),
        (people(1, 2, word="partial"), "seen in part"),
        (people(1, 2, word="uncertain"), "it is uncertain"),
    ],
)
def test_another_count_is_named(batch: dict[str, Any], said: str) -> None:
    [found] = judged(batch)
    assert said in "; ".join(found.faults)


@pytest.mark.parametrize("privacy", [None, {"mode": "none"}, {"mode": "suppress", "k": 1}])
def test_another_protection_in_the_birth_is_named(privacy: dict[str, Any] | None) -> None:
    [found] = judged(people(1), birth=BIRTH | {"privacy": privacy})
    assert "the birth announces the protection" in found.faults[0]


@pytest.mark.parametrize(
    ("cage", "said"),
    [
        ({}, "does not tell that these were refused: bytes, disk:/tmp"),
        (CAGE | {"refused": CAGE["refused"][:-1]}, "does not tell that these were refused: unix-socket"),
        (CAGE | {"sha256": ""}, "by which model"),
    ],
)
def test_a_birth_that_does_not_tell_of_the_cage_is_named(cage: dict[str, Any], said: str) -> None:
    [found] = judged(people(1), birth=BIRTH | {"cages": {"street": cage}})
    assert said in found.faults[0]
    assert "these worked: net:192.0.2.1." in People(BIRTH).cage()


def test_a_camera_at_which_nobody_looked_is_named() -> None:
    found = judged(looks(1), looks(2, share=0.5), looks(3, rate=None), product=CAMERA)
    assert [len(one.faults) for one in found] == [0, 1, 1]


@pytest.mark.parametrize(
    ("batches", "lack"),
    [
        ([people(1), people(2)], ""),
        ([people(1, word="partial"), people(2), people(3, None)], ""),
        ([people(1, None), people(2), people(3, None)], "1 of 3 whole windows of people-flow agree"),
        ([people(1, word="partial")], "0 of 0 whole windows of people-flow agree"),
        ([], "0 consecutive messages of people-flow"),
    ],
)
def test_most_of_the_whole_windows_must_agree(batches: list[dict[str, Any]], lack: str) -> None:
    books = Books()
    books.births = {PEOPLE: BIRTH}
    said = missing(books, judged(*batches), (PEOPLE,))
    assert (said[0] if said else "")[: len(lack)] == lack
    assert bool(said) is bool(lack)
