"""A translated graph computes what the old one says, at any size; what is not known is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from agent.core.errors import GatewayError
from pipelines.vision.arrays import Tensor
from pipelines.vision.models.fit import load
from pipelines.vision.models.tfjs import read
from pipelines.vision.models.translate import translate
from pipelines.vision.runtime import Session
from tests.pipelines.vision.models.tfjs_files import VALID, node, sides, write

CHANCE = np.random.default_rng(7)
KERNEL = CHANCE.normal(size=(3, 3, 3, 5)).astype(np.float16).astype(np.float32)
BIAS = CHANCE.normal(size=5).astype(np.float16).astype(np.float32)
BORDER = np.array([[0, 0], [0, 0], [1, 1], [1, 1]], np.int32)
TO_LAST, TO_FIRST = np.array([0, 2, 3, 1], np.int32), np.array([0, 3, 1, 2], np.int32)
WEIGHTS: dict[str, NDArray[Any]] = {
    "kernel": KERNEL, "bias": BIAS, "border": BORDER, "to_last": TO_LAST, "to_first": TO_FIRST,
    "low": np.array([-np.inf], np.float32), "rows": np.array([1, 5, 64], np.int32),
    "swap": np.array([0, 2, 1], np.int32),
}  # fmt: skip
# convolution with a border, bias, rectifier, maximum over a border of minus infinity; then a row a cell
NODES = [
    node("padded", "Pad", "x", "border"),
    node("last", "Transpose", "padded", "to_last"),
    node("conv", "Conv2D", "last", "kernel", **VALID, **sides("strides", 4, 4)),
    node("biased", "Add", "conv", "bias"),
    node("first", "Transpose", "biased", "to_first"),
    node("leaky", "LeakyRelu", "first", alpha={"f": 0.1}),
    node("infinite", "PadV2", "leaky", "border", "low"),
    node("last2", "Transpose", "infinite", "to_last"),
    node("pool", "MaxPool", "last2", **VALID, **sides("ksize", 3, 3), **sides("strides", 2, 2)),
    node("first2", "Transpose", "pool", "to_first"),
    node("flat", "Reshape", "first2", "rows"),
    node("cells", "Transpose", "flat", "swap"),
    node("out", "Identity", "cells"),
]


@pytest.mark.parametrize("size", [(64, 64), (32, 96)], ids=str)
def test_it_computes_the_same_at_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    model = translate(read(write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)})), size)
    picture = CHANCE.normal(size=(1, 3, *size)).astype(np.float32)
    [out] = Session(model.SerializeToString(), "toy").run(picture)
    assert out.shape == (1, (size[0] // 8) * (size[1] // 8), 5)
    assert out == pytest.approx(by_hand(picture), abs=1e-4)


def test_no_infinity_and_no_needless_transposition_is_left(tmp_path: Path) -> None:
    graph = translate(read(write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)}))).graph
    assert all(np.isfinite(numpy_helper.to_array(one)).all() for one in graph.initializer)
    assert [one.op_type for one in graph.node] == [
        "Conv", "LeakyRelu", "MaxPool", "Reshape", "Transpose", "Identity",
    ]  # fmt: skip


def test_an_operation_that_is_not_known_is_refused_by_its_name(tmp_path: Path) -> None:
    nodes = [*NODES[:-1], node("out", "Softplus", "cells")]
    with pytest.raises(GatewayError, match=r"operation Softplus \(out\), which is not known"):
        translate(read(write(tmp_path, nodes, WEIGHTS, {"out": (1, 64, 5)})))


def test_a_constant_added_to_no_convolution_is_refused(tmp_path: Path) -> None:
    nodes = [*NODES[:-1], node("out", "Add", "cells", "bias")]
    with pytest.raises(GatewayError, match="adds a constant to what is no convolution"):
        translate(read(write(tmp_path, nodes, WEIGHTS, {"out": (1, 64, 5)})))


@pytest.mark.parametrize(("change", "says"), [(-2, "end early"), (+2, "belong to nothing")])
def test_weights_of_another_length_are_refused(tmp_path: Path, change: int, says: str) -> None:
    path = write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)})
    blob = (tmp_path / "toy.bin").read_bytes()
    (tmp_path / "toy.bin").write_bytes(blob[:change] if change < 0 else blob + bytes(change))
    with pytest.raises(GatewayError, match=says):
        read(path)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"modelTopology": 3}', encoding="utf-8")
    with pytest.raises(GatewayError, match=r"no TensorFlow\.js model"):
        read(tmp_path / "x.json")


def test_the_runtime_takes_what_the_checker_of_onnx_takes(tmp_path: Path) -> None:
    model = translate(read(write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)})), (96, 64))
    onnx.checker.check_model(model, full_check=True)


def by_hand(picture: Tensor) -> Tensor:
    """Compute the graph with loops."""
    padded = np.pad(picture[0], ((0, 0), (1, 1), (1, 1)))
    high, wide = ((side - 1) // 4 + 1 for side in picture.shape[2:])
    made = np.empty((5, high, wide))
    for row in range(high):
        for column in range(wide):
            patch = padded[:, row * 4 : row * 4 + 3, column * 4 : column * 4 + 3]
            made[:, row, column] = np.einsum("cyx,yxco->o", patch, KERNEL) + BIAS
    made = np.where(made < 0, 0.1 * made, made)
    ringed = np.pad(made, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    pooled = np.array(
        [
            ringed[:, row : row + 3, column : column + 3].max(axis=(1, 2))
            for row in range(0, high, 2)
            for column in range(0, wide, 2)
        ]
    )
    return pooled[None].astype(np.float32)


# a neck and a head: two grids that are added up, divided, squeezed and joined again
FINE, COARSE = (CHANCE.normal(size=(1, 1, 3, 4)).astype(np.float16).astype(np.float32) for _ in range(2))
FOUR = CHANCE.normal(size=4).astype(np.float16).astype(np.float32)
HEAD_WEIGHTS: dict[str, NDArray[Any]] = {
    "to_last": TO_LAST, "to_first": TO_FIRST, "fine_k": FINE, "coarse_k": COARSE, "four": FOUR,
    "two": np.array([2], np.int32), "side": np.array([4], np.int32), "none": np.array([0], np.int32),
    "sides": np.array([4, 4], np.int32), "no_border": np.zeros((4, 2), np.int32),
    "channel": np.array([[0, 0], [0, 1], [0, 0], [0, 0]], np.int32), "parts": np.array([3, 1], np.int32),
    "axis": np.array(3, np.int32), "first_axis": np.array(0, np.int32),
    "one": np.array([1], np.int32), "cells": np.array([64, 5], np.int32),
}  # fmt: skip
HEAD = [
    node("last", "Transpose", "x", "to_last"),
    node("fine", "Conv2D", "last", "fine_k", **VALID, **sides("strides", 8, 8)),
    node("coarse", "Conv2D", "last", "coarse_k", **VALID, **sides("strides", 16, 16)),
    node("biased", "AddV2", "four", "coarse"),
    node("nothing", "Const"),
    node("filled", "SparseToDense", "nothing", "two", "none", "side"),
    node("target", "Add", "filled", "sides"),
    node(
        "up", "ResizeBilinear", "biased", "target", half_pixel_centers={"b": True}, align_corners={"b": False}
    ),
    node("both", "AddV2", "fine", "up"),
    node("framed", "Pad", "fine", "no_border"),
    node("more", "AddV2", "both", "framed"),
    node("more_first", "Transpose", "more", "to_first"),
    node("wider", "Pad", "more_first", "channel"),
    node("narrow", "SplitV", "more", "parts", "axis"),
    node("sure", "Sigmoid", "narrow:1"),
    node("again", "Pad", "narrow", "no_border"),
    node("twins", "ConcatV2", "sure", "sure", "axis"),
    node("joined", "ConcatV2", "again", "twins", "axis"),
    node("rows", "ConcatV2", "one", "cells", "first_axis"),
    node("flat", "Reshape", "joined", "rows"),
    node("out", "Identity", "flat"),
    node("wide", "Identity", "wider"),
]


@pytest.mark.parametrize("size", [(64, 64), (32, 96)], ids=str)
def test_grids_are_scaled_added_divided_and_joined_as_the_old_graph_says(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    outputs = {"out": (1, 64, 5)} | ({"wide": (1, 5, 8, 8)} if size == (64, 64) else {})
    nodes = HEAD if "wide" in outputs else HEAD[:-1]
    model = translate(read(write(tmp_path, nodes, HEAD_WEIGHTS, outputs)), size)
    picture = CHANCE.normal(size=(1, 3, *size)).astype(np.float32)
    answers = Session(model.SerializeToString(), "toy").run(picture)
    more = head_by_hand(picture)
    sure = 1 / (1 + np.exp(-more[..., 3:]))
    joined = np.concatenate([more[..., :3], sure, sure], axis=3)
    assert answers[0] == pytest.approx(joined.reshape(1, -1, 5), abs=1e-4)
    if "wide" in outputs:
        wide = np.pad(more.transpose(0, 3, 1, 2), ((0, 0), (0, 1), (0, 0), (0, 0)))
        assert answers[1] == pytest.approx(wide, abs=1e-4)


@pytest.mark.parametrize(
    ("replaced", "says"),
    [
        (
            node("up", "ResizeBilinear", "biased", "target", half_pixel_centers={"b": False}),
            "corners of pixels",
        ),
        (node("filled", "SparseToDense", "two", "two", "none", "side"), "scatters values"),
        (node("last", "Transpose", "x", "x"), "computes x, which should be a constant"),
        (node("fine", "Conv2D", "last", "fine_k", padding={"s": "U0FNRQ=="}), "fine pads by itself"),
        (node("fine", "Conv2D", "last", "fine_k", **VALID), "graph is broken"),
        (node("fine", "Conv2D", "last", "lost", **VALID), "broken at lost"),
        (node("last", "Transpose", "joined", "to_last"), "broken at"),
    ],
)
def test_a_graph_that_means_something_else_is_refused(
    tmp_path: Path, replaced: dict[str, Any], says: str
) -> None:
    nodes = [replaced if one["name"] == replaced["name"] else one for one in HEAD]
    with pytest.raises(GatewayError, match=says):
        translate(read(write(tmp_path, nodes, HEAD_WEIGHTS, {"out": (1, 64, 5)})))


def test_results_of_another_size_than_the_file_promises_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="does not fit together"):
        translate(read(write(tmp_path, HEAD, HEAD_WEIGHTS, {"out": (1, 64, 7)})))


def test_weights_that_are_lost_or_of_an_unknown_type_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)})
    text = path.read_text("utf-8")
    path.write_text(text.replace('"float16"', '"bfloat16"'), "utf-8")
    with pytest.raises(GatewayError, match="weights kernel are of type bfloat16, which is not known"):
        read(path)
    path.write_text(text, "utf-8")
    (tmp_path / "toy.bin").unlink()
    with pytest.raises(GatewayError, match=r"damaged, or lacks a part: FileNotFoundError"):
        read(path)


def head_by_hand(picture: Tensor) -> Tensor:
    """Compute the sum of both grids with loops, channels last."""
    last = picture.transpose(0, 2, 3, 1)
    fine = last[:, ::8, ::8] @ FINE[0, 0]
    coarse = last[:, ::16, ::16] @ COARSE[0, 0] + FOUR
    up = np.empty_like(fine)
    for row in range(fine.shape[1]):
        for column in range(fine.shape[2]):
            up[0, row, column] = between(coarse[0], (row - 0.5) / 2, (column - 0.5) / 2)
    summed: Tensor = (fine + up + fine).astype(np.float32)
    return summed


def between(grid: Tensor, y: float, x: float) -> NDArray[np.float64]:
    """Mix the four cells around a place; beyond the border stands the border."""
    high, wide = grid.shape[:2]
    top, left = int(np.floor(y)), int(np.floor(x))
    mixed = np.zeros(grid.shape[2])
    for row, share in ((top, 1 - (y - top)), (top + 1, y - top)):
        for column, part in ((left, 1 - (x - left)), (left + 1, x - left)):
            mixed += share * part * grid[min(max(row, 0), high - 1), min(max(column, 0), wide - 1)]
    return mixed


def test_a_graph_in_the_old_form_is_loaded_as_the_new_one_at_its_own_size(tmp_path: Path) -> None:
    path = write(tmp_path, NODES, WEIGHTS, {"out": (1, 64, 5)})
    assert load(path, "nanodet", None) == translate(read(path)).SerializeToString()
    assert load(path, "nanodet", (96, 64)) == translate(read(path), (96, 64)).SerializeToString()
