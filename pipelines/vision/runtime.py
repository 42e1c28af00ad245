"""The one place that loads ONNX Runtime: with its telemetry off, and sessions that suit a small computer.

Since 1.29 the library tells its maker about itself unless it is told not to before it is loaded. Its defaults
take all cores and let them spin between two pictures, which costs three times the work itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from agent.core.errors import GatewayError
from pipelines.vision.arrays import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence


def library() -> Any:  # noqa: ANN401 - the library has no types
    """Load the library."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # old exports warn hundreds of times
    return onnxruntime


def quantiser() -> Any:  # noqa: ANN401 - the library has no types
    """Load the part of it that turns models into whole numbers; needs the onnx package."""
    library()
    from onnxruntime import quantization

    return quantization


class Session:
    """One model, ready to run: one thread, no spinning.

    It keeps the memory that one picture needs, and that of the answer: if that were returned each time, a
    thousand pages would have to be cleared for each picture, which costs an eighth of the whole.
    """

    def __init__(self, model: bytes, what: str) -> None:
        ort = library()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except _faults() as error:
            raise GatewayError(f"{what} is no model that can be run: {_short(error)}") from error
        # kept for a second try with other providers, of which there are none: as much again as the weights
        self._session._model_bytes = None  # noqa: SLF001
        taken = self._session.get_inputs()[0]
        self.input: str = taken.name
        self.shape: tuple[int | str, ...] = tuple(taken.shape)
        self._answer: Sequence[Tensor] = []
        self._bound = self._session.io_binding()
        self._bind(ort)

    def _bind(self, ort: Any) -> None:  # noqa: ANN401 - the library has no types
        """Give every output its place; leave that to the library where a model does not tell its size."""
        given = self._session.get_outputs()
        if not all(one.type == "tensor(float)" and _is_fixed(one.shape) for one in given):
            return
        self._answer = [np.empty(one.shape, np.float32) for one in given]
        for one, place in zip(given, self._answer, strict=True):
            self._bound.bind_ortvalue_output(one.name, ort.OrtValue.ortvalue_from_numpy(place))

    def run(self, tensor: Tensor) -> Sequence[Tensor]:
        """Give the outputs for one input; those for the next one may take their place."""
        try:
            if not self._answer:
                return cast("Sequence[Tensor]", self._session.run(None, {self.input: tensor}))
            self._bound.bind_cpu_input(self.input, tensor)
            self._session.run_with_iobinding(self._bound)
        except _faults() as error:
            raise GatewayError(f"the model failed at a picture: {_short(error)}") from error
        return self._answer


def _is_fixed(shape: Sequence[int | str]) -> bool:
    return all(isinstance(one, int) and one > 0 for one in shape)


def _faults() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotImplemented",
        "RuntimeException",
    )
    # a name in it may be no text; and what fails with places bound for it tells no more than that
    return (*(getattr(state, name) for name in names), ValueError, RuntimeError)


def _short(error: Exception) -> str:
    return str(error).splitlines()[0].split(" : ")[-1][:200]
