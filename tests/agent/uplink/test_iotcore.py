"""Against rumqttd, the broker of the demo: it never says that nobody has subscribed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from agent.encodings.native import native_schema
from tests.agent.uplink.kit import ROOT, Rig, subscribed
from tests.peers.mosquitto import free_port

pytest.importorskip("iotcore")


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    number = free_port()
    arguments = [
        "-m",
        "agent.demo.broker",
        "--port",
        str(number),
        "--settings",
        str(tmp_path / "rumqttd.toml"),
    ]
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            yield number
        finally:
            process.kill()


async def test_everything_arrives_with_or_without_a_subscriber(port: int) -> None:
    rig = Rig(port)
    check = jsonschema.Draft202012Validator(native_schema())
    async with rig.running():
        rig.put(5)
        await rig.until(lambda: len(rig.feed.done) == 5)
        async with subscribed(port) as city:
            rig.put(20)
            await rig.until(lambda: len(rig.feed.done) == 25)
            await rig.until(lambda: len(city.bodies(f"{ROOT}/d/energy")) == 20)
            for message in city.messages:
                check.validate(json.loads(bytes(message.payload)))
        assert rig.uplink.words() == {"city.energy": "ok"}
