"""A network with broadcasts, its devices, and a search on it: run in a network namespace of its own.

Its argument is a list of devices as for ``bacnet_building_process.py``, each with an address of
10.99.0.0/24. It prints what `citygate scan bacnet` found, a line of JSON each, in order of addresses.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from agent.cli.lent import Lent
from agent.core.clock import SystemClock
from agent.core.duration import Duration
from agent.core.search import Found, Told
from drivers.searches.bacnet import Bacnet
from tests.peers import bacnet

OWN = "10.99.0.1/24"


def network(addresses: list[str]) -> None:
    """Make a network card that carries broadcasts to all who live on it."""
    for line in (
        "link add lan0 type veth peer name wire0",
        "link set lan0 up",
        "link set wire0 up",
        "link set lo up",
        *(f"addr add {one}/24 broadcast 10.99.0.255 dev lan0" for one in addresses),
    ):
        subprocess.run(["ip", *line.split()], check=True)


def main() -> None:
    """Do all of it."""
    devices = json.loads(sys.argv[1])
    network([OWN.partition("/")[0], *(one["address"].partition("/")[0] for one in devices)])
    told: list[Told] = []
    with ExitStack() as running:
        for one in devices:
            running.enter_context(bacnet.building(**one))
        search = Bacnet(interface=OWN, settle=Duration(0.2), instances="200-1999")
        nobody = Lent(Path("nowhere"), Path("nowhere"))
        asyncio.run(search.search(nobody, SystemClock(), told.append))
    found = sorted((one for one in told if isinstance(one, Found)), key=lambda one: one.address)
    for one in found:
        line = {"address": one.address, "device_name": one.device_name, "note": one.note}
        print(json.dumps(line))  # noqa: T201


if __name__ == "__main__":
    main()
