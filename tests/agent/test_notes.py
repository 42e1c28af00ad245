"""What drivers found out outlives the process, stays small, and does no harm when it is damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agent.core.clock import SystemClock
from agent.core.notes import Notes
from agent.notes import KeptNotes
from agent.outbox.outbox import Outbox


class Store:
    """What the outbox does with a product's memory, without a disk."""

    def __init__(self, kept: object = None) -> None:
        self.kept = kept
        self.writes = 0

    def save(self, product: str, state: object) -> None:
        self.kept = state
        self.writes += 1

    def saved(self, product: str) -> object | None:
        return self.kept


async def opened(folder: Path) -> Outbox:
    return await Outbox.open(folder, cap=10_000_000, keep=86_400.0, clock=SystemClock(), boxed=False)


async def test_a_note_outlives_the_process(tmp_path: Path) -> None:
    outbox = await opened(tmp_path)
    KeptNotes(outbox).put("modbus/type/1", {"refused": [1, 2]})
    await outbox.close()
    outbox = await opened(tmp_path)
    notes: Notes = KeptNotes(outbox)
    assert notes.get("modbus/type/1") == {"refused": [1, 2]}
    assert notes.get("modbus/type/2") is None
    notes.put("modbus/type/1", None)
    await outbox.close()
    outbox = await opened(tmp_path)
    assert KeptNotes(outbox).get("modbus/type/1") is None
    await outbox.close()


def test_what_is_the_same_is_not_written_again() -> None:
    store = Store()
    notes = KeptNotes(store)
    for _ in range(3):
        notes.put("a", {"b": 1})
    assert store.writes == 1


@pytest.mark.parametrize("kept", [[], "rust", 7, {"a": 5}, {"a": "{"}, {"a": "\x00"}])
def test_damaged_notes_are_as_good_as_none_and_told_once(
    kept: object, caplog: pytest.LogCaptureFixture
) -> None:
    notes = KeptNotes(Store(kept))
    assert notes.get("a") is None
    assert notes.get("a") is None
    notes.put("a", 1)
    assert notes.get("a") == 1
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) <= 1


def test_notes_stay_small() -> None:
    store = Store()
    notes = KeptNotes(store)
    notes.put("large", "x" * 20_000)
    assert notes.get("large") is None
    for number in range(100):
        notes.put(f"n{number}", "x" * 10_000)
    assert isinstance(store.kept, dict)
    assert sum(len(text) for text in store.kept.values()) <= 262_144
    assert notes.get("n99") is not None
    assert notes.get("n0") is None, "the oldest makes room"


def test_notes_that_cannot_be_read_are_as_good_as_none(caplog: pytest.LogCaptureFixture) -> None:
    class Spoilt(Store):
        def saved(self, product: str) -> object | None:
            raise ValueError("JSON is malformed")

    store = Spoilt()
    with caplog.at_level(logging.WARNING):
        notes: Notes = KeptNotes(store)
    assert len(caplog.records) == 1
    assert notes.get("modbus/type/1") is None
    notes.put("modbus/type/1", {"refused": [1]})
    assert store.writes == 1
