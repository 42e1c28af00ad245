"""Who may ask the gateway stands wherever somebody looks for what leaves."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.cli.test_status import WELL, daemon

Screen = pytest.CaptureFixture[str]
BROKER = 'broker = "mqtts://broker.vaasa.example:8883"\n'


def allow(site: Path, *verbs: str) -> None:
    path = site / "sharing.toml"
    text = path.read_text("utf-8").replace(BROKER, f"{BROKER}commands = {json.dumps(verbs)}\n")
    path.write_text(text, "utf-8")


def said(capsys: Screen, *command: str) -> str:
    main([*command])
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("check",), "city: replay and rebirth; nothing that it has not had already."),
        (("policy", "show"), "city may ask the gateway for replay and rebirth: of its products, nothing"),
        (("policy", "show", "--form", "markdown"), "- city may ask the gateway for replay and rebirth"),
        (("policy", "show", "--form", "csv"), "replay rebirth"),
        (("report", "privacy"), "| replay and rebirth |"),
        (("report", "privacy"), "no threshold is asked twice and no noise is drawn twice"),
    ],
)
def test_who_may_ask_is_named_and_nobody_where_nobody_may(
    site: Path, capsys: Screen, command: tuple[str, ...], words: str
) -> None:
    assert words not in said(capsys, *command, str(site))
    allow(site, "replay", "rebirth")
    assert words in said(capsys, *command, str(site))


def test_a_script_hears_who_may_ask(site: Path, capsys: Screen) -> None:
    allow(site, "replay")
    assert json.loads(said(capsys, "check", "--json", str(site)))["asks"] == {"city": ["replay"]}
    (deal,) = json.loads(said(capsys, "policy", "show", "--form", "json", str(site)))["deals"]
    assert deal["asks"] == ["replay"]


def test_two_policies_differ_by_who_may_ask(site: Path, tmp_path: Path, capsys: Screen) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for one in site.iterdir():
        (before / one.name).write_bytes(one.read_bytes())
    allow(site, "replay")
    assert "city / energy: may ask for nothing -> replay" in said(
        capsys, "policy", "diff", str(before), str(site)
    )


def test_the_status_tells_what_was_asked_and_whether_it_can_be(tmp_path: Path, capsys: Screen) -> None:
    answer = copy.deepcopy(WELL)
    answer["recipients"][0]["figures"] = {
        "commands": 3, "commands_refused": 1, "sent_again": 40, "replay": "energy, run 4: 12 to 90"
    }  # fmt: skip
    path = tmp_path / "socket"
    with daemon(path, answer):
        told = said(capsys, "status", "--socket", str(path))
    assert "city: 3 commands obeyed, 1 refused, 40 messages sent once more, sends again energy, run 4" in told
    path.unlink()
    answer["recipients"][0]["figures"] = {"commands_unheard": "the broker does not let us read them"}
    with daemon(path, answer):
        assert "city: commands: the broker does not let us read them" in said(
            capsys, "status", "--socket", str(path)
        )
