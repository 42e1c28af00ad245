"""An air handler for the demo: a BACnet/IP device on loopback, built with BAC0, whose values follow ``air``.

BAC0 is another implementation than the driver's own code, and shares none of it. It listens on a
port of its own: loopback carries no broadcast, so the site names its address.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import time
from typing import Any, Final

from agent.demo import air

INSTANCE: Final = 1011
_PACE: Final = 0.1  # seconds between two changes of its values


def free_udp_port() -> int:
    """Give a UDP port of loopback that nobody listens on at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _objects() -> Any:  # noqa: ANN401 - BAC0 has no types
    """Describe what the device has; instances are numbered per kind, from 1 on."""
    from BAC0.core.devices.local.factory import (
        ObjectFactory,
        analog_input,
        binary_input,
    )

    ObjectFactory.clear_objects()
    celsius, pascal = {"units": "degreesCelsius"}, {"units": "pascals"}
    analog_input(instance=1, name="AHU1_SupplyTemp", description="Supply air", properties=celsius)
    analog_input(instance=2, name="AHU1_ExtractTemp", description="Extract air", properties=celsius)
    analog_input(instance=3, name="AHU1_FilterDP", description="Filter", properties=pascal)
    return binary_input(instance=1, name="AHU1_SupplyFan", description="Supply fan", presentValue="inactive")


def _values(utc: float) -> dict[str, float | str]:
    return {
        "AHU1_SupplyTemp": round(air.supply_temperature(utc), 3),
        "AHU1_ExtractTemp": round(air.extract_temperature(utc), 3),
        "AHU1_FilterDP": round(air.filter_pressure(utc), 2),
        "AHU1_SupplyFan": "active" if air.fan_runs(utc) else "inactive",
    }


async def _run(port: int) -> None:
    import BAC0

    BAC0.log_level("silence")
    async with BAC0.start(ip="127.0.0.1/8", port=port, deviceId=INSTANCE, localObjName="AHU1") as device:
        _objects().add_objects_to_application(device)
        told = False
        while True:
            for name, value in _values(time.time()).items():
                device[name].presentValue = value
            if not told:
                print("port", port, flush=True)
                told = True
            await asyncio.sleep(_PACE)


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description="Serve a demo air handler on loopback.")
    parser.add_argument("--port", type=int, required=True, help="UDP port of 127.0.0.1")
    args = parser.parse_args()
    asyncio.run(_run(args.port))


if __name__ == "__main__":
    main()
