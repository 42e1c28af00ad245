"""Models of strangers: ONNX files, and graphs of TensorFlow.js with their weights."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Final

import numpy as np

from agent.core.errors import GatewayError
from pipelines.vision.models.fit import load
from pipelines.vision.runtime import Session
from tests.fuzz.target import SEEDS, Feed, Run, Target, block
from tests.pipelines.vision.models.tfjs_files import VALID, node, sides, write


def _graph(folder: Path) -> Run:
    """Translate a graph, or say what is wrong with it."""
    place = folder / "toy.json"
    seeds = folder / SEEDS
    seeds.mkdir()
    for number, (json_text, weights) in enumerate(_graphs(folder)):
        (seeds / str(number)).write_bytes(block(weights) + json_text)

    def run(data: bytes) -> None:
        feed = Feed(data)
        (folder / "toy.bin").write_bytes(feed.block())
        place.write_bytes(feed.rest())
        try:
            made = load(place, "nanodet", None)
        except GatewayError as error:
            assert str(error)
            return
        assert len(made) < 1 << 20

    return run


def _graphs(folder: Path) -> list[tuple[bytes, bytes]]:
    kernel, bias = np.ones((3, 3, 3, 5), np.float32), np.ones(5, np.float32)
    pads = np.array([[0, 0], [1, 1], [1, 1], [0, 0]], np.int32)
    nodes = [
        node("t", "Transpose", "x", "order"),
        node("p", "Pad", "t", "pads"),
        node("c", "Conv2D", "p", "kernel", **sides("strides", 2, 2), **VALID),
        node("b", "AddV2", "c", "bias"),
        node("s", "Sigmoid", "b"),
        node("l", "LeakyRelu", "s", alpha={"f": 0.1}),
        node("r", "Reshape", "l", "shape"),
    ]
    weights = {
        "kernel": kernel,
        "bias": bias,
        "pads": pads,
        "order": np.array([0, 2, 3, 1], np.int32),
        "shape": np.array([1, 1024, 5], np.int32),
    }
    write(folder, nodes, weights, {"r": (1, 1024, 5)})
    whole = ((folder / "toy.json").read_bytes(), (folder / "toy.bin").read_bytes())
    halves = [node("a", "SplitV", "x", "sizes", "axis"), node("j", "ConcatV2", "a", "a:1", "axis")]
    write(
        folder,
        halves,
        {"sizes": np.array([1, 2], np.int32), "axis": np.array(1, np.int32)},
        {"j": (1, 3, 64, 64)},
    )
    split = ((folder / "toy.json").read_bytes(), (folder / "toy.bin").read_bytes())
    assert json.loads(whole[0])
    return [whole, split]


def _onnx(folder: Path) -> Run:
    """Open a model or say why not; fit it to another size or say why not."""
    place = folder / "x.onnx"

    def run(data: bytes) -> None:
        place.write_bytes(data)
        try:
            with redirect_stdout(io.StringIO()):  # it tells of its second try
                Session(data, "the model")
        except GatewayError as error:
            assert str(error)
        try:
            load(place, "yolox", (64, 96))
        except GatewayError as error:
            assert str(error)

    return run


def _models() -> Sequence[bytes]:
    from onnx import TensorProto, ValueInfoProto, helper

    def value(name: str, *shape: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    found = []
    for op, words in (
        ("Relu", {}),
        ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Softmax", {"axis": 1}),
    ):
        nodes = [helper.make_node(op, ["x"], ["y"], **words)]
        side = 32 if op == "MaxPool" else 64
        graph = helper.make_graph(nodes, "g", [value("x", 1, 3, 64, 64)], [value("y", 1, 3, side, side)])
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)])
        made.ir_version = 8
        found.append(made.SerializeToString())
    return found


TARGETS: Final = (
    Target(
        name="tfjs",
        about="graphs of TensorFlow.js",
        prepare=_graph,
        seeds=list,
        everyday=30,
        longest=9000,
        words=(
            b'"Reshape"',
            b'"size": "-1"',
            b'"dtype": "float64"',
            b"null",
            b"[]",
            b"{}",
            b'"x:0"',
            b"1e99",
            b"-1",
        ),
    ),
    Target(
        name="onnx",
        about="ONNX models",
        prepare=_onnx,
        seeds=_models,
        everyday=15,
        words=(b"\x0a\x02", b"\x12\x01y", b"\xff\xff\xff\x7f"),
    ),
)
