"""Small made clips and models: white squares over black, and a network that takes them for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from pipelines.vision.arrays import Pixels

WIDTH, HEIGHT, RATE = 320, 256, 5
SQUARE: Final = 32  # pixels
Paint = Callable[[int], Sequence[tuple[int, int]]]  # from the number of a frame to corners of squares


def clip(path: Path, frames: int, paint: Paint, *, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    """Write a clip whose frames show squares."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(paint(number), size), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def picture(squares: Sequence[tuple[int, int]], size: tuple[int, int] = (WIDTH, HEIGHT)) -> Pixels:
    """Paint white squares, by their upper left corners."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x, y in squares:
        pixels[y : y + SQUARE, x : x + SQUARE] = 255
    return pixels


def toy(gain: float = 1.0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> ModelProto:
    """Make a YOLOX whose coarsest grid takes white cells for people; *gain* below one makes it blind."""
    cells = [(size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32)]
    told = np.zeros((1, 85, 1), np.float32)
    told[0, :2], told[0, 5] = 0.5, 1.0  # the middle of the cell, as large as it (log 1), a person
    objectness = np.zeros((1, 85, 1), np.float32)
    objectness[0, 4] = gain / 255
    constants: dict[str, NDArray[Any]] = {
        "told": told,
        "objectness": objectness,
        "flat": np.array([1, 1, -1], np.int64),
        "nothing": np.zeros(1, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["grey"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["grey", "nothing"], ["dark"]),
        *_grid("dark", 8),
        *_grid("dark", 16),
        *_grid("grey", 32),
        helper.make_node("Concat", ["row8", "row16", "row32"], ["all"], axis=2),
        helper.make_node("Mul", ["all", "objectness"], ["seen"]),
        helper.make_node("Add", ["seen", "told"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["output"], perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *size])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, sum(cells), 85])],
        [numpy_helper.from_array(one, name) for name, one in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    return made


def _grid(source: str, stride: int) -> list[NodeProto]:
    sides = [stride, stride]
    return [
        helper.make_node("AveragePool", [source], [f"cells{stride}"], kernel_shape=sides, strides=sides),
        helper.make_node("Reshape", [f"cells{stride}", "flat"], [f"row{stride}"]),
    ]


def across(number: int) -> list[tuple[int, int]]:
    """Let one square walk to the right, a cell in three frames, and then another one, lower, to the left."""
    column = number // 3
    if column < WIDTH // SQUARE:
        return [(column * SQUARE, 64)]
    back = column - WIDTH // SQUARE - 2
    return [(WIDTH - SQUARE * (back + 1), 160)] if 0 <= back < WIDTH // SQUARE else []


def busy(number: int) -> list[tuple[int, int]]:
    """Show six squares, each time elsewhere."""
    return [(SQUARE * ((number + one * 3) % 10), SQUARE * ((number * 3 + one) % 8)) for one in range(6)]
