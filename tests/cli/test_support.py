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
