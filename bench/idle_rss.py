"""Memory of a whole gateway with one Modbus link and one broker, once it has settled; the aim is 35 MB.

RSS counts shared libraries in full, PSS their share; ``/proc/PID/smaps_rollup`` tells both.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from bench._site import gateway, peers, wait_for, warm

_SETTLE = 12.0


def main() -> None:
    """Print RSS and PSS in MB."""
    with peers() as (site, _):
        warm(site)
        with gateway(site) as process:
            wait_for(site.socket)
            time.sleep(_SETTLE)
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    figures = {line.split()[0]: int(line.split()[1]) / 1000 for line in text.splitlines()[1:]}
    for name, aim in (("Rss:", 35.0), ("Pss:", None)):
        what = f"{name[:-1].upper()} of an idle gateway with one Modbus link"
        line = {"bench": "idle_rss", "what": what, "value": figures[name] * 1.024, "unit": "MB"}
        print(json.dumps(line | ({"aim": aim} if aim else {})))


if __name__ == "__main__":
    main()
