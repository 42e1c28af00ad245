"""Fits a model to the shape of a camera's picture, so that no work is spent on grey borders.

The networks look everywhere alike, so their input may have any size that their coarsest grid divides. A
NanoDet is translated anew for it; a YOLOX needs only other declared sizes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import GatewayError
from agent.core.vision import Family, Size
from pipelines.vision.families import yolox
from pipelines.vision.models.sheet import OPSET, VERSION
from pipelines.vision.models.tfjs import read
from pipelines.vision.models.translate import translate

if TYPE_CHECKING:
    from onnx import ModelProto

_COARSEST: Final = 32


def load(path: Path, family: Family, size: Size | None) -> bytes:
    """Give the ONNX model that lies at *path*, for pictures of *size*, its own if None."""
    if size and any(side % _COARSEST or side <= 0 for side in size):
        raise GatewayError(f"a model cannot be fitted to {size[0]}x{size[1]}: give multiples of {_COARSEST}")
    if path.suffix == ".json":
        return bytes(translate(read(path), size).SerializeToString())
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise GatewayError(f"{path}: there is no such file") from None
    if size is None:
        return data
    if family != "yolox":
        raise GatewayError(f"an ONNX file of the family {family} cannot be fitted; leave out the size")
    return bytes(_yolox(data, size, path).SerializeToString())


def _yolox(data: bytes, size: Size, path: Path) -> ModelProto:
    """Declare another input size; the graph itself says nothing of sizes."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_from_string(data)
    except DecodeError as error:
        raise GatewayError(f"{path} is no ONNX file") from error
    try:
        return _fitted(model, size)
    except _unfit() as error:
        raise GatewayError(f"{path} is no model that can be fitted: {error}") from error


def _unfit() -> tuple[type[Exception], ...]:
    from onnx import checker, shape_inference, version_converter

    own = (checker.ValidationError, shape_inference.InferenceError, version_converter.ConvertError)
    return (*own, IndexError, RuntimeError, ValueError)


def _fitted(model: ModelProto, size: Size) -> ModelProto:
    from onnx import version_converter

    weights = {one.name for one in model.graph.initializer}
    inputs = [one for one in model.graph.input if one.name not in weights]  # old exports list weights too
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, VERSION)
    model = version_converter.convert_version(model, OPSET)
    sides = model.graph.input[0].type.tensor_type.shape.dim
    sides[2].dim_value, sides[3].dim_value = size
    cells = sum((size[0] // one) * (size[1] // one) for one in yolox.STRIDES)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = cells
    del model.graph.value_info[:]
    return model
