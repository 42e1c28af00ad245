"""What a bad week writes is weighed where it ends: in the files of a real journal."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.journal import JournalHandler
from agent.resources import resource
from tests.agent.small_site import Site
from tests.agent.test_discretion import Pages, pages, volume
from tests.systemd.container import boot
from tests.virtual import VirtualClock

__all__ = ["pages"]
MOST = 20_000_000


class Kept(JournalHandler):
    """Keeps what would go to the journal's socket."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[bytes] = []

    def _send(self, data: bytes) -> None:
        self.lines.append(data)


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Give all lines that are logged, as the journal would get them."""
    made, root = Kept(), logging.getLogger()
    made.setLevel(logging.INFO)
    root.addHandler(made)
    yield made
    root.removeHandler(made)


@pytest.mark.long
async def test_the_files_of_a_bad_week_are_smaller_than_20_mb_and_than_what_is_counted(
    virtual: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pages: Pages, kept: Kept
) -> None:
    (tmp_path / "site").mkdir()
    await volume(Site(tmp_path / "site", virtual, monkeypatch), 7, 24)
    packed = b"".join(struct.pack("<I", len(one)) + one for one in kept.lines)
    (tmp_path / "lines").write_bytes(packed)
    things = {
        "lines": tmp_path / "lines",
        "log-namespace.conf": Path(str(resource("systemd"))) / "drop-ins/log-namespace.conf",
    }
    out, err = boot(Path(__file__).parent / "story_journal.py", things)
    (tmp_path / "told.json").write_text(out, "utf-8")
    told = json.loads(out.splitlines()[0])["seen"]
    assert "crashed" not in told, told["crashed"] + err
    assert told["entries"] == len(kept.lines) == len(pages.codes) > 1000
    assert json.loads(told["one"])["DEVICE"], "the fields of a line are there"
    assert told["bytes"] < MOST
    assert told["closed"] < pages.bytes, "what the everyday test counts for a line is enough"
