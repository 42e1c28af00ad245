"""Readers of our messages that we did not write, each in a process of its own; lines in, lines out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.peers import missing, need
from tests.peers.packages import package, pages

_HERE: Final = Path(__file__).parent
NODE_MODULES: Final = _HERE.parents[1] / "build" / "peers" / "npm" / "node_modules"


def read_by_tahu(bodies: Sequence[bytes]) -> list[dict[str, Any]]:
    """Decode Sparkplug payloads with Eclipse Tahu's library for Node."""
    return _node("sparkplug_payload_process.js", "sparkplug-payload", [one.hex() for one in bodies])


def asyncapi_errors(documents: Sequence[object]) -> list[list[str]]:
    """Judge AsyncAPI documents with the project's own parser."""
    return _node("asyncapi_process.js", "@asyncapi/parser", [json.dumps(one) for one in documents])


def read_by_pysparkplug(asked: Sequence[tuple[str, bytes, bytes | None]]) -> list[dict[str, Any]]:
    """Decode Sparkplug payloads with pysparkplug: kind (``DData``), body, and a birth if data need one."""
    lines = [
        json.dumps({"kind": kind, "body": body.hex(), "birth": birth.hex() if birth else None})
        for kind, body, birth in asked
    ]
    return _python("pysparkplug_process.py", "pysparkplug==0.6.1", lines)


def read_by_senml(packs: Sequence[bytes]) -> list[list[dict[str, Any]]]:
    """Resolve SenML packs with the package of that name."""
    return _python("senml_process.py", "senml==0.1.0", [one.decode() for one in packs])


def rendered(asked: Sequence[tuple[str, bytes, str]]) -> list[str]:
    """Render templates of Home Assistant: template, payload, and the state that there was."""
    lines = [
        json.dumps({"template": template, "payload": payload.decode(), "state": state})
        for template, payload, state in asked
    ]
    return _python("jinja_process.py", "jinja2==3.1.6", lines)


def azure_token(resource: str, key: str, until: int) -> str:
    """Sign a shared-access token with the library of Azure IoT."""
    asked = json.dumps({"resource": resource, "key": key, "until": until})
    folder = pages("azure-iot-device==2.14.0")
    path = str(_HERE / "azure_token_process.py")
    (found,) = _answers([sys.executable, path], [asked], {"PYTHONPATH": str(folder)})
    return str(found)


def _python(script: str, requirement: str, lines: Sequence[str]) -> list[Any]:
    path = str(_HERE / script)
    return _answers([sys.executable, path], lines, {"PYTHONPATH": str(package(requirement))})


def _node(script: str, package_name: str, lines: Sequence[str]) -> list[Any]:
    node = need("node")
    if not (NODE_MODULES / package_name).is_dir():
        missing(f"{package_name} (npm)")
    return _answers([node, str(_HERE / script)], lines, {"NODE_PATH": str(NODE_MODULES)})


def _answers(command: Sequence[str], lines: Sequence[str], more: Mapping[str, str]) -> list[Any]:
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
