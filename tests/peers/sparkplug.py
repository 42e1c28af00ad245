"""Two readers of Sparkplug B that we did not write: Eclipse Tahu's for Node, and pysparkplug."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.peers import missing, need
from tests.peers.packages import package

PYSPARKPLUG: Final = "pysparkplug==0.6.1"
_HERE: Final = Path(__file__).parent
_NODE_MODULES: Final = _HERE.parents[1] / "build" / "peers" / "npm" / "node_modules"


def read_by_tahu(bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    """Decode payloads with npm's sparkplug-payload."""
    node = need("node")
    if not (_NODE_MODULES / "sparkplug-payload").is_dir():
        missing("sparkplug-payload (npm)")
    script = _HERE / "sparkplug_payload_process.js"
    lines = [body.hex() for body in bodies]
    return _answers([node, str(script)], lines, {"NODE_PATH": str(_NODE_MODULES)})


def read_by_pysparkplug(asked: Sequence[tuple[str, bytes, bytes | None]]) -> list[dict[str, Any]]:
    """Decode payloads with pysparkplug: kind (``DData``), body, and the birth where data have no names."""
    folder = package(PYSPARKPLUG)
    lines = [
        json.dumps({"kind": kind, "body": body.hex(), "birth": birth.hex() if birth else None})
        for kind, body, birth in asked
    ]
    script = _HERE / "pysparkplug_process.py"
    return _answers([sys.executable, str(script)], lines, {"PYTHONPATH": str(folder)})


def _answers(command: Sequence[str], lines: Sequence[str], more: dict[str, str]) -> list[dict[str, Any]]:
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **more},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
