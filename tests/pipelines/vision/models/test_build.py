"""A model comes in only if it finds what its float reference finds; what was there before stays otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from msgspec.structs import replace
from onnx import ModelProto, helper, numpy_helper

from agent.core.errors import GatewayError
from agent.core.scene import CLASSES
from agent.core.vision import About, Agreement, Build, Family, Install, Size, Verify
from pipelines.vision.detector import Detector
from pipelines.vision.models import build
from pipelines.vision.models.agreement import agreement
from pipelines.vision.models.build import opened
from pipelines.vision.models.bundle import Bundle, digest, read, write
from pipelines.vision.models.cost import cost
from pipelines.vision.models.fit import load
from pipelines.vision.models.pictures import some
from pipelines.vision.models.quantise import quantise
from pipelines.vision.runtime import Session
from tests.pipelines.vision.clips import busy, clip, picture, toy

TOY = About(family="yolox", label="Toy", classes=CLASSES, licence="none")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(clip(tmp_path_factory.mktemp("clips") / "busy.mp4", 48, busy))


def test_a_model_is_fitted_to_the_shape_of_a_picture(tmp_path: Path) -> None:
    told = build.build(wanted(tmp_path, toy(), size=(128, 224)), quiet)
    assert told.size == (128, 224)
    bundle = read(tmp_path / "toy.citymodel")
    assert bundle.manifest == told
    assert opened(bundle.model, "yolox").find(Square(224, 128, [(96, 32)])).boxes[0] == pytest.approx(
        np.array([96, 32, 128, 64]) / 128
    )
    assert digest(bundle.reference) == digest(toy().SerializeToString())


def test_a_fitted_model_that_agrees_says_so(tmp_path: Path, film: str) -> None:
    told = build.build(wanted(tmp_path, toy(), size=(256, 352), clips=(film,)), quiet)
    assert told.agreement is not None
    assert told.agreement.good
    assert told.agreement.boxes >= 40


def test_a_model_that_lost_its_detections_is_refused_and_the_one_before_stays(
    tmp_path: Path, film: str
) -> None:
    place = tmp_path / "models" / "toy.citymodel"
    build.build(wanted(tmp_path, toy(), to=str(place)), quiet)
    before = place.read_bytes()
    whole = read(place)
    blind = toy(gain=0.15).SerializeToString()
    manifest = whole.manifest
    ruined = Bundle(
        type(manifest)(
            name="toy", about=TOY, source="here", size=manifest.size, int8=True,
            sha256=digest(blind), reference_sha256=digest(whole.model),
        ),
        blind,
        whole.model,
    )  # fmt: skip
    write(ruined, tmp_path / "ruined.citymodel")
    with pytest.raises(GatewayError, match=r"lost detections: it finds 0% of its reference's"):
        build.install(Install(path=str(tmp_path / "ruined.citymodel"), to=str(place), clips=(film,)), quiet)
    assert place.read_bytes() == before
    assert not build.verify(Verify(path=str(tmp_path / "ruined.citymodel"), clips=(film,)), quiet).good


def test_a_model_that_sees_more_than_its_reference_is_refused(film: str) -> None:
    pictures = some((film,), quiet)
    found = agreement(detector(toy(gain=0.15)), detector(toy()), pictures)
    assert not found.good
    found = agreement(detector(toy()), detector(toy()), pictures)
    assert (found.good, found.recall, found.precision, found.shift) == (True, 1, 1, 0)


def test_too_few_boxes_prove_nothing(tmp_path: Path) -> None:
    film = clip(tmp_path / "quiet.mp4", 24, lambda _: [(32, 32)])
    found = agreement(detector(toy()), detector(toy()), some((str(film),), quiet))
    assert not found.good
    assert "only 24 things" in found.why


def test_whole_numbers_are_calibrated_on_some_pictures_and_compared_on_others(
    tmp_path: Path, film: str
) -> None:
    told = build.build(wanted(tmp_path, toy(), int8=True, clips=(film,)), quiet)
    assert told.int8
    assert told.agreement is not None
    assert told.agreement.pictures == 12
    bundle = read(tmp_path / "toy.citymodel")
    kinds = {one.op_type for one in onnx.load_from_string(bundle.model).graph.node}
    assert "QuantizeLinear" in kinds


def test_whole_numbers_without_a_clip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="needs clips"):
        build.build(wanted(tmp_path, toy(), int8=True), quiet)


def test_infinity_is_looked_for_before_it_ruins_the_ranges(film: str) -> None:
    model = toy()
    model.graph.initializer[0].raw_data = np.full(85, -np.inf, np.float32).tobytes()
    with pytest.raises(GatewayError, match="holds infinity in told"):
        quantise(model.SerializeToString(), detector(toy()), some((film,), quiet))


@pytest.mark.parametrize(
    ("content", "family", "says"),
    [
        (b"no model", "yolox", "no model that can be run"),
        (toy().SerializeToString(), "nanodet", "does not answer as a nanodet does"),
    ],
    ids=["not a model", "another family"],
)
def test_what_cannot_be_run_as_its_family_is_refused(content: bytes, family: str, says: str) -> None:
    with pytest.raises(GatewayError, match=says):
        opened(content, family)


def test_a_model_that_fails_at_its_first_picture_is_refused() -> None:
    """It is whole, and tells the size of its answer: only at a picture it has nothing to give it from."""
    model = toy()
    model.graph.node[-1].output[0] = "all_cells"
    for name, values in (("no", np.zeros(1680, np.bool_)), ("shape", np.array([1, 1680, 85], np.int64))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.input.append(helper.make_tensor_value_info("no", onnx.TensorProto.BOOL, [1680]))
    model.graph.node.extend(
        [
            helper.make_node("Compress", ["all_cells", "no"], ["none"], axis=1),
            helper.make_node("Reshape", ["none", "shape"], ["output"]),
        ]
    )
    with pytest.raises(GatewayError, match="the model failed at a picture"):
        opened(model.SerializeToString(), "yolox")


def test_a_model_that_sees_things_in_an_empty_picture_is_refused() -> None:
    with pytest.raises(GatewayError, match="sees things in an empty grey picture"):
        detector(everywhere(0.9, (64, 64)))


def test_a_model_that_sees_what_its_reference_does_not_is_refused(film: str) -> None:
    model = everywhere(0.9).SerializeToString()
    found = agreement(detector(toy()), Detector(Session(model, "toy"), "yolox"), some((film,), quiet)[:8])
    assert (found.recall, found.good) == (1, False)
    assert "it sees what is not there: its reference confirms" in found.why


def test_what_its_own_maker_found_to_be_bad_is_not_installed(tmp_path: Path) -> None:
    told = build.build(wanted(tmp_path, toy()), quiet)
    whole = read(tmp_path / "toy.citymodel")
    bad = Agreement(
        recall=0.1, precision=1, shift=0, boxes=99, pictures=9, good=False, why="it lost detections"
    )
    write(Bundle(replace(told, agreement=bad), whole.model, whole.reference), tmp_path / "bad.citymodel")
    with pytest.raises(GatewayError, match=r"bad\.citymodel: its maker found that it lost detections"):
        build.install(Install(path=str(tmp_path / "bad.citymodel"), to=str(tmp_path / "x")), quiet)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("name", "content", "family", "says"),
    [
        ("lost.onnx", None, "yolox", "there is no such file"),
        ("cut.onnx", b"\x0a\xff\xff", "yolox", "is no ONNX file"),
        ("empty.onnx", b"", "yolox", "is no model that can be fitted"),
        ("other.onnx", b"", "nanodet", "of the family nanodet cannot be fitted; leave out the size"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    tmp_path: Path, name: str, content: bytes | None, family: Family, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(GatewayError, match=says):
        load(tmp_path / name, family, (128, 224))


def test_a_size_that_the_grids_do_not_divide_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="multiples of 32"):
        build.build(wanted(tmp_path, toy(), size=(250, 320)), quiet)


class Square:
    """A picture of squares, never scaled."""

    def __init__(self, width: int, height: int, squares: list[tuple[int, int]]) -> None:
        self.at = 0.0
        self.width, self.height = width, height
        self._pixels = picture(squares, (width, height))

    def bgr(self, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        assert (width, height) == (self.width, self.height)
        return self._pixels


def wanted(folder: Path, model: ModelProto, **more: Any) -> Build:  # noqa: ANN401 - keys of Build
    path = folder / "toy.onnx"
    path.write_bytes(model.SerializeToString())
    usual: dict[str, Any] = {
        "name": "toy",
        "about": TOY,
        "source": "here",
        "to": str(folder / "toy.citymodel"),
    }
    return Build(path=str(path), **(usual | more))


def everywhere(sure: float, size: Size = (256, 320)) -> ModelProto:
    """Make a toy that is *sure* of a person in every cell."""
    model = toy(size=size)
    [told] = [one for one in model.graph.initializer if one.name == "told"]
    values = numpy_helper.to_array(told).copy()
    values[0, 4] = sure
    told.CopyFrom(numpy_helper.from_array(values, "told"))
    return model


def detector(model: ModelProto) -> Detector:
    return opened(model.SerializeToString(), "yolox")


def quiet(_: str) -> None:
    """Say nothing."""


def test_what_a_model_costs_is_measured_without_a_clip_too(film: str) -> None:
    grey, moving = cost(detector(toy()), "", 0.5), cost(detector(toy()), film, 0.5)
    assert (grey.decode, moving.decode > 0) == (0.0, True)
    for one in (grey, moving):
        assert one.analysis > 0
        rates = [share.rate for share in one.shares]
        assert [share.cameras for share in one.shares] == [1, 2, 4]
        assert rates == sorted(rates, reverse=True)
