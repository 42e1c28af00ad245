"""Where a folder demands it, no policy is taken that was not signed: with the real ssh-keygen."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from agent.config.load import load
from agent.config.seal import sign
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from tests.peers import need

LIBRARY = Path(__file__).parents[2] / "cases" / "policy" / "library"
DAY = date(2027, 1, 1)
EDITION = '[policy]\ncity = "vaasa"\nnumber = 7\n\n'


class Desk:
    """A folder of a site, and the keys of those who may sign and of one who may not."""

    def __init__(self, folder: Path) -> None:
        self.program = need("ssh-keygen")
        self.site = folder / "site"
        self.keys = folder / "keys"
        for one in (self.site, self.keys):
            one.mkdir()
        (self.site / "site.toml").write_bytes((LIBRARY / "site.toml").read_bytes())
        self.sharing = self.site / "sharing.toml"
        self.signature = self.site / "sharing.toml.sig"
        for name in ("dpo", "stranger"):
            self._ssh("-q", "-t", "ed25519", "-N", "", "-f", str(self.keys / name))
        public = (self.keys / "dpo.pub").read_text("ascii")
        self.allowed = self.site / "allowed_signers"
        self.allowed.write_text(f'dpo@vaasa.example namespaces="citygate" {public}', "ascii")

    def write(self, head: str = EDITION) -> None:
        """Write the policy with *head* before it."""
        self.sharing.write_text(head + (LIBRARY / "sharing.toml").read_text("utf-8"), "utf-8")

    def sign(self, key: str = "dpo", use: str = "citygate") -> None:
        """Sign it as anybody could, without our own command."""
        words = ("-Y", "sign", "-f", str(self.keys / key), "-n", use)
        self.signature.write_bytes(self._ssh(*words, raw=self.sharing.read_bytes()))

    def load(self) -> Plan:
        return load(self.site, today=DAY)

    def refusal(self) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load()
        return str(caught.value)

    def _ssh(self, *words: str, raw: bytes = b"") -> bytes:
        done = subprocess.run([self.program, *words], input=raw, check=True, capture_output=True)
        return done.stdout


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_signed_policy_is_taken_and_known_by_its_number(desk: Desk) -> None:
    desk.write()
    desk.sign()
    edition = desk.load().edition
    assert edition is not None
    assert (edition.city, edition.number, edition.signer) == ("vaasa", 7, "dpo@vaasa.example")


def test_a_signature_changes_nothing_of_what_is_shared(desk: Desk) -> None:
    desk.write()
    desk.sign()
    signed = desk.load()
    desk.allowed.unlink()
    bare = desk.load()
    assert bare.edition is None
    assert (bare.policy, bare.routes) == (signed.policy, signed.routes)


def _one_byte(desk: Desk) -> None:
    desk.sharing.write_bytes(desk.sharing.read_bytes().replace(b'keep = "400d"', b'keep = "900d"'))


def _comment(desk: Desk) -> None:
    desk.sharing.write_bytes(desk.sharing.read_bytes() + b"\n")


def _signature_of_another(desk: Desk) -> None:
    text = desk.sharing.read_bytes()
    desk.sharing.write_bytes(text + b"# another\n")
    desk.sign()
    desk.sharing.write_bytes(text)


def _cut_signature(desk: Desk) -> None:
    desk.signature.write_bytes(desk.signature.read_bytes()[:-60])


TAMPERED: list[tuple[Callable[[Desk], object], str]] = [
    (_one_byte, "not what dpo@vaasa.example signed"),
    (_comment, "not what dpo@vaasa.example signed"),
    (_signature_of_another, "not what dpo@vaasa.example signed"),
    (_cut_signature, "signed by nobody of allowed_signers"),
    (lambda desk: desk.signature.unlink(), "not signed: there is no sharing.toml.sig"),
    (lambda desk: desk.sign("stranger"), "signed by nobody of allowed_signers"),
    (lambda desk: desk.sign(use="file"), "not what dpo@vaasa.example signed"),
    (lambda desk: desk.allowed.write_text(""), "signed by nobody of allowed_signers"),
    (lambda desk: _dangle(desk.allowed), "signed by nobody of allowed_signers"),
]


def _dangle(path: Path) -> None:
    """Leave a link to nowhere: it must not count as "nobody demands a signature"."""
    path.unlink()
    path.symlink_to(path.with_name("gone"))


@pytest.mark.parametrize(("tamper", "sentence"), TAMPERED)
def test_what_was_tampered_with_is_refused_in_a_sentence(
    desk: Desk, tamper: Callable[[Desk], object], sentence: str
) -> None:
    desk.write()
    desk.sign()
    tamper(desk)
    assert sentence in desk.refusal()


def test_a_signer_whose_time_is_over_is_refused(desk: Desk) -> None:
    desk.write()
    desk.sign()
    over = desk.allowed.read_text("ascii").replace("namespaces=", 'valid-before="20200101",namespaces=')
    desk.allowed.write_text(over, "ascii")
    assert "signed by nobody of allowed_signers" in desk.refusal()


def test_the_policy_of_another_city_is_refused_although_it_is_signed(desk: Desk) -> None:
    desk.write(EDITION.replace("vaasa", "espoo"))
    desk.sign()
    assert 'this policy is for "espoo"; this gateway stands in "vaasa"' in desk.refusal()


def test_a_signed_policy_without_a_number_is_refused(desk: Desk) -> None:
    desk.write("")
    desk.sign()
    assert "missing table [policy]" in desk.refusal()


def test_of_a_number_that_is_none_it_is_not_said_that_the_table_is_missing(desk: Desk) -> None:
    desk.write(EDITION.replace("7", '"seven"'))
    desk.sign()
    told = desk.refusal()
    assert "sharing.toml:3:10: expected a whole number" in told
    assert "missing table" not in told


def test_an_unsigned_file_beside_the_signed_one_may_share_nothing(desk: Desk) -> None:
    desk.write()
    desk.sign()
    extra = '[recipient.other]\nbroker = "mqtts://elsewhere.example"\n[grant.other]\nrecipient = "other"\n'
    extra += 'products = ["energy"]\npurpose = "operations"\nkeep = "1d"\n'
    (desk.site / "zz.toml").write_text(extra, "utf-8")
    assert "signed, they stand in one file" in desk.refusal()


def test_a_drop_in_can_neither_number_nor_share(desk: Desk) -> None:
    desk.write()
    desk.sign()
    (desk.site / "site.d").mkdir()
    (desk.site / "site.d" / "x.toml").write_text("[policy]\nnumber = 9\n", "utf-8")
    assert "cannot change the sharing policy" in desk.refusal()


def test_without_ssh_keygen_nothing_is_taken_for_signed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write()
    desk.sign()
    monkeypatch.setenv("PATH", "/nowhere")
    assert "install openssh-client" in desk.refusal()


def test_a_key_that_is_none_signs_nothing(desk: Desk) -> None:
    desk.write()
    with pytest.raises(ValueError, match="does not sign"):
        sign(desk.sharing.read_bytes(), desk.keys / "nobody")


def test_a_verifier_that_cannot_be_run_lets_nothing_through(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write()
    desk.sign()
    broken = tmp_path / "bin" / "ssh-keygen"
    broken.parent.mkdir()
    broken.write_text("#!/nowhere/interpreter\n", "ascii")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(broken.parent))
    assert "ssh-keygen gave no answer" in desk.refusal()


def test_a_site_that_demands_nothing_takes_unsigned_policies(desk: Desk) -> None:
    desk.write()
    desk.allowed.unlink()
    assert desk.load().edition is None
