"""A salvage by itself: which rows are copied, what a lane keeps of them, and what it owes to the number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from agent.core.message import Loss, Message
from agent.outbox import chain
from agent.outbox.lane import LaneState
from agent.outbox.row import Draft
from agent.outbox.salvage import read_remains, salvage, sound_rows
from agent.outbox.schema import SPENT, TABLES
from agent.outbox.soundness import Judge
from agent.outbox.spent import Key
from agent.outbox.store import Store
from agent.outbox.work import Done, Work
from tests.agent.outbox.scenes import START

CAP = 4 << 20
A, B = 8, 9
"""Numbers of the two routes: none that an id, an epoch or a number of these tests is."""
NAMES = {A: "city.a", B: "city.b"}
BEYOND = 1 << 14


def lid() -> str:
    return "3f9c0a1b"


def draft(route: int, epoch: int, seq: int, *, size: int = 10) -> Draft:
    message = Message(topic="t", body=b"x" * size, kind="batch")
    return Draft(
        route=route, epoch=epoch, seq=seq, message=message, policy="p", made=START, boot=1.0, expires=None
    )


def text(lane: LaneState) -> str:
    return msgspec.json.encode(lane).decode()


class Old:
    """A file to be salvaged, and what became of it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "old.db"
        self.new = folder / "new.db"
        self.cap = CAP

    def write(
        self, rows: Sequence[Draft], *, a: LaneState | None = None, b: LaneState | None = None,
        epoch: str = "1", memory: str = "{}",
    ) -> None:  # fmt: skip
        """Make the file: *rows*, two routes and what is kept beside them."""
        store = Store(self.path, 64 << 20)
        store.open(lid)
        store.wait_for_disk(False)
        store.commit(Work(routes=NAMES))
        for at in range(0, len(rows), 1000):
            store.commit(Work(rows=tuple(rows[at : at + 1000])))
        lanes = {name: lane for name, lane in (("city.a", a), ("city.b", b)) if lane is not None}
        state = {f"lane/{name}": text(lane) for name, lane in lanes.items()}
        store.commit(Work(state=state | {"epoch": epoch, "saved/energy": memory}))
        store.close()

    def link(self, number: int) -> str:
        with closing(sqlite3.connect(self.path)) as db:
            found: bytes = db.execute("SELECT link FROM row WHERE id=?", (number,)).fetchone()[0]
        return found.hex()

    def run(self, *damage: str) -> None:
        """Do *damage*, and salvage what is left."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            for one in damage:
                db.execute(one)
        store = Store(self.new, self.cap)
        self.told: list[float] = []
        salvage(store, self.path, lid, self.told.append)
        store.close()

    def rows(self) -> list[tuple[int, ...]]:
        """Give id, route, epoch and number of what was saved."""
        return self._ask("SELECT id, route, epoch, seq FROM row ORDER BY id")

    def state(self) -> dict[str, str]:
        return dict(self._ask("SELECT name, value FROM state"))

    def lane(self, name: str = "city.a") -> LaneState:
        return msgspec.json.decode(self.state()[f"lane/{name}"], type=LaneState)

    def _ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.new)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path)


def owed(lane: LaneState) -> list[tuple[int, int, int | None, int | None]]:
    assert {one.why for one in lane.owed} <= {"crash"}
    return [(one.epoch, one.first, one.last, one.count) for one in lane.owed]


# --- what is copied ---


def test_a_file_that_is_sound_after_all_is_copied_row_by_row(old: Old) -> None:
    """More than one stretch of it, on two routes, of which one has had some."""
    drafts = [draft(A if n % 3 else B, 2, n) for n in range(1, 601)]
    lane_a = LaneState(epoch=2, seq=599, open=True, acked=[(1, 100)], tail=599, n=400, size=4000)
    lane_b = LaneState(epoch=2, seq=600, tail=600, n=200, size=2000)
    old.write(drafts, a=lane_a, b=lane_b, epoch="2", memory='{"counter":1}')
    old.run()
    assert old.rows() == [(n, A if n % 3 else B, 2, n) for n in range(1, 601)]
    saved_a, saved_b = old.lane(), old.lane("city.b")
    assert (saved_a.epoch, saved_a.seq, saved_a.open, saved_a.tail) == (2, 599, True, 599)
    assert (saved_a.acked, saved_a.n, saved_a.size) == ([(1, 100)], 333, 3330)
    assert (saved_b.acked, saved_b.n, saved_b.size, saved_b.open) == ([], 200, 2000, False)
    assert (saved_a.owed, saved_b.owed) == ([], [])
    state = old.state()
    assert (state["epoch"], state["clean"], state["salvaged"]) == ("2", "0", "1")
    assert (state["lid"], state["saved/energy"]) == ("3f9c0a1b", '{"counter":1}')
    assert old.told == [0.0, 256 / 600, 512 / 600]


def test_what_follows_the_anchor_is_copied_and_counted_anew(old: Old) -> None:
    lane = LaneState(epoch=1, seq=302, tail=302, n=301, acked=[(1, 3)])
    old.write([draft(A, 1, n) for n in range(1, 303)], a=lane)
    link = old.link(2)
    old.run("DELETE FROM row WHERE id<3", f"INSERT INTO state VALUES(99, 'anchor', '[2,\"{link}\"]')")
    assert old.rows() == [(n, A, 1, n + 2) for n in range(1, 301)]
    assert (old.lane().acked, owed(old.lane())) == ([(1, 1)], [])
    assert old.told == [0.0, 256 / 300]


def test_the_first_row_is_not_passed_over(old: Old) -> None:
    old.write([draft(A, 1, 1)], a=LaneState(epoch=1, seq=1, n=1))
    old.run()
    assert old.rows() == [(1, A, 1, 1)]


def test_only_the_end_of_a_salvage_waits_for_the_disk_and_makes_all_of_it_safe(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.write([draft(A, 1, n) for n in range(1, 300)], a=LaneState(epoch=1, seq=299, n=299))
    commit, waits = Store.commit, list[int]()

    def watched(store: Store, work: Work) -> Done:
        waits.append(store._pragma("synchronous"))
        return commit(store, work)

    monkeypatch.setattr(Store, "commit", watched)
    old.run()
    assert waits == [1, 1, 2]


def test_what_was_delivered_stays_delivered_though_ids_move_up(old: Old) -> None:
    places = [(A, 1), (B, 1), (B, 2), (A, 2), (B, 3), (A, 3)]
    lane_a = LaneState(epoch=1, seq=3, tail=6, n=1, acked=[(1, 4)])
    old.write([draft(route, 1, seq) for route, seq in places], a=lane_a, b=LaneState(epoch=1, seq=3, n=3))
    old.run("DELETE FROM row WHERE id=3")
    assert [(row[1], row[3]) for row in old.rows()] == [(A, 1), (B, 1), (A, 2), (B, 3), (A, 3)]
    assert (old.lane().acked, old.lane().n, old.lane().tail) == ([(1, 3)], 1, 5)
    assert owed(old.lane()) == []
    assert owed(old.lane("city.b")) == [(1, 2, 2, 1)]


def test_an_erased_row_is_neither_copied_nor_owed(old: Old) -> None:
    old.write([draft(A, 1, n) for n in (1, 2, 3)], a=LaneState(epoch=1, seq=3, tail=3, n=2, size=20))
    old.run("UPDATE row SET body=NULL WHERE id=2")
    assert [row[3] for row in old.rows()] == [1, 3]
    assert (old.lane().n, old.lane().size, old.lane().tail, owed(old.lane())) == (2, 20, 2, [])


def test_many_erased_rows_before_the_first_whole_one_cost_nothing(old: Old) -> None:
    old.write([draft(A, 1, n) for n in range(1, 300)], a=LaneState(epoch=1, seq=299, tail=299, n=2))
    old.run("UPDATE row SET body=NULL WHERE id < 298")
    assert [row[3] for row in old.rows()] == [298, 299]
    assert owed(old.lane()) == []


def test_what_finds_no_room_is_owed_and_nothing_behind_it_is_copied(old: Old) -> None:
    drafts = [draft(A, 1, n, size=500) for n in range(1, 523)]
    old.write(drafts, a=LaneState(epoch=1, seq=522, tail=522, n=522))
    old.cap = 64 * 4096
    old.run()
    assert len(old.rows()) == old.lane().n == old.lane().tail == 256
    assert owed(old.lane()) == [(1, 257, 522, 266)]


class Worn:
    """A connection to a card on which some rows cannot be read."""

    def __init__(self, db: sqlite3.Connection, *bad: int) -> None:
        self._db = db
        self._bad = bad
        self._asked = 0

    def execute(self, query: str, span: tuple[int, int]) -> sqlite3.Cursor:
        self._asked += 1
        assert self._asked < 100, "it looks at the same rows again and again"
        if any(span[0] <= one <= span[1] for one in self._bad):
            raise sqlite3.DatabaseError("database disk image is malformed")
        return self._db.execute(query, span)


@pytest.mark.parametrize("bad", [(), (5,), (256, 257), (1, 600)])
def test_a_row_that_cannot_be_read_costs_itself_and_no_other(old: Old, bad: tuple[int, ...]) -> None:
    old.write([draft(A, 1, n) for n in range(1, 601)])
    looked: list[int] = []
    with closing(sqlite3.connect(old.path)) as db:
        found = sound_rows(cast(sqlite3.Connection, Worn(db, *bad)), 1, 600, Judge(NAMES), looked.append)
        assert [row[0] for row in found] == [n for n in range(1, 601) if n not in bad]
        assert {1, 257, 513} <= set(looked)
        found = sound_rows(db, 3, 258, Judge(NAMES), looked.append)
        assert [row[0] for row in found] == list(range(3, 259))


# --- what is owed ---


def test_a_row_that_is_gone_is_owed_where_its_number_is_missing(old: Old) -> None:
    drafts = [draft(A, 2, 1), draft(A, 2, 2), draft(B, 2, 1), draft(A, 2, 3), draft(B, 2, 2), draft(A, 2, 4)]
    old.write(drafts, a=LaneState(epoch=2, seq=4, n=4), b=LaneState(epoch=2, seq=2, n=2))
    old.run("DELETE FROM row WHERE id=4")
    assert owed(old.lane()) == [(2, 3, 3, 1)]
    assert owed(old.lane("city.b")) == []


def test_numbers_that_never_had_a_row_are_not_owed_again(old: Old) -> None:
    """They were given up while the disk failed, and are declared: a hole elsewhere is none of theirs."""
    drafts = [draft(A, 1, n) for n in (1, 2, 3, 7)]
    old.write(drafts, a=LaneState(epoch=1, seq=7, n=4))
    old.run("DELETE FROM row WHERE id=2")
    assert owed(old.lane()) == [(1, 2, 2, 1)]


def test_where_all_before_a_hole_was_delivered_what_follows_it_owes_nothing(old: Old) -> None:
    drafts = [draft(A, 1, 1), draft(B, 1, 1), draft(A, 1, 2), draft(B, 1, 5)]
    old.write(drafts, a=LaneState(epoch=1, seq=2), b=LaneState(epoch=1, seq=5, n=1, acked=[(1, 3)]))
    old.run("DELETE FROM row WHERE id=3")
    assert owed(old.lane("city.b")) == []


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [
        ((1, 3), (4, 3), [(1, 4, None, None), (2, 1, None, None), (3, 1, None, None), (4, 1, 2, 2)]),
        ((1, 3), (2, 2), [(1, 4, None, None), (2, 1, 1, 1)]),
        ((1, 3), (2, 1), [(1, 4, None, None)]),
        ((2, 3), (2, 6), [(2, 4, 5, 2)]),
    ],
)
def test_between_two_rows_each_number_and_each_run_is_owed(
    old: Old,
    before: tuple[int, int],
    after: tuple[int, int],
    lost: list[tuple[int, int, int | None, int | None]],
) -> None:
    drafts = [draft(A, *before), draft(A, before[0], before[1] + 1), draft(A, *after)]
    old.write(drafts, a=LaneState(epoch=after[0], seq=after[1], n=3))
    old.run("DELETE FROM row WHERE id=2")
    assert owed(old.lane()) == lost


def test_before_the_first_row_that_is_believed_all_runs_are_owed(old: Old) -> None:
    old.write([draft(A, 1, 1), draft(A, 3, 2), draft(A, 3, 3)], a=LaneState(epoch=3, seq=3, n=3))
    old.run("DELETE FROM row WHERE id=1")
    assert [row[3] for row in old.rows()] == [3]
    assert owed(old.lane()) == [(1, 1, None, None), (2, 1, None, None), (3, 1, 2, 2)]


@pytest.mark.parametrize("waiting", [0, 5])
def test_an_end_that_is_gone_is_owed_if_somebody_still_waited_for_it(old: Old, waiting: int) -> None:
    acked = [] if waiting else [(1, 5)]
    old.write([draft(A, 2, n) for n in range(1, 6)], a=LaneState(epoch=2, seq=5, n=waiting, acked=acked))
    old.run("DELETE FROM row WHERE id > 3")
    assert owed(old.lane()) == ([(2, 4, 5, 2)] if waiting else [])


def test_a_lane_of_which_only_rows_are_left_owes_the_runs_after_them(old: Old) -> None:
    old.write([draft(A, 1, 4)], a=LaneState(), epoch="3")
    old.run("UPDATE state SET value='{' WHERE name='lane/city.a'")
    lane, other = old.lane(), old.lane("city.b")
    assert (lane.epoch, lane.seq, lane.open) == (1, 4, True)
    assert owed(lane) == [(2, 1, None, None), (3, 1, None, None)]
    assert (other.epoch, other.seq, other.open) == (0, 0, False)
    assert owed(other) == [(epoch, 1, None, None) for epoch in (1, 2, 3)]


def test_what_a_lane_knows_beside_its_rows_is_kept(old: Old) -> None:
    """Above all that its rows must not leave this computer, and by which clock its windows were told."""
    loss = Loss(why="crash", epoch=1, first=1, last=2, count=2)
    known = LaneState(
        epoch=2, seq=1, open=True, tail=1, n=1, size=10, reach=60.0, reach_synced=False, unsynced="boot",
        told=True, owed=[loss], crashed=loss, home=True, clean=False,
    )  # fmt: skip
    old.write([draft(A, 2, 1)], a=known)
    old.run()
    assert old.lane() == known


# --- what can be read beside the rows ---


@pytest.fixture
def loose() -> Iterator[sqlite3.Connection]:
    """Give tables that take anything, as those of a spoilt file may."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(TABLES.replace("STRICT, ", "").replace("STRICT", "") + SPENT.replace("STRICT, ", ""))
        db.executescript("INSERT INTO route VALUES(8, 'city.a'); INSERT INTO route VALUES(9, 'city.b')")
        yield db


