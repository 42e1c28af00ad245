"""The file by itself: what one transaction does, what it refuses, and what a full disk leaves of it."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.core.errors import OutboxError
from agent.core.message import Message
from agent.outbox import store as module
from agent.outbox.merkle import Day
from agent.outbox.reserve import STEP
from agent.outbox.row import Draft
from agent.outbox.schema import PAGE, connect
from agent.outbox.store import DAYS_KEPT, DamagedError, FullError, Store
from agent.outbox.work import Drop, Opening, Span, Work
from tests.agent.outbox.scenes import START

DAY = 86400.0
CAP = 4 << 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "outbox.db", CAP)
    opened(made)
    made.wait_for_disk(False)  # no power is cut here
    made.commit(Work(routes={1: "city.energy"}))
    yield made
    made.abandon()


def opened(one: Store) -> Opening:
    return one.open(lambda: "3f9c0a1b")


def draft(seq: int, *, route: int = 1, size: int = 10, kind: str = "batch", made: float = START) -> Draft:
    message = Message(topic="t", body=b"x" * size, kind=kind)
    return Draft(
        route=route, epoch=1, seq=seq, message=message, policy="p", made=made, boot=1.0, expires=made + DAY
    )


def rows(*numbers: int, size: int = 10) -> Work:
    return Work(rows=tuple(draft(one, size=size) for one in numbers))


def ask(one: Store, query: str) -> list[Any]:
    with closing(sqlite3.connect(one.path)) as db:
        return db.execute(query).fetchall()


def held(one: Store) -> int:
    """Give the bytes of disk that are put by."""
    return (one.path.parent / "outbox.reserve").stat().st_blocks * 512


class Disk:
    """What the system says of the disk."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = True
        self._ask = os.statvfs
        monkeypatch.setattr(os, "statvfs", self.statvfs)

    def statvfs(self, path: Path) -> os.statvfs_result:
        found = self._ask(path)
        return os.statvfs_result((*found[:4], 0, *found[5:])) if self.full else found


# --- opening ---


def test_twice_the_log_and_a_little_more_is_put_by(store: Store) -> None:
    """When the disk is full the log must find room in the file, and in itself."""
    log = store._pragma("wal_autocheckpoint") * PAGE
    assert log == CAP // 8
    assert held(store) == 2 * log + (1 << 16)


def test_a_lock_is_for_nobody_else_to_touch(store: Store) -> None:
    store.lock()
    assert stat.S_IMODE((store.path.parent / "outbox.lock").stat().st_mode) == 0o600


def test_a_disk_without_a_free_block_is_opened_from_the_reserve(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()

    def cramped(path: Path) -> sqlite3.Connection:
        if held(store):
            raise sqlite3.OperationalError("unable to open the shared memory file")
        return connect(path)

    monkeypatch.setattr(module, "connect", cramped)
    Disk(monkeypatch)
    assert opened(store).routes == {1: "city.energy"}
    assert held(store) == 0


def test_a_folder_that_does_not_answer_is_told_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    with pytest.raises(OutboxError, match="does not answer as it should"):
        opened(Store(tmp_path / "outbox.db", CAP))


@pytest.mark.parametrize("clean", ["0", "1"])
def test_after_a_crash_the_whole_file_is_looked_at_and_after_a_stop_it_is_not(
    store: Store, clean: str
) -> None:
    store.commit(Work(rows=rows(1, 2, 3).rows, state={"clean": clean}))
    store.close()
    [(page,)] = ask(store, "SELECT rootpage FROM sqlite_schema WHERE name='row_by_route'")
    with store.path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(bytes(PAGE))
    if clean == "1":
        assert opened(store).tail == 3
    else:
        with pytest.raises(DamagedError, match="is damaged"):
            opened(store)


def test_what_a_file_is_called_stays(store: Store) -> None:
    store.commit(Work(state={"lid": "0a1b2c3d"}))
    store.close()
    assert opened(store).lid == "0a1b2c3d"


def test_a_file_on_a_disk_with_room_may_grow_to_its_cap_and_on_a_full_one_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "outbox.db", CAP)
    assert opened(store).done.limit == CAP // PAGE
    store.close()
    (tmp_path / "outbox.reserve").unlink()
    Disk(monkeypatch)
    done = opened(store).done
    assert done.limit == store._pragma("page_count")
    store.abandon()


# --- one transaction ---


def test_the_room_that_rows_have_left_is_not_in_use(store: Store) -> None:
    before = store.commit(rows(1)).used
    store.commit(rows(2, size=100 * PAGE))
    last = store.front(2)[-1]
    assert store.commit(Work(drop=Drop(last=2, link=last.link))).used <= before + 1


