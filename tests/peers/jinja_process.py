"""The process behind tests/peers/foreign.py: renders templates as Home Assistant does, with Jinja itself.

Each line of input is ``{"template", "payload", "state"}``, each line of output the rendered text. PYTHONPATH
says where the package is.
"""

from __future__ import annotations

import json
import sys

from jinja2 import StrictUndefined  # type: ignore[import-not-found]  # lives in a folder of its own
from jinja2.sandbox import ImmutableSandboxedEnvironment  # type: ignore[import-not-found]

environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
for line in sys.stdin:
    asked = json.loads(line)
    read = json.loads(asked["payload"])
    text = environment.from_string(asked["template"]).render(
        value=asked["payload"], value_json=read, this={"state": asked["state"]}
    )
    sys.stdout.write(json.dumps(text) + "\n")
