"""`citygate validate` counts a clip, and says how far that is from what a person counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from agent.cli.accuracy import accuracy, compared, interval
from agent.cli.main import main
from agent.cli.scene import drawn_over, expected, scene
from agent.core.errors import ConfigError
from agent.core.vision import About, Counted, Manifest
from pipelines.vision.models.bundle import Bundle, digest, write
from tests.cli.conftest import SITE
from tests.cli.test_model import answering
from tests.pipelines.vision.clips import across, clip, toy

Screen = pytest.CaptureFixture[str]
LINES = """
[lines.gate]
from = [0.5, 0.95]
to = [0.5, 0.05]
[zones.left]
corners = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
"""
PIXELS = {
    "width": 320, "height": 256, "note": "left is the smaller x",
    "lines": {"A": {"p1": [160, 12], "p2": [160, 243], "to_left": 1, "to_right": 1, "events": []}},
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a model that is installed, a clip and lines."""
    folder = tmp_path_factory.mktemp("site")
    model = toy().SerializeToString()
    about = About(family="yolox", label="Toy", classes=("person",), licence="none")
    manifest = Manifest(
        name="toy", about=about, source="here", size=(256, 320), int8=False,
        sha256=digest(model), reference_sha256=digest(model),
    )  # fmt: skip
    write(Bundle(manifest, model, model), folder / "models" / "toy.citymodel")
    clip(folder / "squares.mp4", 75, across)
    (folder / "lines.toml").write_text(LINES, "utf-8")
    (folder / "lines.json").write_text(json.dumps(PIXELS), "utf-8")
    (folder / "counted.toml").write_text("[lines.gate]\nto_left = 1\nto_right = 2\n", "utf-8")
    return folder


def words(place: Path, *more: str) -> list[str]:
    return ["validate", "--clip", str(place / "squares.mp4"), "--models", str(place / "models"), *more]


