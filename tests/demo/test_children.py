"""A program of the demo that ends too early is quoted."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from agent.core.errors import GatewayError
from agent.demo import children
from agent.demo.children import child


@pytest.mark.usefixtures("unmeasured")
async def test_a_program_that_does_not_heed_the_signal_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "_PATIENCE", 0.05)
    text = (
        "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(60)\n"
    )
    (tmp_path / "deaf.py").write_text(text)
    async with child("meter", "deaf", folder=tmp_path, environment={"PYTHONPATH": str(tmp_path)}) as one:
        assert (await one.line()).strip() == "deaf"
    assert one._process.returncode == -signal.SIGKILL


@pytest.mark.usefixtures("unmeasured")
async def test_a_program_that_ends_instead_of_speaking_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "short.py").write_text("raise SystemExit('no bus here')\n")
    async with child("meter", "short", folder=tmp_path, environment={"PYTHONPATH": str(tmp_path)}) as one:
        with pytest.raises(GatewayError) as caught:
            await one.line()
        assert str(caught.value) == "the meter ended with status 1; its last words:\nno bus here"
