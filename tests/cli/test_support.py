"""`citygate support` packs what helps, and neither a secret nor a value that was read."""

from __future__ import annotations

import json
import secrets
import tarfile
from pathlib import Path

import pytest

from agent.answers import Answers
from agent.cli.main import main
from agent.doctor import bundle
from tests.agent.doctor.test_findings import WELL
from tests.agent.small_site import NETWORK, Meter, Site
from tests.virtual import VirtualClock

Screen = pytest.CaptureFixture[str]


def members(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        files = {one.name: tar.extractfile(one) for one in tar.getmembers()}
        return {name: file.read().decode() for name, file in files.items() if file is not None}


def test_no_secret_is_in_it(
    site: Path, tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, literal = secrets.token_hex(8), secrets.token_hex(8)
    folder = site / "credentials"
    folder.mkdir()
    (folder / "city").write_text(f"{known}\n")
    (folder / "city").chmod(0o600)
    (folder / "old").mkdir()
    (site / "bad.toml").write_text(f'[recipient.other]\npassword = "{literal}"\n')
    monkeypatch.setattr(bundle, "_journal", lambda: f"somebody wrote {known} into the log\n")
    out = tmp_path / "help.tar.gz"
    words = [str(site), "--state", str(tmp_path), "--socket", str(tmp_path / "none"), "--out", str(out)]
    assert main(["support", *words]) == 0
    found = members(out)
    text = "\n".join(found.values())
    assert known not in text
    assert literal not in text
    assert "data@vaasa.example" not in text
    assert "main-meter" in found["citygate-support/configuration/site.toml"]
    assert json.loads(found["citygate-support/doctor.json"])
    assert out.stat().st_mode & 0o777 == 0o600
    assert "look into it before you send it" in capsys.readouterr().out
    assert main(["support", *words]) == 1, "it never writes over another file"


async def test_no_value_that_was_read_is_in_it(
    virtual: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Site(tmp_path, virtual, monkeypatch)
    NETWORK.setdefault("10.0.0.5", Meter()).energy = 73_129_400.0
    async with made.running():
        await made.clock.sleep(190)
        status = await Answers(made.gateway)({"ask": "status"})
    monkeypatch.setattr(bundle, "ask", lambda *_: status)
    monkeypatch.setattr(bundle, "_journal", lambda: "")
    text = "".join(bundle.parts_of(WELL, tmp_path / "none.toml", tmp_path / "s").values())
    assert "hall-meter" in text
    newest = made.gateway.health.newest
    assert newest["hall-meter.energy"].value == 73_129_420.0
    assert "731294" not in text


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            'echo "2026-11-28 citygate: $*"',
            "2026-11-28 citygate: -u citygate.service -u citygate-vision.service",
        ),
        ("exec sleep 30", "the journal cannot be read: "),
        (None, "there is no journal here\n"),
    ],
    ids=["told", "hangs", "none"],
)
def test_the_journals_last_lines_are_in_it_or_why_not(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str
) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    if script is not None:
        (place / "journalctl").write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        (place / "journalctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:/bin" if script else str(place))
    monkeypatch.setattr(bundle, "_PATIENCE", 0.5)
    out = tmp_path / "help.tar.gz"
    words = [str(site), "--state", str(tmp_path), "--socket", str(tmp_path / "none"), "--out", str(out)]
    assert main(["support", *words]) == 0
    [journal] = [text for name, text in members(out).items() if "journal" in name]
    assert said in journal
