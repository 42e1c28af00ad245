"""The process behind tests/peers/foreign.py: decodes with pysparkplug, which wants an older MQTT client.

Each line of input is ``{"kind", "body", "birth"}`` (bodies in hex; the birth may be missing), each line of
output the metrics. PYTHONPATH says where the package is.
"""

from __future__ import annotations

import json
import sys

import pysparkplug  # type: ignore[import-not-found]  # lives in a folder of its own
from google.protobuf.internal import builder  # noqa: F401 - the package needs it loaded

for line in sys.stdin:
    asked = json.loads(line)
    birth = pysparkplug.DBirth.decode(bytes.fromhex(asked["birth"])) if asked.get("birth") else None
    read = getattr(pysparkplug, asked["kind"]).decode(bytes.fromhex(asked["body"]), birth=birth)
    metrics = [
        {
            "name": one.name,
            "type": one.datatype.name,
            "value": one.value,
            "at": one.timestamp,
            "history": one.is_historical,
            "null": one.is_null,
        }
        for one in read.metrics
    ]
    told = {"timestamp": read.timestamp, "seq": getattr(read, "seq", None), "metrics": metrics}
    sys.stdout.write(json.dumps(told) + "\n")
