"""`citygate policy` shows, exports and compares what is shared."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.config.load import load
from agent.policy.edition import admit
from tests.cli.conftest import SHARING, lay
from tests.peers import need


def test_the_table_says_who_gets_what_until_when(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site)]) == 0
    out = capsys.readouterr().out
    assert "15m mean max delta" in out
    assert "2030-12-31" in out
    assert "gateway" in out


def test_a_script_gets_the_deals(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site), "--form", "json"]) == 0
    [deal] = json.loads(capsys.readouterr().out)["deals"]
    assert (deal["recipient"], deal["product"], deal["keep"]) == ("city", "energy", 400.0)


@pytest.mark.parametrize(
    ("form", "begin"), [("markdown", "# What leaves library"), ("csv", "recipient,party,")]
)
def test_page_and_sheet_are_printed(
    site: Path, capsys: pytest.CaptureFixture[str], form: str, begin: str
) -> None:
    assert main(["policy", "show", str(site), "--form", form]) == 0
    assert capsys.readouterr().out.startswith(begin)


def test_two_policies_are_compared_and_the_status_tells(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = lay(tmp_path / "after")
    assert main(["policy", "diff", str(site), str(after)]) == 0
    assert "share the same" in capsys.readouterr().out
    sharing = after / "sharing.toml"
    sharing.write_text(sharing.read_text("utf-8").replace("2030-12-31", "2031-12-31"), "utf-8")
    assert main(["policy", "diff", str(site), str(after)]) == 1
    assert "~ city / energy: until 2030-12-31 -> 2031-12-31" in capsys.readouterr().out


def test_a_day_that_is_none_is_refused_in_a_sentence(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "show", str(site), "--date", "tomorrow"]) == 2
    assert capsys.readouterr().err == '--date: "tomorrow" is no day; write 2027-12-31\n'


def test_check_lists_what_each_wish_matched(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(site)]) == 0
    out = capsys.readouterr().out
    assert "What each `from` matched" in out
    assert "main-meter.active_power, main-meter.import_energy" in out


EDITION = '[policy]\ncity = "vaasa"\nnumber = {}\n\n'


def signed(site: Path, number: int) -> None:
    """Write an edition, and sign it with our own command."""
    (site / "sharing.toml").write_text(EDITION.format(number) + SHARING, "utf-8")
    assert main(["policy", "sign", str(site / "sharing.toml"), "--key", str(site / "key")]) == 0


@pytest.fixture
def demanding(site: Path) -> Path:
    """Give a site that demands a signature of one key."""
    words = ("-q", "-t", "ed25519", "-N", "", "-f", str(site / "key"))
    subprocess.run([need("ssh-keygen"), *words], check=True, capture_output=True)
    public = (site / "key.pub").read_text("ascii")
    (site / "allowed_signers").write_text(f"dpo@vaasa.example {public}", "ascii")
    return site


def test_what_was_signed_here_is_verified_here(
    demanding: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed(demanding, 7)
    assert main(["policy", "verify", str(demanding), "--state", str(tmp_path / "state")]) == 0
    out = capsys.readouterr().out
    assert "sharing.toml.sig: number 7 for vaasa" in out
    assert "Number 7 for vaasa, signed by dpo@vaasa.example." in out


def test_a_replayed_edition_fails_the_verification(
    demanding: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed(demanding, 7)
    admit(load(demanding), tmp_path / "state")
    signed(demanding, 6)
    assert main(["policy", "verify", str(demanding), "--state", str(tmp_path / "state")]) == 1
    assert "It may not come into force: this policy is number 6" in capsys.readouterr().out


def test_a_gateway_does_not_start_with_a_replayed_edition(demanding: Path, tmp_path: Path) -> None:
    signed(demanding, 7)
    admit(load(demanding), tmp_path / "state")
    signed(demanding, 6)
    words = ("run", str(demanding), "--state", str(tmp_path / "state"), "--socket", str(tmp_path / "socket"))
    done = subprocess.run(
        [sys.executable, "-m", "agent", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "number 7 has been in force here" in done.stderr


def test_an_unsigned_policy_fails_where_one_is_demanded(
    demanding: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["policy", "verify", str(demanding)]) == 2
    assert "not signed: there is no sharing.toml.sig" in capsys.readouterr().err


def test_a_site_that_demands_nothing_says_so(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "verify", str(site)]) == 1
    assert "Nobody demands a signature here" in capsys.readouterr().out


def test_a_file_without_a_number_is_not_signed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "sign", str(site / "sharing.toml"), "--key", str(site / "key")]) == 2
    assert "number = 1" in capsys.readouterr().err


def test_a_key_that_is_none_is_told(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    need("ssh-keygen")
    (site / "sharing.toml").write_text(EDITION.format(1) + SHARING, "utf-8")
    assert main(["policy", "sign", str(site / "sharing.toml"), "--key", str(site / "nobody")]) == 1
    assert "does not sign" in capsys.readouterr().err
