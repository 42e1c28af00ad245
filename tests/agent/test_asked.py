"""A daemon in a process of its own answers over its socket: why, metrics, and what the doctor asks."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from agent.cli.main import main
from agent.doctor.gather import gather
from tests.agent.test_process import Machine

Screen = pytest.CaptureFixture[str]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a gateway that runs, on a machine on which neither meter nor broker answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        made = Machine(tmp_path, held.getsockname()[1])
        made.start()
        made.hear("READY")
        made.hear("WATCHDOG")
        yield made
        made.close()


def test_it_is_asked_by_every_command(machine: Machine, capsys: Screen) -> None:
    where = ["--socket", str(machine.socket)]
    assert main(["why", "energy", "city", "--json", *where]) == 1
    [way] = json.loads(capsys.readouterr().out)["ways"]
    assert way["stages"][-1]["name"] in {"link", "sample"}
    assert main(["why", "energi", *where]) == 1
    assert 'did you mean "energy"' in capsys.readouterr().err
    assert main(["metrics", *where]) == 0
    families = {one.name: one for one in text_string_to_metric_families(capsys.readouterr().out)}
    assert families["citygate_recipient_connected"].samples[0].value == 0

    facts = gather(machine.config, machine.folder / "state", machine.socket)
    assert facts.running
    assert facts.status is not None
    assert facts.status["place"] == "vaasa/library/gw1"
    assert facts.listeners == ()
    assert facts.seccomp_filter is not None
    assert facts.used > 0
