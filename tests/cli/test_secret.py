"""A secret is kept where only the gateway can read it, and is never shown again."""

from __future__ import annotations

import grp
import io
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import vault
from agent.cli.main import main
from agent.core.errors import ConfigError, GatewayError
from agent.core.secrets import secret as opened


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path


def piped(monkeypatch: pytest.MonkeyPatch, value: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(value)))


def test_what_is_piped_in_is_what_the_gateway_reads(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"open sesame\n")
    assert main(["secret", "set", "city-password", "--plain", "--config", str(site)]) == 0
    assert opened("credential:city-password") == "open sesame"
    main(["secret", "list", "--config", str(site)])
    told = capsys.readouterr().out
    assert "city-password: readable by root and the group citygate" in told
    assert "sesame" not in told


def test_nobody_else_can_read_it_whatever_the_mask(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"x")
    before = os.umask(0)
    try:
        main(["secret", "set", "a", "--plain", "--config", str(site)])
    finally:
        os.umask(before)
    assert stat.S_IMODE((site / "credentials/a").stat().st_mode) & 0o007 == 0


@pytest.mark.parametrize("value", [b"", b"\n", b"x" * (1 << 20) + b"y\n"])
def test_what_can_be_no_secret_leaves_the_old_one(
    site: Path, monkeypatch: pytest.MonkeyPatch, value: bytes
) -> None:
    piped(monkeypatch, b"old")
    main(["secret", "set", "a", "--plain", "--config", str(site)])
    piped(monkeypatch, value)
    assert main(["secret", "set", "a", "--plain", "--config", str(site)]) == 2
    assert opened("credential:a") == "old"


def test_a_removed_secret_is_gone_and_a_missing_one_is_told(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"x")
    main(["secret", "set", "a", "--plain", "--config", str(site)])
    assert main(["secret", "remove", "a", "--config", str(site)]) == 0
    assert main(["secret", "remove", "a", "--config", str(site)]) == 1
    assert "there is no secret called a" in capsys.readouterr().err


def test_a_name_cannot_lead_out_of_the_folder(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"x")
    assert main(["secret", "set", "../site.toml", "--plain", "--config", str(site)]) == 2
    assert not (site.parent / "site.toml").exists()


def test_where_systemd_seals_the_value_lies_nowhere_in_clear(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def systemd(_: bytes, name: str, path: Path) -> bool:
        path.parent.mkdir()
        path.write_text(f"sealed {name}")
        return True

    piped(monkeypatch, b"old")
    main(["secret", "set", "a", "--plain", "--config", str(site)])
    monkeypatch.setattr(vault, "_seal", systemd)
    piped(monkeypatch, b"new")
    main(["secret", "set", "a", "--config", str(site)])
    assert not (site / "credentials/a").exists()
    with pytest.raises(ConfigError, match="sealed for the services"):
        opened("credential:a")


def test_on_a_terminal_it_is_asked_for_twice_without_being_shown(site: Path) -> None:
    script = (
        "import pty, sys, os\n"
        "child, line = pty.fork()\n"
        "if not child:\n"
        "    os.execv(sys.executable, [sys.executable, '-P', '-m', 'agent', *sys.argv[1:]])\n"
        "seen = b''\n"
        "for answer in (b'hush\\n', b'hush\\n'):\n"
        "    while not seen.endswith((b'a: ', b'again: ')): seen += os.read(line, 100)\n"
        "    os.write(line, answer); seen += b'.'\n"
        "try:\n"
        "    while part := os.read(line, 100): seen += part\n"
        "except OSError: pass\n"
        "print(seen)\n"
    )
    words = ["secret", "set", "a", "--plain", "--config", str(site)]
    said = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    ).stdout
    assert "hush" not in said
    assert "kept a" in said
    assert opened("credential:a") == "hush"


def test_two_answers_that_differ_keep_nothing(
    site: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = iter(["hush", "hash"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
    assert main(["secret", "set", "a", "--plain", "--config", str(site)]) == 2
    assert capsys.readouterr().err == "the two are not the same; nothing was kept\n"
    assert not (site / "credentials").exists()


@pytest.fixture
def sealer(site: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a systemd-creds that turns a secret round; where a file "fails" lies beside it, it refuses."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "systemd-creds"
    program.write_text(
        '#!/bin/sh\nif [ -e "$(dirname "$0")/fails" ]; then echo "no key on this host" >&2; exit 1; fi\n'
        'case "$1" in encrypt) rev > "$4";; decrypt) rev < "$3";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(vault, "_SYSTEMD", site)
    return folder


def test_what_systemd_seals_can_be_opened_by_it_alone(
    site: Path, sealer: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    piped(monkeypatch, b"open sesame")
    assert main(["secret", "set", "a", "--config", str(site)]) == 0
    assert (site / "sealed/a").read_bytes().strip() == b"emases nepo"
    assert stat.S_IMODE((site / "sealed/a").stat().st_mode) == 0o600
    assert not (site / "credentials").exists()
    assert vault.opened("a").strip() == b"open sesame"
    with pytest.raises(GatewayError, match="there is no secret called b"):
        vault.opened("b")
    (sealer / "fails").touch()
    with pytest.raises(GatewayError, match="a cannot be opened; use sudo: no key on this host"):
        vault.opened("a")


def test_where_systemd_cannot_seal_it_is_said_and_the_secret_kept_readable_by_root(
    site: Path, sealer: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (sealer / "fails").touch()
    piped(monkeypatch, b"x")
    assert main(["secret", "set", "a", "--config", str(site)]) == 0
    assert "systemd cannot encrypt here: no key on this host" in capsys.readouterr().err
    assert opened("credential:a") == "x"
    assert vault.opened("a") == b"x"


def test_without_systemd_a_secret_is_kept_for_root_and_the_gateways_group(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault, "_SYSTEMD", site / "none")
    monkeypatch.setattr(vault, "_GROUP", grp.getgrgid(os.getgid()).gr_name)
    piped(monkeypatch, b"x")
    assert main(["secret", "set", "a", "--config", str(site)]) == 0
    assert not (site / "sealed").exists()
    assert stat.S_IMODE((site / "credentials/a").stat().st_mode) == 0o640
