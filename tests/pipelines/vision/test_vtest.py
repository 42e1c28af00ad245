"""Real people on a real square: the counts of lines that a person counted too.

The clip comes with a Debian package, the truth and one model lie beside the checkout where there is work on
models, the other model comes with npm. What is not there is skipped by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from agent.cli.main import main
from tests.peers import missing, need

CLIP: Final = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
SHARED: Final = Path(__file__).parents[4] / "shared" / "data"
TRUTH: Final = SHARED / "vtest_lines.json"
YOLOX: Final = SHARED / "models" / "yolox_nano.onnx"
Screen = pytest.CaptureFixture[str]


def test_yolox_counts_the_square_at_every_fourth_frame(tmp_path: Path, capsys: Screen) -> None:
    add("yolox-nano", tmp_path, "--from", str(there(YOLOX)))
    assert accuracy(tmp_path, capsys, every=4) >= 0.97


@pytest.mark.long
def test_yolox_counts_the_square_at_every_frame(tmp_path: Path, capsys: Screen) -> None:
    add("yolox-nano", tmp_path, "--from", str(there(YOLOX)))
    assert accuracy(tmp_path, capsys, every=1) >= 0.97


@pytest.mark.long
@pytest.mark.parametrize("every", [1, 4])
def test_nanodet_counts_the_square(every: int, tmp_path: Path, capsys: Screen) -> None:
    need("npm")
    add("nanodet-g", tmp_path)
    assert accuracy(tmp_path, capsys, every=every) >= 0.95


@pytest.mark.long
def test_nanodet_in_whole_numbers_is_accepted_and_counts_as_well(tmp_path: Path, capsys: Screen) -> None:
    need("npm")
    add("nanodet-g", tmp_path, "--int8", "--clip", str(clip()))
    assert accuracy(tmp_path, capsys, every=2) >= 0.95


OTHER_LINES = """
[lines]
middle = { from = [0.65, 0.87], to = [0.65, 0.17] }
right = { from = [0.78, 0.90], to = [0.78, 0.26] }
left = { from = [0.20, 0.69], to = [0.20, 0.26] }
long = { from = [0.39, 0.97], to = [0.39, 0.17] }
falling = { from = [0.26, 0.21], to = [0.78, 0.83] }
short = { from = [0.34, 0.35], to = [0.55, 0.73] }
"""


@pytest.mark.long
def test_two_models_at_different_paces_count_other_lines_alike(tmp_path: Path, capsys: Screen) -> None:
    """Lines that nobody counted by hand, in other places and directions: one model checks the other."""
    need("npm")
    lines = tmp_path / "lines.toml"
    lines.write_text(OTHER_LINES)
    add("yolox-nano", tmp_path / "yolox", "--from", str(there(YOLOX)))
    add("nanodet-g", tmp_path / "nanodet")
    often = passages(tmp_path / "yolox", lines, capsys, every=1)
    seldom = passages(tmp_path / "nanodet", lines, capsys, every=4)
    off = sum(abs(often[one] - seldom[one]) for one in often)
    assert sum(often.values()) > 150
    assert off <= 0.05 * sum(often.values())


def passages(place: Path, lines: Path, capsys: Screen, *, every: int) -> dict[tuple[str, str], int]:
    capsys.readouterr()
    words = ["--clip", str(clip()), "--lines", str(lines), "--models", str(place), "--every", str(every)]
    assert main(["validate", *words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["counts"]
    return {(line, name): round(number) for line, names in told.items() for name, number in names.items()}


def add(name: str, place: Path, *more: str) -> None:
    assert main(["model", "add", name, "--models", str(place), *more]) == 0


def accuracy(place: Path, capsys: Screen, *, every: int) -> float:
    words = ["--clip", str(clip()), "--lines", str(there(TRUTH)), "--expect", str(TRUTH)]
    capsys.readouterr()
    assert main(["validate", *words, "--models", str(place), "--every", str(every), "--json"]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert sum(one["expected"] for one in told["compared"]) == 42
    share: float = told["accuracy"]
    return share


def clip() -> Path:
    return CLIP if CLIP.exists() else missing("the clip of the Debian package opencv-doc")


def there(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"needs {path.name}, which is not beside this checkout")
    return path
