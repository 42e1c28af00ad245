"""Makes a model of whole numbers: half the work where the processor can, and a risk that must be measured.

All operations, weights by channel, ranges from pictures of clips. Whoever calls compares the result with the
float model afterwards: this can destroy a model without any error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from agent.core.errors import GatewayError
from pipelines.vision.arrays import Tensor
from pipelines.vision.detector import Detector
from pipelines.vision.picture import Picture
from pipelines.vision.runtime import quantiser


def quantise(model: bytes, detector: Detector, pictures: Sequence[Picture]) -> bytes:
    """Give *model*, which *detector* runs, in whole numbers whose ranges are those of *pictures*."""
    _refuse_infinity(model)
    tools = quantiser()
    with TemporaryDirectory(prefix="citygate-") as folder:
        plain, ready, made = (Path(folder) / name for name in ("plain", "ready", "made"))
        plain.write_bytes(model)
        tools.shape_inference.quant_pre_process(plain, ready, skip_symbolic_shape=True)
        tools.quantize_static(
            ready,
            made,
            _Reader(detector, pictures),
            quant_format=tools.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            calibrate_method=tools.CalibrationMethod.MinMax,
        )
        return made.read_bytes()


class _Reader:
    """Hands the pictures over, one at a time."""

    def __init__(self, detector: Detector, pictures: Sequence[Picture]) -> None:
        self._inputs: Iterator[Tensor] = (detector.prepare(one).copy() for one in pictures)
        self._name = detector.input

    def get_next(self) -> dict[str, Tensor] | None:
        """Give the next input, None after the last."""
        tensor = next(self._inputs, None)
        return None if tensor is None else {self._name: tensor}


def _refuse_infinity(model: bytes) -> None:
    """Refuse constants that are not finite: ranges that reach them leave no detection, and no error."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(model).graph
    tensors: list[Any] = list(graph.initializer)
    tensors += [one.t for node in graph.node for one in node.attribute if one.HasField("t")]
    for one in tensors:
        values = numpy_helper.to_array(one)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise GatewayError(
                f"the model holds infinity in {one.name or 'a constant'}: it cannot become int8"
            )
