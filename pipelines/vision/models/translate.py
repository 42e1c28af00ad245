"""Turns a TensorFlow.js graph into ONNX, for pictures of another size if wanted.

It covers the operations of the detectors in the catalogue and refuses any other. TensorFlow keeps channels
last and ONNX first: instead of a transposition at each border, a value carries the order of its axes, and one
is written only where the order matters to somebody. Pads and biases go into the convolution beside them. The
pad of minus infinity before a pool must: left alone, it makes every number of an int8 model meaningless.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from agent.core.errors import GatewayError
from pipelines.vision.models.sheet import Sheet
from pipelines.vision.models.tfjs import Graph, Node, Output

if TYPE_CHECKING:
    from onnx import ModelProto

_FIRST: Final = (0, 3, 1, 2)  # what a tensor with channels first is made of, if the value has them last
_LAST: Final = (0, 2, 3, 1)
_STRIDES: Final = (8, 16, 32)


class Value(Struct, frozen=True):
    """A value of the old graph as a tensor of the new one: axis k of it is the tensor's axis ``order[k]``.

    ``pads`` says that the tensor is ``inner``, padded in height and width (top, left, bottom, right) with
    ``fill``. ``open`` marks a convolution without a bias yet.
    """

    tensor: str
    order: tuple[int, ...]
    channels: int = 0
    inner: str = ""
    pads: tuple[int, ...] = (0, 0, 0, 0)
    fill: float = 0.0
    open: bool = False


def translate(graph: Graph, size: tuple[int, int] | None = None) -> ModelProto:
    """Give the model for pictures of *size* (height, width); its own size if none."""
    try:
        return _Translation(graph, size).run()
    except (ArithmeticError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise GatewayError(f"the model's graph is broken: {error!r}") from error


class _Translation:
    def __init__(self, graph: Graph, size: tuple[int, int] | None) -> None:
        self._graph = graph
        self._constants: dict[str, NDArray[Any]] = dict(graph.constants)
        self._values: dict[str, Value] = {}
        self._sheet = Sheet()
        entry = next(one for one in graph.nodes if one.op == "Placeholder")
        shape = [int(one["size"]) for one in entry.attr["shape"]["shape"]["dim"]]
        self._entry, self._old = entry.name, (shape[2], shape[3])
        self._new = size or self._old
        # the grids of the old size, by their number of cells: that number is a constant in many places
        self._grids = {self._cells(self._old, stride): stride for stride in _STRIDES}

    def run(self) -> ModelProto:
        """Translate node by node."""
        for node in self._graph.nodes:
            if node.name in self._constants:
                continue
            translate = _OPERATIONS.get(node.op)
            if translate is None:
                raise GatewayError(
                    f"the model holds an operation {node.op} ({node.name}), which is not known"
                )
            translate(self, node)
        given = {}
        for output in self._graph.outputs:
            sizes = tuple(
                self._cells(self._new, self._grids[one]) if one in self._grids else one
                for one in output.sizes
            )
            given[self._plain(output.name)] = Output(output.name, sizes)
        return self._sheet.model("detector", (self._entry, (1, 3, *self._new)), given)

    # values in the order that somebody needs

    def _value(self, name: str) -> Value:
        return self._values[name.removesuffix(":0")]

    def _number(self, name: str) -> NDArray[Any]:
        found = self._constants.get(name.removesuffix(":0"))
        if found is None:
            raise GatewayError(f"the model computes {name}, which should be a constant")
        return found

    def _ordered(self, value: Value, wanted: tuple[int, ...]) -> str:
        """Give a tensor whose axes are those of *value* in the order *wanted*."""
        order = tuple(value.order[one] for one in wanted)
        if order == tuple(range(len(order))):
            return value.tensor
        return self._sheet.add("Transpose", [value.tensor], perm=list(order))

    def _plain(self, name: str) -> str:
        value = self._value(name)
        return self._ordered(value, tuple(range(len(value.order))))

    def _picture(self, name: str, fill: float) -> tuple[str, list[int]]:
        """Give a tensor with channels first, and pads of *fill* that its user must add itself."""
        value = self._value(name)
        first = self._ordered(value, _FIRST)
        if value.inner and value.fill == fill and first == value.tensor:
            return value.inner, list(value.pads)
        return first, [0, 0, 0, 0]

    @staticmethod
    def _cells(size: tuple[int, int], stride: int) -> int:
        return (size[0] // stride) * (size[1] // stride)

    # operations

    def placeholder(self, node: Node) -> None:
        """Take the picture, which comes with channels first."""
        self._values[node.name] = Value(node.name, (0, 1, 2, 3), 3)

    def empty(self, node: Node) -> None:
        """Note a constant without weights: an empty list."""
        self._constants[node.name] = np.zeros((0, 1), np.int64)

    def fill(self, node: Node) -> None:
        """Make a constant array of one number; with anything written into it, it would not be constant."""
        where, shape, _, number = (self._number(one) for one in node.input)
        if where.size:
            raise GatewayError(f"{node.name} scatters values, which is not known")
        self._constants[node.name] = np.full(shape.ravel(), number.ravel()[0])

    def same(self, node: Node) -> None:
        """Give a value another name."""
        self._values[node.name] = self._value(node.input[0])

    def transpose(self, node: Node) -> None:
        """Note another order of axes, without doing it."""
        value = self._value(node.input[0])
        order = tuple(value.order[int(one)] for one in self._number(node.input[1]))
        self._values[node.name] = structs.replace(value, order=order)

    def pad(self, node: Node) -> None:
        """Put a border around; whoever pads by itself takes ``inner`` instead."""
        inner = self._plain(node.input[0])
        border = self._number(node.input[1])  # before and behind, for each axis
        fill = float(self._number(node.input[2]).ravel()[0]) if len(node.input) > 2 else 0.0
        ends = np.concatenate([border[:, 0], border[:, 1]]).astype(np.int64)
        tensor = self._sheet.add(
            "Pad", [inner, self._sheet.constant(ends), self._sheet.constant(np.float32(fill))]
        )
        value = Value(tensor, (0, 1, 2, 3), self._value(node.input[0]).channels)
        if not border[:2].any():
            pads = (int(border[2, 0]), int(border[3, 0]), int(border[2, 1]), int(border[3, 1]))
            value = structs.replace(value, inner=inner, pads=pads, fill=fill)
        self._values[node.name] = value

    def convolve(self, node: Node) -> None:
        """Convolve; the weights turn from height, width, in, out to out, in, height, width."""
        self._valid(node)
        kernel = self._number(node.input[1]).transpose(3, 2, 0, 1)
        tensor, pads = self._picture(node.input[0], 0.0)
        made = self._sheet.add(
            "Conv",
            [tensor, self._sheet.constant(kernel)],
            kernel_shape=kernel.shape[2:],
            strides=_sides(node, "strides"),
            pads=pads,
        )
        self._values[node.name] = Value(made, _LAST, kernel.shape[0], open=True)

    def pool(self, node: Node) -> None:
        """Take the maximum over a window."""
        self._valid(node)
        tensor, pads = self._picture(node.input[0], -np.inf)
        made = self._sheet.add(
            "MaxPool",
            [tensor],
            kernel_shape=_sides(node, "ksize"),
            strides=_sides(node, "strides"),
            pads=pads,
        )
        self._values[node.name] = Value(made, _LAST, self._value(node.input[0]).channels)

    def add(self, node: Node) -> None:
        """Add two constants, a bias, or two values."""
        one, other = (name.removesuffix(":0") for name in node.input)
        if one in self._constants and other in self._constants:
            self._constants[node.name] = self._constants[one] + self._constants[other]
        elif one in self._constants or other in self._constants:
            self._bias(node, *((other, one) if one in self._constants else (one, other)))
        else:
            self._sum(node, self._value(one), self._value(other))

    def _bias(self, node: Node, of: str, constant: str) -> None:
        value, bias = self._value(of), self._constants[constant]
        if not value.open or value.order != _LAST or bias.ndim != 1:
            raise GatewayError(f"{node.name} adds a constant to what is no convolution, which is not known")
        self._sheet.amend(value.tensor, bias)
        self._values[node.name] = self._values[of] = structs.replace(value, open=False)

    def _sum(self, node: Node, one: Value, other: Value) -> None:
        tensor = other.tensor
        if one.order != other.order:
            tensor = self._ordered(other, tuple(one.order.index(axis) for axis in range(len(one.order))))
        made = self._sheet.add("Add", [one.tensor, tensor])
        self._values[node.name] = Value(made, one.order, one.channels)

    def resize(self, node: Node) -> None:
        """Scale to a constant size, which follows the size of the picture."""
        if not node.attr["half_pixel_centers"]["b"] or node.attr["align_corners"]["b"]:
            raise GatewayError(f"{node.name} scales by corners of pixels, which is not known")
        value = self._value(node.input[0])
        scaled = [
            int(side) * new // old
            for side, new, old in zip(self._number(node.input[1]), self._new, self._old, strict=True)
        ]
        sizes = self._sheet.constant(np.array([1, value.channels, *scaled], np.int64))
        made = self._sheet.add(
            "Resize",
            [self._ordered(value, _FIRST), "", "", sizes],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        self._values[node.name] = Value(made, _LAST, value.channels)

    def leaky(self, node: Node) -> None:
        """Let a little through of what is below zero."""
        self._each(node, "LeakyRelu", alpha=node.attr["alpha"]["f"])

    def sigmoid(self, node: Node) -> None:
        """Squeeze into 0 to 1."""
        self._each(node, "Sigmoid")

    def _each(self, node: Node, op: str, **attributes: float) -> None:
        """Apply an operation for which the order of axes does not matter."""
        value = self._value(node.input[0])
        made = self._sheet.add(op, [value.tensor], **attributes)
        self._values[node.name] = Value(made, value.order, value.channels)

    def join(self, node: Node) -> None:
        """Put constants, or values, side by side."""
        *names, last = node.input
        axis = int(self._number(last))
        if all(name.removesuffix(":0") in self._constants for name in names):
            self._constants[node.name] = np.concatenate([self._number(one) for one in names], axis)
            return
        values = [self._value(one) for one in names]
        order = values[0].order
        if any(one.order != order for one in values):
            order = tuple(range(len(order)))
            values = [
                Value(self._plain(name), order, one.channels) for name, one in zip(names, values, strict=True)
            ]
        made = self._sheet.add("Concat", [one.tensor for one in values], axis=order[axis])
        self._values[node.name] = Value(made, order, sum(one.channels for one in values))

    def divide(self, node: Node) -> None:
        """Divide a value along an axis."""
        value = self._value(node.input[0])
        sizes = self._number(node.input[1]).astype(np.int64).ravel()
        axis = value.order[int(self._number(node.input[2]))]
        parts = self._sheet.split("Split", [value.tensor, self._sheet.constant(sizes)], len(sizes), axis=axis)
        for number, part in enumerate(parts):
            name = f"{node.name}:{number}" if number else node.name
            self._values[name] = Value(part, value.order, int(sizes[number]))

    def reshape(self, node: Node) -> None:
        """Give another shape, in which the number of cells follows the size of the picture."""
        shape = self._number(node.input[1]).astype(np.int64).ravel().copy()
        shape[np.isin(shape, list(self._grids))] = -1
        made = self._sheet.add("Reshape", [self._plain(node.input[0]), self._sheet.constant(shape)])
        self._values[node.name] = Value(made, tuple(range(len(shape))))

    @staticmethod
    def _valid(node: Node) -> None:
        if b64decode(node.attr["padding"]["s"]) != b"VALID":
            raise GatewayError(f"{node.name} pads by itself, which is not known")


def _sides(node: Node, key: str) -> list[int]:
    """Read height and width of a list that has channels last."""
    return [int(one) for one in node.attr[key]["list"]["i"]][1:3]


_OPERATIONS: Final[dict[str, Callable[[_Translation, Node], None]]] = {
    "Add": _Translation.add,
    "AddV2": _Translation.add,
    "ConcatV2": _Translation.join,
    "Const": _Translation.empty,
    "Conv2D": _Translation.convolve,
    "Identity": _Translation.same,
    "LeakyRelu": _Translation.leaky,
    "MaxPool": _Translation.pool,
    "Pad": _Translation.pad,
    "PadV2": _Translation.pad,
    "Placeholder": _Translation.placeholder,
    "Reshape": _Translation.reshape,
    "ResizeBilinear": _Translation.resize,
    "Sigmoid": _Translation.sigmoid,
    "SparseToDense": _Translation.fill,
    "SplitV": _Translation.divide,
    "Transpose": _Translation.transpose,
}
