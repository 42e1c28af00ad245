"""What a model answers becomes the boxes that it means: answers are made by hand and read back."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from agent.core.errors import GatewayError
from agent.core.scene import CLASSES
from pipelines.vision.boxes import Found
from pipelines.vision.detector import Detector, family_of
from pipelines.vision.families.family import COCO, Family
from pipelines.vision.families.nanodet import Nanodet
from pipelines.vision.families.ssd import Ssd, anchors
from pipelines.vision.families.yolox import Yolox
from pipelines.vision.models.pictures import Kept
from pipelines.vision.runtime import Session

HEIGHT, WIDTH = 64, 96
DOG = 16


def test_yolox_tells_offsets_from_cells_and_logarithms_of_sizes() -> None:
    told = np.zeros((1, 96 + 24 + 6, 85), np.float32)
    cell = 96 + 1 * 6 + 2  # of the grid of 16, second row, third column
    told[0, cell, :5] = 0.5, 0.25, np.log(2), np.log(3), 0.9
    told[0, cell, 5 + COCO["bus"]] = 0.8
    found = read(Yolox((1, 3, HEIGHT, WIDTH)), [told])
    assert boxes_of(found) == [("bus", 0.72, [24, -4, 56, 44])]


def test_nanodet_tells_expected_distances_to_the_edges() -> None:
    classes = [np.zeros((1, many, 80), np.float32) for many in (96, 24, 6)]
    edges = [np.full((1, many, 44), -50, np.float32) for many in (96, 24, 6)]
    classes[2][0, 4, COCO["person"]] = (
        0.7  # of the grid of 32, second row, second column: its middle at 48, 48
    )
    bins = edges[2][0, 4].reshape(4, 11)
    bins[0, 1] = bins[1, 0] = bins[2, 2] = bins[3, 0] = 0
    bins[3, 1] = 0  # as likely 0 as 1: half a stride
    mixed = [classes[1], edges[0], classes[2], edges[2], classes[0], edges[1]]
    found = read(Nanodet((1, 3, HEIGHT, WIDTH)), mixed)
    assert boxes_of(found) == [("person", 0.7, [16, 48, 112, 64])]


def test_ssd_moves_and_scales_its_anchors() -> None:
    places, logits = np.zeros((1, 1917, 4), np.float32), np.full((1, 1917, 24), -9, np.float32)
    places[0, 1000] = 1.0, 0.0, 5 * np.log(2), 0.0
    logits[0, 1000, 4] = 2.0
    found = read(Ssd((1, 300, 300, 3)), [places, logits])
    y, x, high, wide = anchors(300)[1000] * 300
    y += high / 10
    expected = [x - wide / 2, y - high, x + wide / 2, y + high]
    assert [CLASSES[one] for one in found.kinds] == ["person"]
    assert found.scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert found.boxes[0] == pytest.approx(expected)


def test_there_are_as_many_anchors_as_the_model_has_answers() -> None:
    assert anchors(300).shape == (1917, 4)


@pytest.mark.parametrize("family", [Yolox((1, 3, 64, 96)), Nanodet((1, 3, 64, 96))], ids=["yolox", "nanodet"])
def test_answers_for_another_size_are_noticed(family: Yolox | Nanodet) -> None:
    wide = [85] if isinstance(family, Yolox) else [80, 80, 80, 44, 44, 44]
    outputs = [np.zeros((1, 99 - number % 3, one), np.float32) for number, one in enumerate(wide)]
    with pytest.raises(ValueError, match="was expected"):
        family.sift(outputs, 0.3)


def test_a_dog_that_might_be_a_person_is_no_person() -> None:
    told = np.zeros((1, 126, 85), np.float32)
    told[0, 5, 4] = 1.0
    told[0, 5, 5 + DOG], told[0, 5, 5 + COCO["person"]] = 0.8, 0.6
    assert not len(read(Yolox((1, 3, HEIGHT, WIDTH)), [told]).scores)


def test_nanodet_gets_colours_about_zero_and_yolox_gets_them_as_they_are() -> None:
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    canvas[..., 0] = 161  # blue: mean and one deviation
    assert Nanodet((1, 3, HEIGHT, WIDTH)).prepare(canvas)[0, :, 0, 0] == pytest.approx(
        [1.0, -2.035, -2.118], abs=0.01
    )
    assert list(Yolox((1, 3, HEIGHT, WIDTH)).prepare(canvas)[0, :, 0, 0]) == [161, 0, 0]


@pytest.mark.parametrize("family", [Yolox((1, 3, HEIGHT, WIDTH)), Nanodet((1, 3, HEIGHT, WIDTH))])
def test_what_lies_around_the_picture_stays(family: Yolox | Nanodet) -> None:
    canvas = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
    around = family.prepare(canvas).copy()
    canvas[:32, :48] = 200
    whole = Yolox((1, 3, HEIGHT, WIDTH)) if isinstance(family, Yolox) else Nanodet((1, 3, HEIGHT, WIDTH))
    made = family.prepare(canvas[:32, :48])
    assert np.array_equal(made, whole.prepare(canvas))
    assert np.array_equal(made[..., 32:, :], around[..., 32:, :])


def test_ssd_gets_red_first_between_minus_one_and_one() -> None:
    canvas = np.zeros((300, 300, 3), np.uint8)
    canvas[..., 2] = 255
    assert list(Ssd((1, 300, 300, 3)).prepare(canvas)[0, 0, 0]) == [1, -1, -1]


def test_a_stretched_picture_is_read_back_in_its_own_shape() -> None:
    """By a model that knows fewer things than Open Images has: what it does not know it cannot name."""
    places, logits = np.zeros((1, 1917, 4), np.float32), np.full((1, 1917, 5), -9, np.float32)
    logits[0, 1000, 4] = 2.0
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["picture"], ["grey"], axes=[0, 1, 2, 3], keepdims=0),
            helper.make_node("Mul", ["grey", "nothing"], ["zero"]),
            helper.make_node("Add", ["places", "zero"], ["where"]),
            helper.make_node("Add", ["logits", "zero"], ["what"]),
        ],
        "toy",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 300, 300, 3])],
        [
            helper.make_tensor_value_info("where", TensorProto.FLOAT, places.shape),
            helper.make_tensor_value_info("what", TensorProto.FLOAT, logits.shape),
        ],
        [
            numpy_helper.from_array(places, "places"), numpy_helper.from_array(logits, "logits"),
            numpy_helper.from_array(np.zeros((), np.float32), "nothing"),
        ],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    detector = Detector(Session(model.SerializeToString(), "toy"), "ssd")
    found = detector.find(Kept(np.zeros((200, 500, 3), np.uint8), 0.0))
    y, x, high, wide = anchors(300)[1000]
    assert [CLASSES[one] for one in found.kinds] == ["person"]
    edges = [(x - wide / 2) * 2.5, y - high / 2, (x + wide / 2) * 2.5, y + high / 2]
    assert found.boxes[0] == pytest.approx(edges)


def test_a_model_whose_input_has_no_fixed_sizes_is_refused() -> None:
    with pytest.raises(GatewayError, match="four fixed sizes"):
        family_of("yolox", (1, 3, "height", "width"))


def read(family: Family, outputs: list[np.ndarray]) -> Found:
    """Read *outputs* after the model has used their place for something else."""
    rows = family.sift(outputs, 0.3)
    for one in outputs:
        one[:] = np.nan
    return family.decode(rows, 0.3)


def boxes_of(found: Found) -> list[tuple[str, float, list[int]]]:
    return [
        (CLASSES[kind], round(float(score), 2), [round(float(one)) for one in box])
        for box, score, kind in zip(*found, strict=True)
    ]
