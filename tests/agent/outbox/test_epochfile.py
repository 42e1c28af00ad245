"""The number of the last start outlives a damaged outbox, and a garbled one does no harm."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from agent.outbox.epochfile import read_epoch, write_epoch

MOST = (1 << 32) - 1


@pytest.mark.parametrize("epoch", [0, 1, 42, MOST])
def test_what_is_written_is_read_and_nothing_else_is_left(tmp_path: Path, epoch: int) -> None:
    path = tmp_path / "epoch"
    write_epoch(path, 7)
    write_epoch(path, epoch)
    assert read_epoch(path) == epoch
    assert [one.name for one in tmp_path.iterdir()] == ["epoch"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "no number", "-1", str(MOST + 1), "9" * 30, "4\0"])
def test_what_is_no_number_of_a_start_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "epoch").write_text(text)
    assert read_epoch(tmp_path / "epoch") == 0
    assert read_epoch(tmp_path / "elsewhere") == 0
