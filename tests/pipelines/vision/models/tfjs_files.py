"""Small TensorFlow.js graphs, written as files."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

VALID = {"padding": {"s": b64encode(b"VALID").decode()}}


def node(name: str, op: str, *inputs: str, **attr: Any) -> dict[str, Any]:  # noqa: ANN401 - their own format
    return {"name": name, "op": op, "input": list(inputs), "attr": attr}


def sides(name: str, height: int, width: int) -> dict[str, Any]:
    return {name: {"list": {"i": ["1", str(height), str(width), "1"]}}}


def write(
    folder: Path,
    nodes: Sequence[dict[str, Any]],
    weights: Mapping[str, NDArray[Any]],
    outputs: Mapping[str, Sequence[int]],
) -> Path:
    """Write a graph whose placeholder ``x`` is [1, 3, 64, 64]; floats are stored with half precision."""
    entry = node("x", "Placeholder", shape={"shape": {"dim": [{"size": str(one)} for one in (1, 3, 64, 64)]}})
    listed: list[dict[str, Any]] = []
    blob = b""
    for name, array in weights.items():
        is_float = array.dtype.kind == "f"
        listed.append({"name": name, "shape": array.shape, "dtype": "float32" if is_float else "int32"})
        if is_float:
            listed[-1]["quantization"] = {"dtype": "float16"}
        blob += array.astype("<f2" if is_float else "<i4").tobytes()
    file = {
        "modelTopology": {"node": [entry, *nodes, *(node(name, "Const") for name in weights)]},
        "weightsManifest": [{"paths": ["toy.bin"], "weights": listed}],
        "signature": {
            "outputs": {
                name: {"name": f"{name}:0", "tensorShape": {"dim": [{"size": str(one)} for one in shape]}}
                for name, shape in outputs.items()
            }
        },
    }
    (folder / "toy.bin").write_bytes(blob)
    (folder / "toy.json").write_text(json.dumps(file), encoding="utf-8")
    return folder / "toy.json"
