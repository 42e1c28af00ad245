"""The command's frame: names, exit statuses, and no traceback for what a person can put right."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.main import COMMANDS, main, parser_of
from agent.core.errors import ConfigError, GatewayError
from tests.peers import need

HERE = [sys.executable, "-P", "-m", "agent"]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)


def test_no_command_at_all_is_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: citygate" in capsys.readouterr().out


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("citygate 0.")


def test_a_wrong_command_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chek"]) == 2
    assert "did you mean `citygate check`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("check --colour", 'there is no option "--colour"'),
        ("read --evry 2s", 'did you mean "--every"?'),
        ("ledger show --prodct x", 'did you mean "--product"?'),
        ("ledger shwo", 'did you mean "show"?'),
        ("ledger", "show|verify|export|match|privacy is missing"),
        ("ledger show --last all", '"all" is no whole number'),
        ("ledger show --last -3", '"-3" is no whole number'),
        ("completion fsh", 'did you mean "fish"?'),
        ("check one two", '"two" is one word too many'),
        ("read --every", "--every needs one value"),
        ("demo --seconds soon", '--seconds: "soon" is no number'),
        ("try", "SAMPLES is missing"),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_2(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("a.toml:1:1: no"), 2),
        (GatewayError("gone"), 1),
        (KeyboardInterrupt(), 130),
        (PermissionError(errno.EACCES, "Permission denied", "/var/lib/citygate"), 1),
    ],
)
def test_an_error_becomes_a_sentence_and_a_status(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr("agent.cli.schema.run", fail)
    assert main(["schema"]) == status
    denied = "/var/lib/citygate: Permission denied; use sudo, or name a place of your own"
    said = denied if isinstance(error, OSError) else str(error)
    assert capsys.readouterr().err == (f"{said}\n" if said else "")


def test_a_state_folder_that_cannot_be_made_is_a_sentence(site: Path) -> None:
    words = ["run", str(site), "--state", "/proc/nowhere/state", "--socket", str(site / "control.sock")]
    done = subprocess.run([*HERE, *words], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "/proc/nowhere: No such file or directory\n"


def test_every_command_has_its_file_and_every_file_of_a_command_its_entry() -> None:
    folder = Path(__file__).parents[2] / "agent" / "cli"
    offering = {
        path.stem.rstrip("_")
        for path in folder.glob("*.py")
        if {"add", "run"} <= {node.name for node in functions(path)}
    }
    assert offering == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_imported_brings_no_protocol_library(name: str) -> None:
    code = f"import sys; from agent.cli.main import parser_of; parser_of({name!r}); print(list(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert not {"pymodbus", "aiomqtt", "bacpypes3", "asyncio"} & set(ast.literal_eval(done.stdout))


@pytest.mark.usefixtures("unmeasured")
def test_the_daemon_holds_nothing_that_only_people_or_makers_of_files_need() -> None:
    """Each of them costs a tenth of a megabyte or more, in every gateway, for years."""
    code = "import sys, agent.app; print([one for one in sys.argv[1:] if one in sys.modules])"
    names = [
        "argparse",
        "tempfile",
        "shutil",
        "lzma",
        "json",
        "gzip",
        "difflib",
        "pydoc",
        "unittest",
        "email",
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("unmeasured")
def test_the_daemon_holds_nothing_of_ours_that_most_gateways_never_need() -> None:
    """What a recipient may ask, a damaged file, a signed policy, a fault in a file: whoever has it pays."""
    code = (
        "import sys, agent.app, drivers.modbus_tcp, drivers.modbus.poll, drivers.modbus.way;"
        "print([one for one in sys.argv[1:] if one in sys.modules])"
    )
    names = [
        "fractions", "agent.cli.options", "agent.config.locate", "agent.config.malformed",
        "agent.config.minisign", "agent.config.report", "agent.core.ed25519", "agent.core.search",
        "agent.metrics", "agent.outbox.again", "agent.outbox.salvage", "agent.outbox.signing",
        "agent.policy.acl", "agent.policy.deals", "agent.privacy.drawn", "agent.privacy.epsilon",
        "agent.privacy.hold", "agent.privacy.holding", "agent.privacy.noise", "agent.privacy.sources",
        "agent.privacy.statement", "agent.tallies", "agent.uplink.commands", "agent.uplink.hearing",
        "agent.uplink.registering", "agent.uplink.replays", "agent.uplink.spoken",
        "drivers.modbus.frames_rtu", "drivers.modbus.frames_tcp", "drivers.modbus.probe",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *names], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_the_service_is_started_without_a_parser_and_by_hand_with_one(tmp_path: Path) -> None:
    code = "import sys; from agent.cli.main import main; main({0}); print('argparse' in sys.modules)"
    environment = {**os.environ, "CONFIGURATION_DIRECTORY": str(tmp_path / "nothing")}
    told = [
        subprocess.run(
            [sys.executable, "-P", "-c", code.format(words)],
            capture_output=True, text=True, check=True, env=environment,
        )
        for words in (["run"], ["run", str(tmp_path / "nothing")])
    ]  # fmt: skip
    assert [one.stdout for one in told] == ["False\n", "True\n"]
    assert all(f"{tmp_path}/nothing: there is no such file or folder" in one.stderr for one in told)


def test_a_reader_that_goes_away_ends_the_command_quietly() -> None:
    with subprocess.Popen([*HERE, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(20) == 141
        assert process.stderr.read() == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_knows_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert "seconds" in script
    assert "json" in script


@pytest.mark.parametrize(
    ("line", "first"),
    [
        ("citygate che", "check"),
        ("citygate check --j", "--json"),
        ("citygate ledger ver", "verify"),
        ("citygate ledger show --la", "--last"),
        ("citygate report not", "notice"),
        ("citygate report privacy --fo", "--format"),
        ("citygate prove --str", "--strict"),
        ("citygate completion zs", "zsh"),
    ],
)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes(shell: str, line: str, first: str) -> None:
    program = need(shell)
    script = subprocess.run([*HERE, "completion", shell], capture_output=True, text=True, check=True).stdout
    words = line.split()
    ask = {
        "bash": f'COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _citygate; printf "%s\\n" "$COMPREPLY"',
        # what the line editor of zsh provides, told here what is on the line
        "zsh": f"words=({line}); CURRENT={len(words)}; _citygate",
        "fish": f"complete -C '{line}'",
    }[shell]
    begin = "compdef() {}; _files() {}; _describe() { print -rl -- ${(M)${(P)2}:#${words[CURRENT]}*} }\n"
    whole = f"{begin if shell == 'zsh' else ''}{script}\n{ask}\n"
    done = subprocess.run([program, "-c", whole], capture_output=True, text=True, check=True)
    assert re.split(r"[\t\n:]", done.stdout)[0] == first
    assert done.stderr == ""


def test_an_interrupted_command_ends_without_a_word(site: Path) -> None:
    with subprocess.Popen(
        [*HERE, "try", "-", str(site)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for minute in range(40):  # two windows and their end: it is at work, and waits for more
            at = 1_795_291_200 + 60 * minute
            line = f'{{"at": {at}, "point": "main-meter.active_power", "value": 1}}\n'
            process.stdin.write(line.encode())
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT
        assert process.stderr.read() == b""


def test_options_are_called_the_same_everywhere() -> None:
    texts = {
        (option, action.help)
        for name in COMMANDS
        for action in parser_of(name)[1]._actions
        for option in action.option_strings
        if option in {"--json", "--socket", "--state"}
    }
    assert len(texts) == len({option for option, _ in texts})


def functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_an_error_that_nobody_could_put_right_is_shown_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("agent.cli.schema.run", fail)
    with pytest.raises(OSError, match="Input/output error"):
        main(["schema"])


def test_the_schema_is_printed_for_editors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"site", "link", "device", "product"}


def test_a_demo_without_its_packages_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "BAC0" else object())
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "the demo needs BAC0; try: pip install 'citygate[demo]'\n"
