"""A camera's secret comes from where the unit was handed it, or from a folder that others cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import GatewayError
from pipelines.vision.credentials import credential


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder of the site's own credentials, beside no other."""
    monkeypatch.setenv("CONFIGURATION_DIRECTORY", str(tmp_path))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (tmp_path / "credentials").mkdir()
    return tmp_path / "credentials"


def hold(place: Path, text: str, mode: int = 0o600) -> None:
    place.write_text(text, "utf-8")
    place.chmod(mode)


def test_what_is_no_reference_is_the_text_itself() -> None:
    assert credential("operator") == "operator"


def test_what_the_unit_was_handed_comes_before_the_folder(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold(own / "camera", "from the folder\n")
    assert credential("credential:camera") == "from the folder"
    (tmp_path / "handed").mkdir()
    hold(tmp_path / "handed" / "camera", "handed\n", 0o444)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "handed"))
    assert credential("credential:camera") == "handed"


def test_a_secret_that_everybody_can_read_is_refused(own: Path) -> None:
    hold(own / "camera", "secret", 0o644)
    with pytest.raises(GatewayError, match=r"camera: everybody can read this credential; chmod 600 it"):
        credential("credential:camera")


def test_a_secret_that_is_missing_is_told_by_its_name(own: Path) -> None:
    with pytest.raises(GatewayError, match="LoadCredential=camera:FILE"):
        credential("credential:camera")


@pytest.mark.parametrize("name", ["", "../camera", "a/b", "-x", "a" * 256])
def test_a_name_that_would_lead_elsewhere_is_none(own: Path, name: str) -> None:
    hold(own.parent / "camera", "not for cameras")
    with pytest.raises(GatewayError, match="names no credential"):
        credential(f"credential:{name}")
