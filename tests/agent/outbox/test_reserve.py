"""Blocks put by: as many as are wanted where the disk has plenty, and given back step by step."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agent.outbox.reserve import Reserve

BLOCK = 4096
TARGET = 8 * BLOCK


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "outbox.reserve", TARGET)


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Have the system say that of a disk of a thousand blocks so many are *free*."""
    said = os.statvfs_result((BLOCK, BLOCK, 1000, free, free, 10, 10, 10, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: said)


def test_what_is_put_by_is_what_is_wanted_and_nobody_else_may_touch_it(
    reserve: Reserve, tmp_path: Path
) -> None:
    assert (reserve.held, reserve.whole) == (0, False)
    assert reserve.fill()
    assert (reserve.held, reserve.whole) == (TARGET, True)
    assert stat.S_IMODE((tmp_path / "outbox.reserve").stat().st_mode) == 0o600
    assert reserve.fill()
    assert reserve.held == TARGET


@pytest.mark.parametrize(("free", "held"), [(50, 0), (57, 0), (58, TARGET), (1000, TARGET)])
def test_the_last_twentieth_of_a_disk_is_left_alone(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch, free: int, held: int
) -> None:
    leave(monkeypatch, free)
    assert reserve.fill() is (held > 0)
    assert reserve.held == held


def test_only_what_is_missing_has_to_be_free(reserve: Reserve, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reserve.fill()
    assert reserve.give(3 * BLOCK)
    leave(monkeypatch, 52)
    assert not reserve.fill()
    leave(monkeypatch, 53)
    assert reserve.fill()


def test_it_is_given_back_step_by_step_until_nothing_is_left(reserve: Reserve) -> None:
    assert not reserve.give(BLOCK)
    assert reserve.fill()
    assert reserve.give(3 * BLOCK)
    assert reserve.held == 5 * BLOCK
    assert reserve.give(100 * BLOCK)
    assert reserve.held == 0
    assert not reserve.give(BLOCK)
