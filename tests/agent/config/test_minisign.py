"""A policy may be signed by minisign: with the real program, in both of its forms."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.config.load import load
from agent.config.minisign import SUFFIX, is_secret_key, signers
from agent.config.seal import ALLOWED_MINISIGN as ALLOWED
from agent.core import ed25519
from agent.core.errors import ConfigError, OutboxError
from agent.core.plan import Plan
from tests.agent.config.test_seal import DAY, EDITION, LIBRARY
from tests.peers import need

COMMENT = "untrusted comment: "


class Desk:
    """A folder of a site, and keys of minisign: of one who may sign and of one who may not."""

    def __init__(self, folder: Path) -> None:
        self.program = need("minisign")
        self.site = folder / "site"
        self.site.mkdir()
        self.folder = folder
        (self.site / "site.toml").write_bytes((LIBRARY / "site.toml").read_bytes())
        self.sharing = self.site / "sharing.toml"
        self.signature = self.site / f"sharing.toml{SUFFIX}"
        self.allowed = self.site / ALLOWED
        for name in ("dpo", "stranger"):
            self._run("-G", "-W", "-f", "-s", str(folder / f"{name}.key"), "-p", str(folder / f"{name}.pub"))
        self.allow("dpo")
        self.write()

    def allow(self, *names: str, comment: str = "dpo@vaasa.example") -> None:
        """Trust the keys of *names*, with who holds them."""
        keys = [(self.folder / f"{name}.pub").read_text("ascii").splitlines()[1] for name in names]
        self.allowed.write_text("".join(f"{COMMENT}{comment}\n{key}\n" for key in keys), "ascii")

    def write(self, more: str = "") -> None:
        self.sharing.write_text(EDITION + (LIBRARY / "sharing.toml").read_text("utf-8") + more, "utf-8")

    def sign(self, key: str = "dpo", *words: str) -> None:
        """Sign it as anybody could, without our own command."""
        file = ("-m", str(self.sharing), "-x", str(self.signature))
        self._run("-S", "-s", str(self.folder / f"{key}.key"), *file, *words)

    def load(self) -> Plan:
        return load(self.site, today=DAY)

    def refusal(self) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return str(caught.value)

    def lines(self) -> list[str]:
        return self.signature.read_text("ascii").splitlines()

    def change(self, line: int, text: str) -> None:
        """Write another line into the signature file."""
        found = self.lines()
        found[line] = text
        self.signature.write_text("\n".join(found) + "\n", "ascii")

    def _run(self, *words: str) -> None:
        subprocess.run([self.program, *words], input=b"", check=True, capture_output=True)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize(("words", "form"), [((), b"ED"), (("-l",), b"Ed")], ids=["over a digest", "legacy"])
def test_what_minisign_signed_is_taken_and_known_by_its_number(
    desk: Desk, words: tuple[str, ...], form: bytes
) -> None:
    desk.sign("dpo", *words)
    assert base64.b64decode(desk.lines()[1])[:2] == form
    edition = desk.load().edition
    assert edition is not None
    assert (edition.city, edition.number, edition.signer) == ("vaasa", 7, "dpo@vaasa.example")


def test_a_public_key_as_minisign_wrote_it_is_trusted_under_its_number(desk: Desk) -> None:
    desk.allowed.write_bytes((desk.folder / "dpo.pub").read_bytes())
    desk.sign()
    edition = desk.load().edition
    assert edition is not None
    number = (desk.folder / "dpo.pub").read_text("ascii").split()[-2].zfill(16)  # it drops leading zeros
    assert edition.signer == f"key {number}"


def test_any_of_several_keys_may_sign(desk: Desk) -> None:
    desk.allow("stranger", "dpo")
    desk.sign()
    assert desk.load().edition is not None
    assert len(signers(desk.allowed)) == 2


def _turned(text: str) -> str:
    """Turn one bit in the middle of a line of Base64."""
    raw = bytearray(base64.b64decode(text))
    raw[len(raw) // 2] ^= 1
    return base64.b64encode(bytes(raw)).decode()


TAMPERED: list[tuple[Callable[[Desk], object], str]] = [
    (lambda desk: desk.write("\n"), "not what dpo@vaasa.example signed"),
    (lambda desk: desk.change(1, _turned(desk.lines()[1])), "not what dpo@vaasa.example signed"),
    (lambda desk: desk.change(2, desk.lines()[2] + "!"), "not what dpo@vaasa.example signed"),
    (lambda desk: desk.change(3, _turned(desk.lines()[3])), "not what dpo@vaasa.example signed"),
    (lambda desk: desk.change(1, "RW"), "is no signature of minisign"),
    (lambda desk: desk.change(2, "trusted: all of it"), "is no signature of minisign"),
    (lambda desk: desk.signature.write_bytes(b"\xff\n\xff\n"), "is no signature of minisign"),
    (lambda desk: desk.sign("stranger"), "signed by nobody of allowed_minisign"),
    (lambda desk: desk.allowed.write_text(""), "signed by nobody of allowed_minisign"),
    (lambda desk: _dangle(desk.allowed), "signed by nobody of allowed_minisign"),
    (lambda desk: desk.signature.unlink(), "not signed: there is no sharing.toml.minisig"),
]


def _dangle(path: Path) -> None:
    """Leave a link to nowhere: it must not count as "nobody demands a signature"."""
    path.unlink()
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED)
@pytest.mark.parametrize("words", [(), ("-l",)], ids=["over a digest", "legacy"])
def test_what_was_tampered_with_is_refused_in_a_sentence(
    desk: Desk, words: tuple[str, ...], tamper: Callable[[Desk], object], sentence: str
) -> None:
    desk.sign("dpo", *words)
    tamper(desk)
    assert sentence in desk.refusal()


def test_the_form_of_a_signature_cannot_be_passed_off_as_the_other(desk: Desk) -> None:
    desk.sign()
    raw = base64.b64decode(desk.lines()[1])
    desk.change(1, base64.b64encode(b"Ed" + raw[2:]).decode())
    assert "not what dpo@vaasa.example signed" in desk.refusal()


def test_where_both_kinds_are_trusted_one_of_them_suffices(desk: Desk) -> None:
    (desk.site / "allowed_signers").write_text("", "ascii")
    assert "there is no sharing.toml.sig or sharing.toml.minisig" in desk.refusal()
    desk.sign()
    assert desk.load().edition is not None
    (desk.site / "sharing.toml.sig").write_text("nonsense", "ascii")
    assert desk.load().edition is not None
    desk.allowed.unlink()
    need("ssh-keygen")
    assert "signed by nobody of allowed_signers" in desk.refusal()


def test_our_own_command_signs_with_the_program(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("policy", "sign", str(desk.sharing), "--key", str(desk.folder / "dpo.key"))
    assert main([*words]) == 0
    assert f"{desk.signature}: number 7 for vaasa" in capsys.readouterr().out
    edition = desk.load().edition
    assert edition is not None
    assert edition.signer == "dpo@vaasa.example"
    desk._run("-V", "-p", str(desk.folder / "dpo.pub"), "-m", str(desk.sharing))


def test_without_the_program_nothing_is_signed_but_everything_verified(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.sign()
    monkeypatch.setenv("PATH", "/nowhere")
    assert desk.load().edition is not None
    assert main(["policy", "sign", str(desk.sharing), "--key", str(desk.folder / "dpo.key")]) == 1
    assert "install minisign" in capsys.readouterr().err


def test_a_signature_that_cannot_be_read_is_told(desk: Desk) -> None:
    desk.signature.symlink_to("/proc/self/mem")
    assert "sharing.toml.minisig cannot be read" in desk.refusal()


def test_without_openssl_nothing_is_taken_for_signed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise OutboxError("this Python's ssl offers no OpenSSL")

    desk.sign()
    monkeypatch.setattr(ed25519, "_library", missing)
    assert "offers no OpenSSL" in desk.refusal()


def test_a_key_that_does_not_sign_is_told(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    broken = desk.folder / "broken.key"
    broken.write_text(f"{COMMENT}minisign encrypted secret key\nRWQ=\n", "ascii")
    assert main(["policy", "sign", str(desk.sharing), "--key", str(broken)]) == 1
    assert "does not sign" in capsys.readouterr().err


def test_only_a_file_that_is_a_key_of_minisign_is_taken_for_one(desk: Desk, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"untrusted comment: \xff\nRW\n")
    assert is_secret_key(desk.folder / "dpo.key")
    assert [is_secret_key(one) for one in (other, tmp_path / "gone", tmp_path)] == [False] * 3


def test_lines_that_are_no_keys_are_passed_over_and_take_no_name_with_them(desk: Desk) -> None:
    key = (desk.folder / "dpo.pub").read_text("ascii").splitlines()[1]
    desk.allowed.write_text(f"{COMMENT}somebody@vaasa.example\nRWQ=\n{key}\n", "ascii")
    [signer] = signers(desk.allowed)
    assert signer.name.startswith("key "), "the name stands above another line"
