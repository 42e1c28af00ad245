"""A bundle is whole or not at all, the same for the same contents, and refused when anything changed."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from agent.core.errors import GatewayError
from agent.core.vision import About, Manifest
from pipelines.vision.models.bundle import Bundle, digest, read, write

MODEL, REFERENCE = b"a model" * 1000, b"its reference" * 1000
ABOUT = About(family="yolox", label="Toy", classes=("person",), licence="none")
MANIFEST = Manifest(
    name="toy", about=ABOUT, source="here", size=(256, 320), int8=False,
    sha256=digest(MODEL), reference_sha256=digest(REFERENCE),
)  # fmt: skip
WHOLE = Bundle(MANIFEST, MODEL, REFERENCE)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write(WHOLE, tmp_path / "new" / "toy.citymodel")
    assert read(tmp_path / "new" / "toy.citymodel") == WHOLE


def test_the_same_contents_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write(WHOLE, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.parametrize("member", ["model.onnx", "reference.onnx"])
def test_one_changed_byte_is_noticed(tmp_path: Path, member: str) -> None:
    path = tmp_path / "toy.citymodel"
    write(WHOLE, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts[member] = parts[member][:-1] + b"?"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(GatewayError, match="not the one it was made with"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(GatewayError, match="no model bundle, or is damaged"):
        read(tmp_path / "x")


def test_a_bundle_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=r"lost\.citymodel: there is no such file"):
        read(tmp_path / "lost.citymodel")


def test_a_model_that_no_gateway_could_run_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(WHOLE, tmp_path / "x")
    monkeypatch.setattr("pipelines.vision.models.bundle._LARGEST", len(MODEL) - 1)
    with pytest.raises(GatewayError, match=r"model\.onnx in it is larger than"):
        read(tmp_path / "x")


def test_a_bundle_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "toy.citymodel"
    write(WHOLE, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(GatewayError, match="damaged"):
        read(path)


def test_a_model_that_is_its_own_reference_is_kept_once(tmp_path: Path) -> None:
    alone = Bundle(
        Manifest(
            name="toy", about=ABOUT, source="here", size=(256, 320), int8=False,
            sha256=digest(MODEL), reference_sha256=digest(MODEL),
        ),
        MODEL,
        MODEL,
    )  # fmt: skip
    write(alone, tmp_path / "toy")
    assert read(tmp_path / "toy") == alone
    with zipfile.ZipFile(tmp_path / "toy") as archive:
        assert archive.namelist() == ["manifest.json", "model.onnx"]