def add_rows(db: sqlite3.Connection, *numbers: int, route: int = A) -> None:
    for number in numbers:
        db.execute(
            "INSERT INTO row VALUES(?,?,1,1,'batch',0.0,0.0,NULL,'p','t','[]',NULL,NULL,NULL,x'',x'',x'')",
            (number, route),
        )


def say(db: sqlite3.Connection, name: object, value: object) -> None:
    db.execute("INSERT INTO state(name, value) VALUES(?,?)", (name, value))


def test_names_and_texts_of_another_kind_are_passed_over(loose: sqlite3.Connection) -> None:
    loose.execute("UPDATE route SET name=5 WHERE number=9")
    loose.execute("UPDATE route SET name=CAST('city.b' AS BLOB) WHERE number=9")
    say(loose, "saved/energy", '{"a":1}')
    say(loose, b"saved/people", '{"a":1}')
    say(loose, "saved/water", 7.5)
    say(loose, "saved/air", b"[]")
    say(loose, "saved/noise", "[")
    say(loose, "epoch", "17")
    loose.execute("INSERT INTO spent VALUES('2026-11-21','p','door','door.in','1/2',2,7)")
    found = read_remains(loose, 0)
    assert found.routes == {8: "city.a"}
    assert found.saved == {"energy": '{"a":1}', "water": "7.5"}
    assert found.epoch == 17
    assert found.spent == {Key("2026-11-21", "p", "door", "door.in", "1/2", 2): 7}


