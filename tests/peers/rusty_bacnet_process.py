"""A BACnet/IP device made with rusty-bacnet, a stack in another language with a codec of its own.

Runs in a process of its own on loopback and any free port. Its argument is JSON: ``instance``, and for each
kind of object how many there are (``analog_input`` 3: analog-input,0 to 2, at 20.0, 20.1, 20.2). It prints
its address, then takes lines of JSON on its standard input and answers each with a line.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib import import_module
from typing import Any

KINDS = ("analog_input", "analog_value", "binary_input", "character_string_value", "multistate_input")


def build(rusty: Any, spec: dict[str, Any]) -> Any:  # noqa: ANN401 - it has no types
    """Make the server with its objects."""
    bbmd = rusty.Bbmd(accept_foreign_devices=True) if spec.get("bbmd") else None
    server = rusty.BACnetServer(
        device_instance=spec["instance"],
        device_name=spec.get("name", "air handler"),
        interface=spec.get("interface", "127.0.0.1"),
        port=spec.get("port", 0),
        broadcast_address=spec.get("broadcast", "127.255.255.255"),
        mutation_policy=spec.get("mutation_policy", "permissive"),
        bbmd=bbmd,
        share_port_by_address=spec.get("share_port", False),
    )
    for kind in KINDS:
        for number in range(spec.get(kind, 0)):
            name = f"{kind} {number}"
            match kind:
                case "analog_input":
                    server.add_analog_input(number, name, units=62, present_value=20 + number / 10)
                case "multistate_input":
                    server.add_multistate_input(number, name, 5)
                case _:
                    getattr(server, f"add_{kind}")(number, name)
    return server


async def obey(rusty: Any, server: Any, told: dict[str, Any]) -> None:  # noqa: ANN401
    """Do what a line says."""
    kind, number = told["object"]
    one = rusty.ObjectIdentifier(getattr(rusty.ObjectType, kind), number)
    value = getattr(rusty.PropertyValue, told["type"])(told["value"])
    if told["property"] == "present_value":
        await server.set_present_value_local(one, value)
    else:
        known = getattr(rusty.PropertyIdentifier, told["property"].upper())
        await server.write_property_local(one, known, value, source_object=None)


async def main() -> None:
    """Serve until the standard input ends."""
    rusty: Any = import_module("rusty_bacnet")
    server = build(rusty, json.loads(sys.argv[1]))
    await server.start()
    print(await server.local_address(), flush=True)  # noqa: T201
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await obey(rusty, server, json.loads(line))
        print("done", flush=True)  # noqa: T201
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