def test_what_is_kept_twice_is_kept_once(store: Store) -> None:
    store.commit(Work(state={"saved/a": "1"}))
    store.commit(Work(state={"saved/a": "2", "saved/b": "3"}))
    store.close()
    state = opened(store).state
    assert (state["saved/a"], state["saved/b"]) == ("2", "3")
    store.commit(Work(state={"saved/b": "4"}))
    assert ask(store, "SELECT name, value FROM state ORDER BY name") == [("saved/a", "2"), ("saved/b", "4")]


def test_what_fails_halfway_leaves_nothing_and_the_next_goes_on(store: Store) -> None:
    with pytest.raises(OutboxError, match="does not answer as it should") as told:
        store.commit(Work(state={"saved/a": "1"}, rows=rows(1).rows, routes={1: "again"}))
    assert type(told.value) is OutboxError
    assert store.commit(rows(1)).tail == 1
    assert ask(store, "SELECT count(*) FROM state") == [(0,)]


def test_a_file_that_has_its_cap_says_that_there_is_no_room_and_keeps_what_it_has(tmp_path: Path) -> None:
    store = Store(tmp_path / "outbox.db", 64 * PAGE)
    opened(store)
    store.commit(Work(routes={1: "city.energy"}, rows=rows(1).rows))
    with pytest.raises(FullError, match="free some space"):
        store.commit(rows(2, size=80 * PAGE))
    assert held(store) > 0
    assert store.commit(rows(2)).tail == 2
    assert [one.seq for one in store.front(9)] == [1, 2]
    store.close()


def test_what_had_been_delivered_lives_on_in_the_tree_of_its_day(store: Store) -> None:
    work = rows(*range(1, 7))
    store.commit(work)
    front = store.front(6)
    for part in (front[:2], front[2:4]):
        store.commit(Work(drop=Drop(last=part[-1].id, link=part[-1].link, left=tuple(part))))
    whole = Day()
    for one in front[:4]:
        whole.add(one.epoch, one.seq, 10, one.digest)
    [(day, n, size, root, tree)] = ask(store, "SELECT day, n, bytes, root, tree FROM day")
    assert (day, n, size, root) == ("2026-11-21", 4, 40, whole.root)
    assert msgspec.json.decode(tree, type=Day) == whole
    assert [one.id for one in store.front(9)] == [5, 6]
    store.close()
    assert (opened(store).anchor, store._link) == (4, front[5].link)


def test_the_roots_of_days_go_after_400_of_them(store: Store) -> None:
    def leave(seq: int, made: float) -> None:
        store.commit(Work(rows=(draft(seq, made=made),)))
        [one] = store.front(1)
        store.commit(Work(drop=Drop(last=one.id, link=one.link, left=(one,))))

    leave(1, START)
    leave(2, START + DAYS_KEPT * DAY)
    assert ask(store, "SELECT count(*) FROM day") == [(2,)]
    leave(3, START + (DAYS_KEPT + 1) * DAY)
    assert ask(store, "SELECT min(day) FROM day") == [("2027-12-26",)]


# --- reading ---


def test_only_so_many_of_the_oldest_are_read_as_are_asked_for(store: Store) -> None:
    store.commit(rows(*range(1, 6)))
    spans = [Span(route=1, holes=((0, 1), (2, 5)))]
    assert [(one.id, one.before) for one in store.headers(spans, 2)] == [(1, 0), (3, 2)]
    assert [one.id for one in store.backlog(spans, 3, frozenset({3}))] == [1, 4, 5]
    assert [one.before for one in store.backlog(spans, 3, frozenset({3}))] == [0, 3, 4]


def test_an_event_that_overtakes_settles_itself_and_no_row_before_it(store: Store) -> None:
    store.commit(Work(rows=(draft(1), draft(2, kind="event"), draft(3))))
    spans = [Span(route=1, holes=((0, 3),), events=True), Span(route=1, holes=((0, 3),))]
    found = store.backlog(spans, 9, frozenset())
    assert [(one.id, one.before) for one in found] == [(2, 1), (1, 0), (3, 2)]
    assert [one.id for one in store.backlog(spans, 2, frozenset())] == [2, 1]


def test_the_first_row_that_is_left_is_bound_to_the_last_that_has_left(store: Store) -> None:
    """A worn card may change any row; none leaves under another number."""
    store.commit(rows(1, 2, 3))
    [one] = store.front(1)
    store.commit(Work(drop=Drop(last=1, link=one.link)))
    spans = [Span(route=1, holes=((1, 3),))]
    for _ in range(2):
        assert [one.seq for one in store.backlog(spans, 9, frozenset())] == [2, 3]
        store.close()
        opened(store)
    with closing(sqlite3.connect(store.path)) as db, db:
        db.execute("UPDATE row SET seq=9 WHERE id=2")
    with pytest.raises(DamagedError, match="row 2 is not the one that was written"):
        store.backlog(spans, 9, frozenset())


