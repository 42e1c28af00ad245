"""Reads a graph model of TensorFlow.js: its nodes in order, and its weights as arrays.

It knows the file format and nothing of what the operations mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import Struct, field, json
from numpy.typing import NDArray

from agent.core.errors import GatewayError

Array = NDArray[np.float32 | np.int32]
_STORED: Final = {"float16": "<f2", "float32": "<f4", "int32": "<i4"}
_MEANT: Final[dict[str, type[np.float32 | np.int32]]] = {"float32": np.float32, "int32": np.int32}


class Node(Struct, frozen=True):
    """One operation; ``input`` names nodes, with ``:1`` behind them for their second output."""

    name: str
    op: str
    input: tuple[str, ...] = ()
    attr: dict[str, Any] = field(default_factory=dict)


class Output(Struct, frozen=True):
    """A named result of the graph and its sizes."""

    name: str
    sizes: tuple[int, ...]


class Graph(Struct, frozen=True):
    """A whole model: nodes with what they need before them, constants by name, and results."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    outputs: tuple[Output, ...]


class _Stored(Struct, frozen=True):
    dtype: str


class _Weight(Struct, frozen=True):
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: _Stored | None = None


class _Group(Struct, frozen=True):
    paths: tuple[str, ...]
    weights: tuple[_Weight, ...]


class _Topology(Struct, frozen=True):
    node: tuple[Node, ...]


class _File(Struct, frozen=True, rename="camel"):
    model_topology: _Topology
    weights_manifest: tuple[_Group, ...]
    signature: dict[str, Any]


def read(path: Path) -> Graph:
    """Read the model whose JSON is *path*, its weights lying beside it."""
    try:
        file = json.decode(path.read_bytes(), type=_File)
    except (ValueError, RecursionError) as error:
        raise GatewayError(f"{path} is no TensorFlow.js model: {error}") from error
    constants: dict[str, Array] = {}
    try:
        for group in file.weights_manifest:
            blob = b"".join((path.parent / Path(part).name).read_bytes() for part in group.paths)
            constants |= _weights(group.weights, blob, path)
        return Graph(_in_order(file.model_topology.node), constants, _outputs(file.signature))
    except (OSError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as error:
        raise GatewayError(f"{path} is damaged, or lacks a part: {error!r}") from error


def _weights(wanted: Sequence[_Weight], blob: bytes, path: Path) -> dict[str, Array]:
    found: dict[str, Array] = {}
    at = 0
    for one in wanted:
        stored = one.quantization.dtype if one.quantization else one.dtype
        if stored not in _STORED or one.dtype not in _MEANT:
            raise GatewayError(f"{path}: weights {one.name} are of type {stored}, which is not known")
        kind, many = np.dtype(_STORED[stored]), int(np.prod(one.shape, dtype=np.int64))
        if at + many * kind.itemsize > len(blob):
            raise GatewayError(f"{path}: its weights end early, in {one.name}; fetch the model again")
        flat = np.frombuffer(blob, kind, many, at)
        whole: Array = flat.astype(_MEANT[one.dtype])
        found[one.name] = whole.reshape(one.shape)
        at += many * kind.itemsize
    if at != len(blob):
        raise GatewayError(f"{path}: {len(blob) - at} bytes of its weights belong to nothing")
    return found


def _in_order(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Put each node behind those whose results it takes."""
    known = {one.name: one for one in nodes}
    sorter = TopologicalSorter({one.name: [_source(name) for name in one.input] for one in nodes})
    try:
        return tuple(known[name] for name in sorter.static_order())
    except (KeyError, CycleError) as error:
        raise GatewayError(f"the model's graph is broken at {error.args[-1]}") from error


def _source(name: str) -> str:
    return name.lstrip("^").partition(":")[0]


def _outputs(signature: dict[str, Any]) -> tuple[Output, ...]:
    return tuple(
        Output(_source(one["name"]), tuple(int(side["size"]) for side in one["tensorShape"]["dim"]))
        for one in signature["outputs"].values()
    )