def test_a_clip_is_counted_and_compared(place: Path, capsys: Screen) -> None:
    lines, wanted = str(place / "lines.toml"), str(place / "counted.toml")
    assert main(words(place, "--lines", lines, "--expect", wanted, "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"]["gate"] == {"person_to_left": 1, "person_to_right": 1}
    assert told["counts"]["left"]["person_entries"] == told["counts"]["left"]["person_exits"] == 1
    assert told["accuracy"] == pytest.approx(2 / 3)
    assert told["interval"] == pytest.approx(interval(2, 3))
    assert (told["pictures"], told["model"]) == (75, "toy")
    assert told["observed"] == pytest.approx(told["seconds"])


def test_people_get_a_table_and_one_sentence(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    lines, wanted = str(place / "lines.toml"), str(place / "counted.toml")
    assert main(words(place, "--lines", lines, "--expect", wanted)) == 0
    told = capfd.readouterr()
    assert "Accuracy 66.7% (off by 1 of 3 passages; 95 % interval" in told.out
    assert "frame 26 of 75, 34 %" in told.err


def test_lines_in_pixels_have_the_smaller_x_on_their_left(place: Path, capsys: Screen) -> None:
    file = str(place / "lines.json")
    assert main(words(place, "--lines", file, "--expect", file, "--every", "2", "--json")) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"a": {"person_to_left": 1, "person_to_right": 1}}
    assert told["accuracy"] == 1
    assert told["pictures"] == 38


def test_the_gateways_own_process_loads_nothing_that_could_hold_a_picture(place: Path) -> None:
    program = (
        "import sys; from agent.cli.main import main; status = main(sys.argv[1:]);"
        " found = {'av', 'cv2', 'numpy', 'onnx', 'onnxruntime', 'pipelines'} & set(sys.modules);"
        " sys.exit(f'loaded {found}' if found else status)"
    )
    line = words(place, "--lines", str(place / "lines.toml"))
    done = subprocess.run([sys.executable, "-c", program, *line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_program_that_sees_pictures_leaves_no_file_behind(place: Path, tmp_path: Path) -> None:
    """Telemetry of the runtime would make some in the home, unless it is off before the import."""
    environment = {key: one for key, one in os.environ.items() if key != "CI"} | {"HOME": str(tmp_path)}
    line = words(place, "--lines", str(place / "lines.toml"))
    done = subprocess.run(
        [sys.executable, "-m", "agent", *line], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(("picture", "status"), [("[640, 512]", 0), ("[640, 480]", 1), ("[640]", 2)])
def test_a_clip_of_another_shape_than_the_still_is_a_fault(
    place: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], picture: str, status: int
) -> None:
    (tmp_path / "lines.toml").write_text(f"picture = {picture}\n{LINES}", "utf-8")
    assert main(words(place, "--lines", str(tmp_path / "lines.toml"))) == status
    if status == 1:
        assert "shows 320 x 256, and the lines were drawn over 640 x 480" in capfd.readouterr().err


def test_a_camera_of_the_configuration_brings_its_own_lines_and_keeps_what_was_found(
    place: Path, tmp_path: Path, capsys: Screen
) -> None:
    site = SITE.partition("[link")[0] + LINES.replace("[lines", "[link.square.lines").replace(
        "[zones", "[link.square.zones"
    )
    link = '[link.square]\ndriver = "camera"\nsource = "rtsp://10.30.0.7/2"\nmodel = "toy"\n'
    (tmp_path / "site.toml").write_text(site + link, "utf-8")
    (tmp_path / "counted.txt").write_text("[lines.gate]\nto_left = 10\nto_right = 10\n", "utf-8")
    line = words(place, "square", "--config", str(tmp_path), "--expect", str(tmp_path / "counted.txt"))
    assert main(line) == 0
    told = capsys.readouterr()
    assert "Accuracy 10.0% (off by 18 of 20 passages" in told.out
    assert "measured-square.toml; next: `systemctl reload citygate`" in told.err
    assert "[link.square.measured.gate]\naccuracy = 0.1\n" in (
        tmp_path / "site.d" / "measured-square.toml"
    ).read_text("utf-8")


def test_a_whole_site_file_may_hold_the_lines(tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    text = LINES.replace("[lines", "[link.square.lines").replace("[zones", "[link.square.zones")
    file.write_text(text, "utf-8")
    assert list(scene(file).lines) == ["gate"]
    file.write_text(text + text.replace("square", "street"), "utf-8")
    assert list(scene(file, "street").zones) == ["left"]
    with pytest.raises(ConfigError, match="name one of: square, street"):
        scene(file)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("to = [0.5, 0.05]", "to = [0.5, 1.05]"), r"lines\.toml:4:12"),
        (("to = [0.5, 0.05]", "too = [0.5, 0.05]"), r'did you mean "to"'),
        (("to = [0.5, 0.05]", "to = [0.5, 0.95]"), "two different ends"),
        (("[0.5, 1.0], [0.0, 1.0]", "[0.0, 1.0], [0.5, 1.0]"), "crosses itself"),
        (("[0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]", "[0.5, 0.0], [1.0, 0.0]]"), "the corners enclose nothing"),
        (("[zones.left]", "[zones.gate]"), "must not share a name: gate"),
        (("[lines.gate]", '[lines.gate]\nclasses = ["dog"]'), "person"),
        ((LINES, ""), "draws nothing"),
        ((LINES, "[lines"), r"lines\.toml:1"),
    ],
)
def test_what_is_drawn_wrong_is_reported_with_its_place(
    tmp_path: Path, change: tuple[str, str], says: str
) -> None:
    file = tmp_path / "lines.toml"
    file.write_text(LINES.replace(*change), "utf-8")
    with pytest.raises(ConfigError, match=says):
        scene(file)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[lines.gat]\nto_left = 1\n", 'a line "gat" that is not drawn; drawn are: gate'),
        ("[lines.gate]\nto_top = 1\n", '"to_top" is neither to_left nor to_right'),
        ("[lines.gate]\nto_left = -1\n", "must be a number of passages"),
        ("[counts]\n", r"has no \[lines\.NAME\]"),
    ],
)
def test_what_was_counted_wrongly_written_is_refused(
    place: Path, tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "counted.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=says):
        expected(tmp_path / "counted.toml", scene(place / "lines.toml"))


@pytest.mark.parametrize(
    ("more", "status", "says"),
    [
        (["--clip", "/nowhere.mp4"], 1, "no such file"),
        (["--clip", __file__], 1, "cannot be read as a video"),
        (["--every", "0"], 2, "1 or more"),
        (["--model", "yolox-nano"], 2, "known: toy"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    place: Path, capsys: Screen, more: list[str], status: int, says: str
) -> None:
    assert main(words(place, "--lines", str(place / "lines.toml"), *more)) == status
    assert says in capsys.readouterr().err


def test_accuracy_is_one_minus_the_differences_over_all_passages() -> None:
    counts = {("a", "person", "to_left"): 14, ("a", "person", "to_right"): 14, ("b", "car", "to_left"): 10}
    wanted = {("a", None, "to_left"): 15, ("a", None, "to_right"): 13, ("b", "car", "to_left"): 12}
    found = accuracy(compared(counts, wanted))  # type: ignore[arg-type]
    assert found is not None
    assert (found.passages, found.off) == (40, 4)
    assert found.share == pytest.approx(0.9)
    assert (found.low, found.high) == pytest.approx((0.769, 0.960), abs=0.001)
    assert accuracy(compared({}, {("a", None, "to_left"): 0})) is None


def test_the_interval_narrows_with_the_number_of_passages() -> None:
    (low, high), (lower, higher) = interval(380, 400), interval(38, 40)
    assert lower < low < 0.95 < high < higher
    assert interval(40, 40)[1] == 1


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ([1, 2], 'must be an object with "lines"'),
        ({"lines": {"A": {"note": "nobody counted"}}}, "says of no line how many went to_left or to_right"),
        ({"lines": {"gate": {"to_left": True}}}, "to_left must be a number of passages, not True"),
    ],
)
def test_what_was_counted_in_another_programs_file_is_read_as_strictly(
    place: Path, tmp_path: Path, told: object, says: str
) -> None:
    (tmp_path / "counted.json").write_text(json.dumps(told), "utf-8")
    drawn = scene(place / "lines.toml") if "gate" in json.dumps(told) else scene(place / "lines.json")
    with pytest.raises(ConfigError, match=says):
        expected(tmp_path / "counted.json", drawn)


def test_a_file_in_pixels_that_is_no_json_or_lacks_a_size_is_said(tmp_path: Path) -> None:
    file = tmp_path / "lines.json"
    file.write_text("{", "utf-8")
    with pytest.raises(ConfigError, match=r"lines\.json is no JSON"):
        scene(file)
    wrong: list[dict[str, object]] = [{**PIXELS, "width": 0}, {**PIXELS, "lines": {"A": {}}}, {"lines": []}]
    for told in wrong:
        file.write_text(json.dumps(told), "utf-8")
        with pytest.raises(ConfigError, match='needs "width", "height", and for each of "lines" p1 and p2'):
            scene(file)


def test_a_still_without_a_size_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lines.toml"
    file.write_text(f"picture = [640, 0]\n{LINES}", "utf-8")
    with pytest.raises(ConfigError, match=r"lines\.toml: the picture needs a width and a height"):
        drawn_over(file)


def test_classes_can_be_counted_one_by_one(tmp_path: Path) -> None:
    lines = LINES.replace("[lines.gate]", '[lines.gate]\nclasses = ["person", "bicycle"]')
    (tmp_path / "lines.toml").write_text(lines, "utf-8")
    tally = "[lines.gate.person]\nto_left = 3\n[lines.gate.bicycle]\nto_right = 1\n"
    (tmp_path / "counted.toml").write_text(tally, "utf-8")
    assert expected(tmp_path / "counted.toml", scene(tmp_path / "lines.toml")) == {
        ("gate", "person", "to_left"): 3, ("gate", "bicycle", "to_right"): 1,
    }  # fmt: skip


def test_where_nobody_was_expected_there_is_no_accuracy(
    place: Path, tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = Counted(seconds=5.0, observed=5.0, pictures=75, numbers=(0.0,) * 6)
    answering(tmp_path, monkeypatch, f"echo '{msgspec.json.encode(nobody).decode()}'")
    (tmp_path / "counted.toml").write_text("[lines.gate]\nto_left = 0\nto_right = 0\n", "utf-8")
    line = ["--lines", str(place / "lines.toml"), "--expect", str(tmp_path / "counted.toml")]
    assert main(words(place, *line)) == 0
    assert capsys.readouterr().out.endswith("Nobody was expected to pass, so there is no accuracy.\n")


def test_of_no_or_several_models_one_has_to_be_named(place: Path, tmp_path: Path, capsys: Screen) -> None:
    line = ["validate", "--clip", str(place / "squares.mp4"), "--lines", str(place / "lines.toml")]
    assert main([*line, "--models", str(tmp_path)]) == 2
    assert "installed in" in (said := capsys.readouterr().err)
    assert "none: `citygate model add nanodet-g` installs one" in said
    for name in ("a", "b"):
        (tmp_path / f"{name}.citymodel").touch()
    assert main([*line, "--models", str(tmp_path)]) == 2
    assert "say which model with --model NAME" in (said := capsys.readouterr().err)
    assert said.endswith(": a, b\n")
