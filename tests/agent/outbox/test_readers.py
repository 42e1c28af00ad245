"""Whoever looks at an outbox that is damaged, or at an odd file beside it, reads a sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.core.errors import OutboxError
from agent.outbox import heads
from agent.outbox.account import past_days, shares
from agent.outbox.ledger import export, match, rows, saved, verify
from agent.outbox.spent import spent
from tests.agent.outbox.scenes import World, route
from tests.agent.outbox.test_ledger import DB, filled, tamper

READERS: dict[str, Callable[[Path], object]] = {
    "rows": lambda path: list(rows(path)),
    "verify": verify,
    "match": lambda path: match(path, []),
    "heads": lambda path: heads.compare(path, []),
    "past days": past_days,
    "noise": spent,
    "notes": lambda path: saved(path.parent, "health"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("raw", [b"this is no database, and longer than a page's head" * 100, b"SQLite"])
def test_a_file_that_is_no_outbox_is_said(tmp_path: Path, reader: str, raw: bytes) -> None:
    (tmp_path / DB).write_bytes(raw)
    with pytest.raises(OutboxError, match=r"outbox\.db cannot be read: "):
        READERS[reader](tmp_path / DB)


async def test_a_file_with_a_hole_is_read_as_far_as_that(tmp_path: Path) -> None:
    world = await filled(tmp_path, windows=3000, deliver=False)
    await world.outbox.close()
    whole = verify(tmp_path / DB)
    raw = (tmp_path / DB).read_bytes()
    half = len(raw) // 2 // 4096 * 4096
    (tmp_path / DB).write_bytes(raw[:half] + bytes(len(raw) // 4) + raw[half + len(raw) // 4 :])
    cut = verify(tmp_path / DB)
    assert whole.holds
    assert 0 < cut.rows < whole.rows
    assert cut.faults[0].startswith(f"after row {cut.rows} the file cannot be read: ")


def test_notes_of_an_outbox_that_is_not_there_are_none(tmp_path: Path) -> None:
    assert saved(tmp_path, "health") is None


async def test_of_a_ledger_that_was_altered_throughout_twenty_faults_are_named(tmp_path: Path) -> None:
    world = await filled(tmp_path, windows=300)
    await world.outbox.close()
    tamper(tmp_path / DB, "UPDATE row SET body=X'00' WHERE body IS NOT NULL")
    found = verify(tmp_path / DB)
    assert not found.holds
    assert len(found.faults) == 20


async def test_an_exported_row_whose_body_is_erased_is_compared_with_nothing(tmp_path: Path) -> None:
    world = await filled(tmp_path, deliver=False)
    world.configure(route("city.other"))
    await world.flush()
    await world.outbox.close()
    lines = io.StringIO()
    export(tmp_path / DB, lines)
    erased = [one for one in map(json.loads, lines.getvalue().splitlines()) if one.get("body", "") is None]
    kept = tmp_path / "kept.jsonl"
    kept.write_text(lines.getvalue() + "\n\n")
    found = match(tmp_path / DB, [kept])
    assert erased
    assert (found.holds, found.messages) == (True, len(lines.getvalue().splitlines()) - len(erased))
    share = shares(rows(tmp_path / DB))["city", "energy", "3b683cb786f6"]
    assert (share.erased, share.waiting) == (len(erased), share.messages - len(erased))


async def test_a_body_that_is_no_text_is_exported_in_base64_and_matches(tmp_path: Path) -> None:
    world = await filled(tmp_path)
    plain = world.encodings["city"]

    class Packed(type(plain)):  # type: ignore[misc]  # as Sparkplug's bodies are
        def _message(self, *words: object) -> object:
            made = super()._message(*words)
            return type(made)(topic=made.topic, body=b"\xff\xfe" + made.body, kind=made.kind, user=made.user)

    world.encodings["city"] = Packed()
    world.configure()
    world.window()
    await world.flush()
    await world.outbox.close()
    kept = tmp_path / "kept.jsonl"
    with kept.open("w") as out:
        export(tmp_path / DB, out)
    last = json.loads(kept.read_text().splitlines()[-1])
    assert last["base64"].startswith("//57")
    assert match(tmp_path / DB, [kept]).holds
    kept.write_text(kept.read_text().replace(last["base64"], last["base64"][:-1]))
    found = match(tmp_path / DB, [kept])
    assert [one.partition(":")[2] for one in found.unknown] == [
        f"{found.messages}: no message of this gateway has these bytes"
    ]


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (lambda path, file: match(path, [file]), "Is a directory"),
        (lambda path, file: heads.compare(path, [file]), "Is a directory"),
    ],
    ids=["match", "heads"],
)
async def test_a_file_of_others_that_cannot_be_read_is_said(
    tmp_path: Path, reader: Callable[[Path, Path], object], said: str
) -> None:
    world = await filled(tmp_path)
    await world.outbox.close()
    (tmp_path / "kept").mkdir()
    with pytest.raises(OutboxError, match=f"kept cannot be read: {said}"):
        reader(tmp_path / DB, tmp_path / "kept")


async def test_lines_that_are_no_heads_are_passed_over(tmp_path: Path) -> None:
    world = World(tmp_path)
    await world.start()
    await world.outbox.close()
    kept = tmp_path / "kept"
    kept.write_text('\nplain/energy {"k":"batch"}\n{"k":"status"}\nnonsense\n')
    found = heads.compare(tmp_path / DB, [kept])
    assert (found.confirmed, found.faults) == (0, ())
