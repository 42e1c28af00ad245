"""A row is believed if it is what was written, and a text if it has the form of what was kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.core.message import Loss, Message
from agent.outbox import chain
from agent.outbox.lane import LaneState
from agent.outbox.row import Draft
from agent.outbox.soundness import PROVEN, ChangedError, Judge, has_losses, numbers_of, sound
from agent.outbox.store import Store
from agent.outbox.work import Work
from tests.agent.outbox.scenes import START

NAMES = {1: "city.energy", 2: "city.people"}
PROPS = '["application/json",true,1,false,[]]'


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a file with three rows of a route."""
    store = Store(tmp_path / "outbox.db", 1 << 20)
    store.open(lambda: "3f9c0a1b")
    drafts = [
        Draft(
            route=1, epoch=1, seq=n, message=Message(topic="t", body=b"12345", kind="batch"), policy="p",
            made=START, boot=1.0, expires=None,
        )
        for n in (1, 2, 3)
    ]  # fmt: skip
    store.commit(Work(routes=NAMES, rows=tuple(drafts)))
    yield store._connection
    store.close()


def rows(db: sqlite3.Connection) -> list[Any]:
    return db.execute(f"SELECT {PROVEN} FROM row ORDER BY id").fetchall()  # noqa: S608 - no outside text


def first(**other: object) -> tuple[object, ...]:
    """Give row 1 as if it had been written so, with a link that fits."""
    plain: dict[str, Any] = {
        "id": 1, "route": 1, "epoch": 1, "seq": 1, "kind": "batch", "made": START, "boot": 1.0, "policy": "p",
        "topic": "t", "props": PROPS,
    } | other  # fmt: skip
    body = plain.pop("body", b"12345")
    digest = plain.pop("digest", chain.digest(b"12345"))
    number, _, *rest = plain.values()
    link = chain.link(chain.START, (number, "city.energy", *rest), digest)
    return (*plain.values(), digest, link, body)


def judge(*, wary: bool = False) -> Judge:
    made = Judge(NAMES, wary=wary)
    made.expect(0, chain.START)
    return made


def test_what_was_written_is_believed_erased_or_not(db: sqlite3.Connection) -> None:
    asked = judge(wary=True)
    assert [asked.holds(row) for row in rows(db)] == [True, True, True]
    assert judge().holds(first())
    assert judge().holds(first(body=None))
    assert not judge().holds(first(body=b"12346"))


@pytest.mark.parametrize(
    "other",
    [
        {"body": "12345"},
        {"kind": 7},
        {"policy": None},
        {"seq": 1.5},
        {"props": "[]"},
        {"props": "no JSON"},
        {"kind": 7, "body": "12345"},
    ],
)
def test_what_has_not_the_form_of_a_row_is_not_believed_whatever_its_link(other: dict[str, object]) -> None:
    assert not judge().holds(first(**other))


@pytest.mark.parametrize("wary", [True, False])
def test_behind_a_hole_a_row_is_judged_by_its_body_and_where_names_may_be_spoilt_not_believed(
    db: sqlite3.Connection, *, wary: bool
) -> None:
    one, _, three = rows(db)
    asked = judge(wary=wary)
    asked.expect(0, None)
    assert asked.holds(three) is not wary
    asked = judge(wary=wary)
    assert asked.holds(one)
    assert asked.holds(three)
    assert not asked.holds((*three[:-1], b"12346"))


def test_a_row_whose_link_alone_was_changed_does_not_take_the_next_one_with_it(
    db: sqlite3.Connection,
) -> None:
    one, two, three = rows(db)
    asked = judge()
    changed = (*two[:-2], bytes(32), two[-1])
    assert [asked.holds(row) for row in (one, changed, three)] == [True, False, True]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_row_that_was_changed_is_not_read_be_it_the_first_or_the_last(
    db: sqlite3.Connection, number: int
) -> None:
    anchor = (0, chain.START)
    assert [row[0] for row in sound(db, (1, 2, 3), NAMES, anchor)] == [1, 2, 3]
    db.execute("UPDATE row SET seq=9 WHERE id=?", (number,))
    with pytest.raises(ChangedError, match=f"row {number} is not the one"):
        sound(db, (number,), NAMES, anchor)
    others = {1, 2, 3} - {number}
    assert {row[0] for row in sound(db, others, NAMES, anchor)} == others


@pytest.mark.parametrize(
    ("text", "are_losses"),
    [(None, True), ("[]", True), ("[", False), ('["a"]', False), (7, False), ("{}", False)],
)
def test_only_losses_are_taken_for_losses(text: object, *, are_losses: bool) -> None:
    assert has_losses(text) is are_losses


def test_what_a_gap_keeps_are_losses() -> None:
    kept = msgspec.json.encode([Loss(why="cap", epoch=1, first=1, last=2, count=2)]).decode()
    assert has_losses(kept)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("anchor", "[1"), ("anchor", '[1,"zz"]'), ("boot", "[]"), ("epoch", "many"), ("lane/a.b", "["),
        ("saved/energy", '{"a'), (b"lane", "{}"), ("anchor", b"\xff"),
    ],
)  # fmt: skip
def test_a_text_that_is_not_what_was_kept_is_damage(name: object, text: object) -> None:
    with pytest.raises(ChangedError, match="cannot be read"):
        numbers_of({name: text})


def test_where_nothing_is_kept_yet_numbers_begin_at_none() -> None:
    assert numbers_of({}) == (0, chain.START, 0)
    lane = msgspec.json.encode(LaneState()).decode()
    kept = {"anchor": '[7,"ab"]', "boot": '["id",3]', "epoch": "4", "lane/a.b": lane, "saved/a": "null"}
    assert numbers_of(kept) == (7, b"\xab", 4)
