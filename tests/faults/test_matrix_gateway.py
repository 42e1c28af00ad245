"""What breaks on the gateway itself: its process, its disk, its clock, its files."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.disks import Disk, mounted, need_root, new_disk
from tests.faults.site import Daemon
from tests.faults.trial import Trial
from tests.peers import need

NEEDS_A_PERSON = 2


@pytest.mark.long
def test_a_gateway_that_is_killed_goes_on_and_says_what_it_missed(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        trial.daemon.kill()
        time.sleep(2)
        trial.daemon.start()
    trial.judge()


@pytest.mark.long
def test_a_gateway_that_is_stopped_in_order_goes_on_where_it_was(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        assert trial.daemon.stop() == 0
        time.sleep(2)
        trial.daemon.start()
    trial.judge()


@pytest.mark.long
def test_a_computer_that_stands_still_loses_that_time_only(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        os.kill(trial.daemon.pid, signal.SIGSTOP)
        time.sleep(5)
        os.kill(trial.daemon.pid, signal.SIGCONT)
    trial.judge()


# --- files


def test_a_reload_with_a_fault_changes_nothing(trial: Trial) -> None:
    trial.begin()
    fault = trial.config / "fault.toml"
    with trial.hurt():
        fault.write_text("[link.nobody]\n")
        trial.daemon.reload()
        trial.told("old-plan-stays")
        fault.unlink()
        trial.daemon.reload()
        trial.told("reloaded")
    trial.judge()


@pytest.mark.long
def test_a_tampered_file_stops_the_next_start_until_it_is_mended(trial: Trial) -> None:
    trial.begin()
    site = trial.config / "site.toml"
    whole = site.read_text()
    with trial.hurt():
        site.write_text(whole.replace("[device.meter]", "[device.metre]\nlink = 3"))
        trial.daemon.kill()
        trial.daemon.start()
        assert trial.daemon.wait(20) == NEEDS_A_PERSON
        site.write_text(whole)
        trial.daemon.start()
    trial.judge()


@pytest.mark.long
def test_a_damaged_outbox_is_saved_as_far_as_it_is_sound(trial: Trial) -> None:
    trial.begin()
    with trial.hurt():
        trial.broker.kill()
        time.sleep(4)
        trial.daemon.kill()
        file = trial.daemon.state / "outbox.db"
        _fold(file)
        data = bytearray(file.read_bytes())
        middle = len(data) // 2 // 4096 * 4096
        data[middle : middle + 4096] = os.urandom(4096)
        file.write_bytes(data)
        trial.daemon.start()
        trial.broker.start()
    trial.judge()


def _fold(file: Path) -> None:
    """Bring what is in SQLite's log into the file, as an orderly end does."""
    import sqlite3

    with sqlite3.connect(file) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()


# --- the disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    need_root()
    with new_disk(tmp_path, 48) as made:
        yield made


@pytest.mark.long
def test_on_a_full_disk_it_goes_on(disk: Disk, trial: Trial) -> None:
    trial.begin(state=disk.path / "state")
    with trial.hurt():
        filler = disk.fill()
        time.sleep(5)
        filler.unlink()
    trial.judge()


@pytest.mark.long
@pytest.mark.parametrize("error", ["EIO", "EROFS"])
def test_a_disk_that_gives_errors_is_told_and_nothing_is_lost(trial: Trial, error: str) -> None:
    """What a dying card answers, and what a file system answers that has turned read-only for fear."""
    calls = "fsync,fdatasync,pwrite64" if error == "EROFS" else "fsync,fdatasync"
    words = [need("strace"), "-f", "-qq", "-o", os.devnull, "-e", f"trace={calls}"]
    trial.begin()
    with trial.hurt():
        words += ["-e", f"inject={calls}:error={error}", "-p", str(trial.daemon.pid)]
        with subprocess.Popen(words, stderr=subprocess.DEVNULL) as tracer:
            try:
                trial.told("disk-fails")
                time.sleep(3)
            finally:
                tracer.terminate()
    trial.judge()


@pytest.mark.long
def test_after_a_cut_of_power_it_goes_on_with_what_was_safe(disk: Disk, trial: Trial) -> None:
    trial.begin(state=disk.path / "state")
    copy = trial.folder / "cut.img"
    with trial.hurt():
        os.kill(trial.daemon.pid, signal.SIGSTOP)
        disk.copy(copy)
        trial.daemon.kill()
        after = trial.stack.enter_context(mounted(copy, trial.folder / "after"))
        trial.stack.callback(trial.daemon.close)
        trial.daemon.move(after.path / "state")
        trial.daemon.start()
    trial.judge()


# --- what a process needs


@contextmanager
def _limited(daemon: Daemon, what: int, soft: int) -> Iterator[None]:
    old = resource.prlimit(daemon.pid, what)
    resource.prlimit(daemon.pid, what, (soft, old[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, what, old)


@pytest.mark.long
def test_without_handles_it_goes_on_and_connects_when_there_are_some(trial: Trial) -> None:
    trial.begin()
    handles = len(list(Path(f"/proc/{trial.daemon.pid}/fd").iterdir()))
    with trial.hurt():
        trial.broker.kill()
        trial.broker.start()
        with _limited(trial.daemon, resource.RLIMIT_NOFILE, handles - 2):
            time.sleep(5)
    trial.judge(crashes=True)  # a process that leaks handles had better be ended by its supervisor


@pytest.mark.long
def test_a_process_that_the_kernel_ends_for_want_of_memory_is_started_again(trial: Trial) -> None:
    trial.begin()
    score = Path(f"/proc/{trial.daemon.pid}/oom_score_adj")
    assert score.exists()
    with trial.hurt():
        os.kill(trial.daemon.pid, signal.SIGKILL)  # all that a process sees of it
        trial.daemon.wait(10)
        trial.daemon.start()
    trial.judge()


# --- the time of day


def _with_false_clock(trial: Trial) -> Path:
    """Let the daemon read another time of day, which a file says; the clocks that never jump stay true."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        need("libfaketime")
    offset = trial.folder / "offset"
    offset.write_text("+0")

    def prepare(daemon: Daemon) -> None:
        daemon.environment |= {
            "LD_PRELOAD": str(library), "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip

    trial.begin(prepare=prepare)
    return offset


@pytest.mark.long
@pytest.mark.parametrize("step", ["-365d", "+365d"])
def test_a_clock_that_is_a_year_wrong_and_set_right_again_loses_no_sample(trial: Trial, step: str) -> None:
    offset = _with_false_clock(trial)
    with trial.hurt():
        offset.write_text(step)
        trial.told("clock-set")
        time.sleep(3)
        offset.write_text("+0")
        time.sleep(1.5)
    trial.judge(calendar=False)
