"""A bundle through the real command to a real daemon, which does not do well under it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.status import ask
from tests.agent.bundle.test_trial import keys
from tests.agent.test_process import SHARING, SITE, Machine

__all__ = ["keys"]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a machine on which neither meter nor broker answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        made = Machine(tmp_path, held.getsockname()[1])
        yield made
        made.close()


@pytest.mark.long
def test_a_daemon_that_does_not_do_well_under_a_bundle_gets_its_files_back(
    machine: Machine, tmp_path: Path, keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = (keys / "admin.pub").read_text("ascii")
    (machine.config / "bundle_signers").write_text(f'admin namespaces="citygate-bundle" {public}')
    desk, out = tmp_path / "desk", tmp_path / "x.bundle"
    desk.mkdir()
    (desk / "site.toml").write_text(SITE.format(port=machine.port))
    (desk / "sharing.toml").write_text(SHARING.format(port=machine.port).replace('"1m"', '"5m"'))
    words = ["--number", "1", "--key", str(keys / "admin"), "--out", str(out)]
    assert main(["bundle", "make", str(desk), *words]) == 0

    process = machine.start()
    machine.hear("READY")
    machine.hear("WATCHDOG")
    before = ask(machine.socket, {"ask": "status"})["policy"]
    sharing = (machine.config / "sharing.toml").read_bytes()
    state = machine.folder / "state"
    where = ["--config", str(machine.config), "--state", str(state), "--socket", str(machine.socket)]
    where += ["--models", str(state / "models"), "--reload", f"kill -HUP {process.pid}", "--wait", "8s"]
    assert main(["bundle", "apply", str(out), *where]) == 1
    assert "taken back: no device answers" in capsys.readouterr().out
    machine.hear("RELOADING")
    machine.hear("RELOADING")
    machine.hear("READY")
    assert ask(machine.socket, {"ask": "status"})["policy"] == before
    assert (machine.config / "sharing.toml").read_bytes() == sharing
