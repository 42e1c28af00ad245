"""A damaged file is moved aside and made readable before anything is saved of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.outbox.opening import open_or_salvage
from agent.outbox.schema import PAGE
from agent.outbox.store import Store

MOST = 64
"""The pages that the file may have."""


def set_aside(folder: Path, content: bytes) -> bytes:
    """Open an outbox whose file was found to be damaged; give what lies beside it then."""
    (folder / "outbox.db").write_bytes(content)
    (folder / "outbox.damaged").write_text("found")
    store = Store(folder / "outbox.db", MOST * PAGE)
    opening = open_or_salvage(store, lambda: "3f9c0a1b")
    assert (opening.lid, opening.tail) == ("3f9c0a1b", 0)
    store.close()
    assert not (folder / "outbox.damaged").exists()
    return (folder / "outbox.db.damaged").read_bytes()


def says(pages: int, size: int) -> bytes:
    """Give *size* bytes that say that they are so many pages, and are no database."""
    return bytes(range(28)) + pages.to_bytes(4, "big") + b"\xff" * (size - 32)


@pytest.mark.parametrize(("pages", "size"), [(10, 3 * PAGE + 100), (MOST, 3 * PAGE), (4, 4 * PAGE - 1)])
def test_an_end_that_was_cut_off_is_filled_up_with_zeros(tmp_path: Path, pages: int, size: int) -> None:
    content = says(pages, size)
    assert set_aside(tmp_path, content) == content + bytes(pages * PAGE - size)


@pytest.mark.parametrize("pages", [MOST + 1, (1 << 24) + 2, (1 << 32) - 1])
def test_a_file_that_says_it_has_more_than_it_may_gets_its_own_length(tmp_path: Path, pages: int) -> None:
    assert set_aside(tmp_path, says(pages, 3 * PAGE + 5)) == says(3, 3 * PAGE + 5)


@pytest.mark.parametrize("content", [says(3, 3 * PAGE), says(2, 3 * PAGE), b"", b"x" * 99])
def test_what_is_long_enough_or_says_nothing_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    assert set_aside(tmp_path, content) == content


@pytest.mark.parametrize("ends", [("", "-wal", "-shm"), ("",), ()])
def test_an_interrupted_salvage_begins_anew_with_what_lies_aside(
    tmp_path: Path, ends: tuple[str, ...]
) -> None:
    (tmp_path / "outbox.db.damaged").write_bytes(says(3, 3 * PAGE))
    for end in ends:
        (tmp_path / f"outbox.db{end}").write_bytes(b"half a salvage")
    (tmp_path / "outbox.damaged").write_text("aside")
    store = Store(tmp_path / "outbox.db", MOST * PAGE)
    assert open_or_salvage(store, lambda: "3f9c0a1b").tail == 0
    store.close()
    assert (tmp_path / "outbox.db.damaged").read_bytes() == says(3, 3 * PAGE)


def test_a_file_of_an_earlier_damage_makes_room_for_the_later_one(tmp_path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        (tmp_path / f"outbox.db.damaged{end}").write_bytes(b"long ago")
    assert set_aside(tmp_path, says(3, 3 * PAGE)) == says(3, 3 * PAGE)
    assert not (tmp_path / "outbox.db.damaged-wal").exists()


def test_damage_without_a_file_begins_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "outbox.damaged").write_text("found")
    store = Store(tmp_path / "outbox.db", MOST * PAGE)
    assert open_or_salvage(store, lambda: "3f9c0a1b").epoch == 0
    store.close()
    assert not (tmp_path / "outbox.damaged").exists()
    assert not (tmp_path / "outbox.db.damaged").exists()


def test_a_file_that_is_well_is_opened_and_one_that_is_not_is_moved_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "outbox.db").write_bytes(says(3, 3 * PAGE))
    for many in (1, 0):
        caplog.clear()
        store = Store(tmp_path / "outbox.db", MOST * PAGE)
        assert open_or_salvage(store, lambda: "3f9c0a1b").tail == 0
        store.close()
        assert len([one for one in caplog.records if "outbox.db is damaged" in one.message]) == many
    assert (tmp_path / "outbox.db.damaged").read_bytes() == says(3, 3 * PAGE)
