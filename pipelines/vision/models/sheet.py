"""An ONNX graph while it is being written: nodes and constants, of which only what is needed is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.core.errors import GatewayError

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

    from pipelines.vision.models.tfjs import Output

OPSET: Final = (
    17  # the runtime's quantiser spoils what 18 writes for Resize; below 13 it cannot scale by channel
)
VERSION: Final = 8  # of the file format, which belongs to that opset


class Sheet:
    """Collects nodes; every tensor has the name that ``add`` gave it."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._constants: dict[str, Any] = {}

    def constant(self, array: Any) -> str:  # noqa: ANN401 - any array, or a number
        """Add a constant."""
        name = f"constant_{len(self._constants)}"
        self._constants[name] = np.ascontiguousarray(array)
        return name

    def add(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:  # noqa: ANN401 - ONNX's own types
        """Add a node with one output; give the name of that."""
        return self.split(op, inputs, 1, **attributes)[0]

    def split(self, op: str, inputs: Sequence[str], many: int, **attributes: Any) -> list[str]:  # noqa: ANN401
        """Add a node with *many* outputs."""
        from onnx import helper

        outputs = [f"{op.lower()}_{len(self._nodes)}_{number}" for number in range(many)]
        self._nodes.append(helper.make_node(op, list(inputs), outputs, name=outputs[0], **attributes))
        return outputs

    def amend(self, tensor: str, constant: Any) -> None:  # noqa: ANN401 - any array
        """Give the node that makes *tensor* one more input."""
        node = next(one for one in reversed(self._nodes) if tensor in one.output)
        node.input.append(self.constant(constant))

    def model(self, name: str, taken: tuple[str, tuple[int, ...]], given: dict[str, Output]) -> ModelProto:
        """Write the model that takes one input and gives each tensor of *given* under its output's name."""
        import onnx
        from onnx import helper, numpy_helper

        ends = [helper.make_node("Identity", [tensor], [one.name]) for tensor, one in given.items()]
        nodes = [*self._needed(set(given)), *ends]
        used = {one for node in nodes for one in node.input}
        kind = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes,
            name,
            [helper.make_tensor_value_info(taken[0], kind, taken[1])],
            [helper.make_tensor_value_info(one.name, kind, one.sizes) for one in given.values()],
            [numpy_helper.from_array(one, key) for key, one in self._constants.items() if key in used],
        )
        made = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="citygate"
        )
        made.ir_version = VERSION
        try:
            onnx.checker.check_model(made, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise GatewayError(f"the model's graph does not fit together: {error}".strip()) from error
        return made

    def _needed(self, wanted: set[str]) -> list[NodeProto]:
        """List the nodes that *wanted* tensors are made by, directly or not."""
        kept: list[NodeProto] = []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output):
                kept.append(node)
                wanted |= set(node.input)
        return kept[::-1]
