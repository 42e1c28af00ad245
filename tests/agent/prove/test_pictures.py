"""A picture is found in whatever form it stands, and nothing else is taken for one."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.prove.pictures import forms, in_files, pictures

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + b"\x10" * 40
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + b"\x10" * 40
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "raw": bytes,
    "hex": lambda data: data.hex().encode(),
    "HEX": lambda data: data.hex().upper().encode(),
    "base64": b64encode,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("before", [0, 1, 2, 3])
@pytest.mark.parametrize(("kind", "picture"), [("JPEG", JPEG), ("PNG", PNG)])
def test_a_picture_is_found_in_every_form(kind: str, picture: bytes, before: int, form: str) -> None:
    data = b'{"text":"' + FORMS[form](b"x" * before + picture) + b'"}'
    assert f"{kind}, {form}" in pictures(data)


def test_chance_and_text_hold_no_picture() -> None:
    assert pictures(os.urandom(1 << 20)) == []
    assert pictures(Path(__file__).with_name("scenes.py").read_bytes()) == []


def test_files_with_a_picture_are_named(tmp_path: Path) -> None:
    (tmp_path / "outbox.db-wal").write_bytes(b"x" * 999 + PNG)
    (tmp_path / "log").write_bytes(b"nothing")
    found, many = in_files(sorted(tmp_path.iterdir()))
    assert found == [f"{tmp_path / 'outbox.db-wal'}: PNG, raw"]
    assert many == 999 + len(PNG) + 7


def test_bytes_that_were_seen_are_found_in_base64_wherever_they_begin() -> None:
    seen = bytes(range(100, 116))
    for before in range(6):
        text = b64encode(os.urandom(before) + seen + os.urandom(7))
        assert any(one in text for form, one in forms(seen) if form == "base64")
