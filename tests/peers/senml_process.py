"""The process behind tests/peers/foreign.py: resolves SenML packs with the package senml.

Each line of input is a pack, each line of output its records with absolute names and times. PYTHONPATH says
where the package is.
"""

from __future__ import annotations

import json
import sys

from senml import SenMLDocument  # type: ignore[import-not-found]  # lives in a folder of its own

for line in sys.stdin:
    document = SenMLDocument.from_json(json.loads(line))
    read = [one.to_absolute(document.base) for one in document.measurements]
    told = [{"name": one.name, "time": one.time, "unit": one.unit, "value": one.value} for one in read]
    sys.stdout.write(json.dumps(told) + "\n")
