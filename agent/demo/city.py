"""The city's side of the demo: subscribes, validates each message against the schema, prints it as a line.

It shares nothing with the gateway but the published JSON Schema. One JSON object a line on standard output:
``{"topic", "body", "faults"}``; the first line is ``{"ready": true}``. Data messages are also kept in a file,
as `mosquitto_sub -v` would print them, so that `citygate ledger match` can compare.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    Validate = Callable[[bytes], tuple[Any, list[str]]]

TOPICS = "citygate/1/#"


def validator() -> Validate:
    """Give a function from a message's bytes to its body and its faults."""
    from jsonschema import Draft202012Validator

    schema = json.loads(files("agent.encodings").joinpath("native.schema.json").read_bytes())
    check = Draft202012Validator(schema)

    def validate(payload: bytes) -> tuple[Any, list[str]]:
        try:
            body = json.loads(payload)
        except ValueError as error:
            return None, [f"no JSON: {error}"]
        return body, [f"{one.json_path}: {one.message[:200]}" for one in check.iter_errors(body)]

    return validate


async def listen(port: int, validate: Validate, kept: TextIO) -> None:
    """Print each message until cancelled."""
    import aiomqtt

    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="city", protocol=aiomqtt.ProtocolVersion.V5
    ) as client:
        await client.subscribe(TOPICS, qos=1)
        print(json.dumps({"ready": True}), flush=True)
        async for message in client.messages:
            body, faults = validate(message.payload)
            if "/d/" in str(message.topic):
                print(message.topic, message.payload.decode(errors="replace"), file=kept, flush=True)
            print(json.dumps({"topic": str(message.topic), "body": body, "faults": faults}), flush=True)


def main() -> None:
    """Listen until terminated."""
    parser = argparse.ArgumentParser(description="Subscribe as the demo's city.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keep", type=Path, required=True, help="file for what arrives as data")
    args = parser.parse_args()
    with args.keep.open("a", encoding="utf-8") as kept:
        asyncio.run(listen(args.port, validator(), kept))


if __name__ == "__main__":
    main()
