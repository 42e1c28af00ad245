"""BACnet/IP devices made with bacpypes3: what controllers of many makers have, and what they lack.

Runs in a process of its own. Its argument is JSON: ``address`` (else ``127.0.0.1:0``: any free port),
``instance``, ``name``, ``objects`` (each with ``type``, ``instance``, and properties by their names in
bacpypes3), ``refuses`` (services that it does not know, such as ReadPropertyMultipleRequest), ``segments``
(false: it cannot send in parts) and ``apdu`` (the most bytes of a message). It prints its address.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any


def application(spec: dict[str, Any]) -> Any:  # noqa: ANN401 - it has no types
    """Make the device with its objects."""
    app = import_module("bacpypes3.ipv4.app")
    device_class = import_module("bacpypes3.local.device").DeviceObject
    address_class = import_module("bacpypes3.pdu").IPv4Address
    vendor = import_module("bacpypes3.vendor").get_vendor_info(0)
    kinds = import_module("bacpypes3.primitivedata").ObjectType

    device = device_class(
        objectIdentifier=("device", spec["instance"]),
        objectName=spec.get("name", f"device {spec['instance']}"),
        vendorIdentifier=15,
        vendorName="Maker",
        modelName="Controller",
        maxApduLengthAccepted=spec.get("apdu", 1024),
        segmentationSupported="segmented-both" if spec.get("segments", True) else "no-segmentation",
    )

    answers = import_module("bacpypes3.apdu")
    # left to itself, it gives whatever the asking side can take
    room = spec.get("apdu", 1024) if not spec.get("segments", True) else 1 << 20

    class Refusing(app.NormalApplication):  # type: ignore[misc, name-defined]
        """An application that lacks what real ones lack."""

        async def indication(self, apdu: Any) -> None:  # noqa: ANN401
            """Take a request."""
            if type(apdu).__name__ in spec.get("refuses", ()):
                await self.response(answers.RejectPDU(reason="unrecognized-service", context=apdu))
                return
            await super().indication(apdu)

        async def response(self, apdu: Any) -> None:  # noqa: ANN401
            """Give an answer, unless it is longer than the device can make one."""
            if isinstance(apdu, answers.ComplexAckSequence) and len(apdu.encode().pduData) + 3 > room:
                short = answers.AbortPDU(True, apdu.apduInvokeID, "segmentation-not-supported")
                short.pduDestination = apdu.pduDestination
                apdu = short
            await super().response(apdu)

    made = Refusing(device, address_class(spec.get("address", "127.0.0.1:0")))
    for one in spec.get("objects", ()):
        rest = {key: value for key, value in one.items() if key not in ("type", "instance")}
        made.add_object(
            vendor.get_object_class(kinds(one["type"]))(
                objectIdentifier=(one["type"], one["instance"]), **rest
            )
        )
    return made


async def main() -> None:
    """Serve until the standard input ends."""
    spec = json.loads(sys.argv[1])
    made = application(spec)
    while (transport := made.normal.server.local_transport) is None:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    host, port = transport.get_extra_info("sockname")
    print(f"{host}:{port}", flush=True)  # noqa: T201
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    made.close()


if __name__ == "__main__":
    asyncio.run(main())
