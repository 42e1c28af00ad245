"""A credential is found where systemd or root put it, and never where everybody can read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import ConfigError
from agent.core.secrets import secret, secret_file


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder beside the configuration; systemd hands nothing over."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path / "etc"))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    folder = tmp_path / "etc" / "credentials"
    folder.mkdir(parents=True)
    return folder


def put(folder: Path, name: str, value: bytes, mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(value)
    path.chmod(mode)
    return path


def test_plain_text_is_its_own_value(own: Path) -> None:
    assert secret("gw1") == "gw1"
    assert secret_file(str(own / "ca.crt")) == own / "ca.crt"


@pytest.mark.parametrize(
    ("raw", "value"), [(b"s3\n", "s3"), (b"s3", "s3"), (b"s3\n\n", "s3\n"), (b" s3\r\n", " s3")]
)
def test_one_newline_at_the_end_is_no_part_of_a_secret(own: Path, raw: bytes, value: str) -> None:
    put(own, "city", raw)
    assert secret("credential:city") == value


def test_what_systemd_hands_over_comes_first(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = tmp_path / "handed"
    handed.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    put(own, "city", b"from a file")
    assert secret("credential:city") == "from a file"
    put(handed, "city", b"from systemd", 0o444)
    assert secret("credential:city") == "from systemd"
    assert secret_file("credential:city") == handed / "city"


def test_a_credential_that_everybody_can_read_is_refused(own: Path) -> None:
    path = put(own, "city", b"s3", 0o644)
    with pytest.raises(ConfigError, match="everybody can read this credential; chmod 600 it"):
        secret("credential:city")
    path.chmod(0o640)
    assert secret("credential:city") == "s3"


def test_a_missing_credential_says_what_keeps_it(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"citygate secret set city --plain --config {own.parent}"
    with pytest.raises(ConfigError, match=f'credential "city" is missing: `{said}` asks for it'):
        secret("credential:city")
    monkeypatch.delenv("CONFIGURATION_DIRECTORY")
    with pytest.raises(ConfigError, match="missing: `sudo citygate secret set city-of-nowhere` asks"):
        secret("credential:city-of-nowhere")


@pytest.mark.parametrize("name", ["", "../city", "a/b", ".hidden", "a b"])
def test_a_name_cannot_leave_the_folder(own: Path, name: str) -> None:
    put(own.parent, "city", b"s3")
    with pytest.raises(ConfigError, match="names no credential"):
        secret(f"credential:{name}")


def test_a_secret_that_is_no_text_is_refused_without_being_shown(own: Path) -> None:
    put(own, "city", b"\xff\xfe\x00s3")
    with pytest.raises(ConfigError) as caught:
        secret("credential:city")
    assert "s3" not in str(caught.value)


def test_a_credential_that_cannot_be_read_says_why(own: Path) -> None:
    (own / "city").mkdir(mode=0o700)
    with pytest.raises(ConfigError, match=r"credentials/city: cannot be read: Is a directory"):
        secret("credential:city")


def test_a_folder_of_credentials_that_is_none_is_said(own: Path) -> None:
    own.rmdir()
    own.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match=r"credentials/city: cannot be read: Not a directory"):
        secret("credential:city")


def test_a_sealed_credential_that_was_not_handed_over_says_what_hands_it_over(own: Path) -> None:
    sealed = own.parent / "sealed"
    sealed.mkdir()
    put(sealed, "city", b"sealed by systemd")
    with pytest.raises(ConfigError, match=r"sealed for the services.*`sudo citygate apply` does that"):
        secret("credential:city")
