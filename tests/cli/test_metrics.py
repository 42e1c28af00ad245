"""`citygate metrics` prints what the daemon tells, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli.main import main
from tests.cli.test_status import daemon

Screen = pytest.CaptureFixture[str]


def test_what_the_daemon_tells_is_printed_as_it_is(tmp_path: Path, capsys: Screen) -> None:
    said = "# TYPE citygate_online gauge\ncitygate_online 1\n# EOF\n"
    with daemon(tmp_path / "s", {"text": said}):
        assert main(["metrics", "--socket", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out == said


def test_without_a_gateway_it_says_so(tmp_path: Path, capsys: Screen) -> None:
    assert main(["metrics", "--socket", str(tmp_path / "none")]) == 1
    assert "no gateway is running here" in capsys.readouterr().err