def test_the_anchor_is_read_with_its_link(loose: sqlite3.Connection) -> None:
    assert (read_remains(loose, 0).anchor, read_remains(loose, 0).link) == (0, chain.START)
    say(loose, "anchor", '[12,"ab01"]')
    found = read_remains(loose, 0)
    assert (found.anchor, found.link, found.top) == (12, b"\xab\x01", 12)
    loose.execute("""UPDATE state SET value='[12,""]'""")
    assert read_remains(loose, 0).link == chain.START


def test_rows_end_where_the_table_or_a_lane_or_the_anchor_says_the_latest(loose: sqlite3.Connection) -> None:
    assert read_remains(loose, 0).top == 0
    add_rows(loose, 1, 5)
    assert read_remains(loose, 0).top == 5
    say(loose, "lane/city.a", text(LaneState(tail=40)))
    assert read_remains(loose, 0).top == 40
    add_rows(loose, 41, route=B)
    assert read_remains(loose, 0).top == 41


def test_where_the_end_cannot_be_read_rows_are_looked_for_beyond_it(loose: sqlite3.Connection) -> None:
    add_rows(loose, 5)
    loose.execute("DROP INDEX row_by_route")
    say(loose, "lane/city.a", text(LaneState(tail=40)))
    assert read_remains(loose, 1 << 20).top == 40 + BEYOND
    say(loose, "lane/city.b", text(LaneState(tail=30)))
    assert read_remains(loose, 1 << 20).top == 40


def test_a_garbled_number_does_not_let_rows_go_on_for_ever(loose: sqlite3.Connection) -> None:
    say(loose, "anchor", '[10,""]')
    say(loose, "lane/city.a", text(LaneState(tail=1 << 60)))
    assert read_remains(loose, 64_000).top == 10 + 1000 + BEYOND
