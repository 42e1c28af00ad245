"""What was handed out survives a cut of power and a kill at any moment."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.disks import mounted, need_root, new_disk
from tests.faults.promises import Number, Promises, Writer

ROOMY = 64 << 20
TIGHT = 1 << 20
QUICK = pytest.param(TIGHT, 5, id="tight")
LONG = [
    pytest.param(ROOMY, 20, id="roomy-20", marks=pytest.mark.long),
    pytest.param(TIGHT, 20, id="tight-20", marks=pytest.mark.long),
]


def rows_in(folder: Path) -> set[Number]:
    with closing(sqlite3.connect(f"file:{folder}/outbox.db?mode=ro", uri=True)) as db:
        return set(db.execute("SELECT name, epoch, seq FROM row JOIN route ON route=number").fetchall())


def stop(process_id: int) -> None:
    """Let nothing move while the disk is looked at."""
    os.kill(process_id, signal.SIGSTOP)
    for _ in range(1000):
        states = [
            line.rpartition(")")[2].split()[0]
            for line in (one.read_text() for one in Path(f"/proc/{process_id}/task").glob("*/stat"))
        ]
        if set(states) <= {"T", "t"}:
            return
        os.sched_yield()
    raise AssertionError(f"the writer does not stop: {states}")


@pytest.mark.parametrize(("cap", "cuts"), [QUICK, *LONG])
async def test_no_row_that_was_handed_out_is_lost_when_the_power_is_cut(
    tmp_path: Path, cap: int, cuts: int
) -> None:
    need_root()
    chance = random.Random(cap)
    promised = Promises()
    with new_disk(tmp_path, 96) as disk:
        writer = Writer(disk.path, cap, promised)
        try:
            for cut in range(cuts):
                writer.listen(lines=chance.randrange(40, 400))
                stop(writer.process.pid)
                writer.drain()
                disk.copy(tmp_path / "cut.img")
                with mounted(tmp_path / "cut.img", tmp_path / f"cut{cut}") as after:
                    if cap == ROOMY:
                        assert promised.made - rows_in(after.path) == set()
                    assert await promised.broken(after.path, cap) == []
                os.kill(writer.process.pid, signal.SIGCONT)
        finally:
            writer.kill()
    assert len(promised.made) > 50 * cuts


@pytest.mark.parametrize(("cap", "kills"), [QUICK, *LONG])
async def test_no_row_that_was_handed_out_is_lost_when_the_process_is_killed(
    tmp_path: Path, cap: int, kills: int
) -> None:
    chance = random.Random(cap)
    promised = Promises()
    for _ in range(kills):
        writer = Writer(tmp_path, cap, promised)
        try:
            writer.listen(lines=chance.randrange(1, 400))
        finally:
            writer.kill()
        if cap == ROOMY:
            assert promised.made - rows_in(tmp_path) == set()
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path, copy, ignore=shutil.ignore_patterns("copy"))
    assert await promised.broken(copy, cap) == []
    assert len({epoch for _, epoch, _ in promised.made}) == kills
