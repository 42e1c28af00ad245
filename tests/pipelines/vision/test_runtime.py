"""Sessions suit a small computer, and the runtime tells nobody that it is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, helper, numpy_helper

from agent.core.errors import GatewayError
from pipelines.vision.runtime import Session, library
from tests.peers import need
from tests.pipelines.vision.clips import HEIGHT, WIDTH, toy

LOOK = """
import sys, time
from pathlib import Path
from pipelines.vision.runtime import Session
Session(Path(sys.argv[1]).read_bytes(), "the model")
time.sleep(float(sys.argv[2]))
"""

FAULTS = """
import resource
import numpy as np
from pipelines.vision.runtime import Session
from tests.pipelines.vision.clips import HEIGHT, WIDTH, toy
session = Session(toy().SerializeToString(), "toy")
picture = np.zeros((1, 3, HEIGHT, WIDTH), np.float32)
for _ in range(5):
    session.run(picture)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    session.run(picture)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
ROOT = Path(__file__).parents[3]


def test_a_session_takes_one_thread_that_never_spins() -> None:
    options = Session(toy().SerializeToString(), "toy")._session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.graph_optimization_level == library().GraphOptimizationLevel.ORT_ENABLE_ALL


def test_a_session_keeps_no_second_copy_of_its_weights() -> None:
    model = toy().SerializeToString()
    before = sys.getrefcount(model)
    session = Session(model, "toy")
    assert sys.getrefcount(model) == before
    assert session.run(np.zeros((1, 3, HEIGHT, WIDTH), np.float32))[0].shape[2] == 85


@pytest.mark.parametrize("told", [True, False], ids=["its size told", "its size not told"])
def test_each_answer_is_that_of_its_own_picture(told: bool) -> None:
    model = toy() if told else as_many_as_it_likes()
    session, chance = Session(model.SerializeToString(), "toy"), np.random.default_rng(0)
    pictures = [chance.random((1, 3, HEIGHT, WIDTH), np.float32) * 255 for _ in range(3)]
    answers = [session.run(one)[0].copy() for one in (*pictures, *pictures)]
    assert answers[0].shape[2] == 85
    for before, after in zip(answers[:3], answers[3:], strict=True):
        assert np.array_equal(before, after)
    assert not np.array_equal(answers[0], answers[1])


def test_the_memory_for_a_picture_is_asked_for_once() -> None:
    """With malloc as the agent and the unit set it: whatever is freed is given back."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, cwd=ROOT, check=True,
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "1048576"},
    )  # fmt: skip
    assert int(done.stdout) < 20 * 50  # pages; more than 400 for each picture otherwise


def as_many_as_it_likes() -> ModelProto:
    """Let the toy keep all cells whose score is not below zero: nobody knows how many before it has run."""
    model = toy()
    inner, at = model.graph.output[0], len(model.graph.node)
    model.graph.node[at - 1].output[0] = "all_cells"
    for name, values in (("zero", np.zeros(1, np.float32)), ("row", np.array([-1], np.int64))):
        model.graph.initializer.append(numpy_helper.from_array(values, name))
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["all_cells"], ["best"], axes=[2], keepdims=0),
            helper.make_node("Reshape", ["best", "row"], ["flat_best"]),
            helper.make_node("Less", ["flat_best", "zero"], ["bad"]),
            helper.make_node("Not", ["bad"], ["kept"]),
            helper.make_node("Compress", ["all_cells", "kept"], ["output"], axis=1),
        ]
    )
    inner.type.tensor_type.shape.dim[1].dim_param = "cells"
    return model


def test_a_picture_that_the_model_cannot_take_ends_in_one_sentence() -> None:
    with pytest.raises(GatewayError, match="the model failed at a picture"):
        Session(toy().SerializeToString(), "toy").run(np.zeros((1, 3, 32, 32), np.float32))


@pytest.mark.long
def test_in_fifteen_seconds_no_socket_is_opened_and_no_file_made(tmp_path: Path) -> None:
    """It would ask for its maker's address after ten; where CI is set it would hide that."""
    strace = need("strace")
    model, home, trace = tmp_path / "toy.onnx", tmp_path / "home", tmp_path / "trace"
    model.write_bytes(toy().SerializeToString())
    home.mkdir()
    environment = {key: one for key, one in os.environ.items() if key not in {"CI", "ORT_DISABLE_TELEMETRY"}}
    words = [strace, "-f", "-e", "trace=socket,connect,openat,mkdir", "-o", str(trace), sys.executable, "-B"]
    subprocess.run(
        [*words, "-c", LOOK, str(model), "15"],
        check=True,
        env={**environment, "HOME": str(home)},
        timeout=120,
    )
    calls = trace.read_text("utf-8").splitlines()
    assert not [one for one in calls if "socket(AF_INET" in one or "mkdir(" in one or "O_CREAT" in one]
    assert not list(home.rglob("*"))
