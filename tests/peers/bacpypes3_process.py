"""A BACnet/IP device made with bacpypes3: it sends answers in parts, and hears broadcasts on loopback.

Runs in a process of its own. Its argument is JSON: ``instance``, ``address`` (such as 127.0.0.2/8:47900),
``analog_input``, how many of these it has, ``first``, the value of the first of them, and ``tells``, whom it
tells who it is when it starts. It prints its address when it is ready.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any


async def main() -> None:
    """Serve until the standard input ends."""
    spec: dict[str, Any] = json.loads(sys.argv[1])
    device_class = import_module("bacpypes3.local.device").DeviceObject
    input_class = import_module("bacpypes3.local.analog").AnalogInputObject
    application = import_module("bacpypes3.ipv4.app").NormalApplication
    address = import_module("bacpypes3.pdu").Address
    itself = device_class(
        objectIdentifier=("device", spec["instance"]),
        objectName=f"device {spec['instance']}",
        vendorIdentifier=999,
        maxApduLengthAccepted=spec.get("max_apdu", 1476),
        segmentationSupported=spec.get("segmentation", "segmentedBoth"),
        maxSegmentsAccepted=64,
    )
    running = application(itself, address(spec["address"]))
    for number in range(spec.get("analog_input", 0)):
        one = input_class(
            objectIdentifier=("analogInput", number),
            objectName=f"input {number}",
            presentValue=spec.get("first", 20) + number / 10,
            units="degreesCelsius",
            description="a long description, so that an answer needs several parts " * 2,
            covIncrement=0.1,
        )
        running.add_object(one)
    await asyncio.sleep(0.05)
    if "tells" in spec:
        running.i_am(address=address(spec["tells"]))
    print(spec["address"].replace("/8", ""), flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


if __name__ == "__main__":
    asyncio.run(main())