def test_rows_are_found_by_their_numbers_behind_a_grant_that_broke_off(store: Store) -> None:
    store.commit(rows(*range(1, 7)))
    assert [one.id for one in store.numbered(1, 0, (1, 1), 9)] == [1, 2, 3, 4, 5, 6]
    assert [one.id for one in store.numbered(1, 3, (1, 1), 9)] == [4, 5, 6]
    assert [one.id for one in store.numbered(1, 3, (1, 5), 1)] == [5]
    assert store.numbered(1, 3, (1, 7), 9) == []


def test_without_a_trusted_row_made_by_then_the_front_is_not_read(store: Store) -> None:
    store.commit(rows(1, 2))
    assert store.front(2, START - 1.0) == []
    assert [one.id for one in store.front(2, START)] == [1, 2]


# --- a disk that is full, or fails ---


class Cramped:
    """Makes a commit find room only once so many bytes of the reserve were given."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, least: int) -> None:
        self.tries = 0
        self.least = least
        self._store = store
        self._held = held(store)
        self._commit: Callable[[Work], Any] = store._commit
        monkeypatch.setattr(store, "_commit", self.commit)

    def commit(self, work: Work) -> Any:  # noqa: ANN401 - what the store gives
        self.tries += 1
        if self._held - held(self._store) < self.least:
            raise FullError("no room")
        return self._commit(work)


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Store]:
    """Give a store whose reserve is given back in several steps."""
    made = Store(tmp_path / "outbox.db", 64 << 20)
    opened(made)
    made.commit(Work(routes={1: "city.energy"}))
    yield made
    made.abandon()


def test_a_full_disk_takes_of_the_reserve_what_a_commit_needs_and_no_more(
    large: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk, before = Disk(monkeypatch), held(large)
    cramped = Cramped(large, monkeypatch, 2 * STEP)
    assert large.commit(rows(1)).tail == 1
    assert cramped.tries == 3
    assert held(large) == before - 2 * STEP
    tight = large.breathe()
    assert tight.limit == large._pragma("page_count") < large.most_pages
    disk.full = False
    with caplog.at_level("INFO"):
        assert large.breathe().limit == large.most_pages
        large.breathe()
    assert [one.message for one in caplog.records] == ["the disk under the outbox has room again"]
    assert held(large) == before


def test_when_the_reserve_is_spent_a_full_disk_is_told(large: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    Disk(monkeypatch)
    Cramped(large, monkeypatch, 1 << 40)
    with pytest.raises(FullError):
        large.commit(rows(1))
    assert held(large) == 0
    assert large.breathe().limit == large._pragma("page_count")


def test_what_is_full_while_the_disk_is_not_costs_no_reserve(
    large: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, cramped = held(large), Cramped(large, monkeypatch, STEP)
    with pytest.raises(FullError):
        large.commit(rows(1))
    assert cramped.tries == 1
    assert held(large) == before


@pytest.mark.parametrize(
    ("code", "full", "kind"),
    [
        (sqlite3.SQLITE_FULL, False, FullError),
        (sqlite3.SQLITE_IOERR | 5 << 8, True, FullError),
        (sqlite3.SQLITE_IOERR | 5 << 8, False, OutboxError),
        (sqlite3.SQLITE_CORRUPT | 1 << 8, True, DamagedError),
        (sqlite3.SQLITE_NOTADB, False, DamagedError),
        (sqlite3.SQLITE_BUSY, True, OutboxError),
    ],
)
def test_what_sqlite_says_is_told_as_what_has_to_be_done(
    store: Store, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[OutboxError], *, full: bool
) -> None:
    Disk(monkeypatch).full = full
    error = sqlite3.OperationalError("so it is")
    error.sqlite_errorcode = code
    assert type(store._as_ours(error)) is kind


def test_a_file_that_is_opened_again_is_the_same_or_it_is_damaged(store: Store) -> None:
    store.reopen()
    store.commit(rows(1, 2))
    store.reopen()
    [_, last] = store.front(2)
    store.commit(Work(drop=Drop(last=2, link=last.link)))
    store.reopen()
    assert store.commit(rows(3)).tail == 3
    with closing(sqlite3.connect(store.path)) as db:
        db.executescript("DELETE FROM row WHERE id=3; INSERT INTO row SELECT 9, 1, 1, 4, 'batch', 0.0, 0.0, "
                         "NULL, 'p', 't', '[]', NULL, NULL, NULL, x'00', x'00', NULL")  # fmt: skip
    with pytest.raises(DamagedError, match="changed under the running gateway"):
        store.reopen()


def test_a_closed_file_is_not_written(store: Store) -> None:
    store.close()
    with pytest.raises(OutboxError, match="is not open"):
        store.commit(rows(1))
