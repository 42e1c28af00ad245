"""A product of very many points: the daemon describes it to a real broker in parts, or `check` refuses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agent.config.load import load
from agent.core.errors import ConfigError
from agent.status import ask
from tests.agent.test_process import SHARING, SITE, Machine, machine
from tests.agent.uplink.kit import ROOT, subscribed, until
from tests.peers.mosquitto import mosquitto

__all__ = ["machine"]
MANY = 5000
HALL = """
[device.hall]
link = "plant-room"
unit = 2
every = "1m"
[device.hall.points]
"""


def births(messages: list[Any]) -> dict[str, dict[str, Any]]:
    found = {str(one.topic).removeprefix(f"{ROOT}/"): one.payload for one in messages}
    return {topic: json.loads(body) for topic, body in found.items() if topic.startswith("b/") and body}


def all_parts(messages: list[Any]) -> bool:
    told = births(messages)
    return bool(told) and len(told) == next(iter(told.values()))["part"][1]


async def test_the_daemon_tells_a_broker_of_five_thousand_points(machine: Machine) -> None:
    points = "".join(f'p{n:04d} = {{ addr = {n}, type = "u16", unit = "kW" }}\n' for n in range(MANY))
    sharing = SHARING.replace("main-meter.active_power", "hall.*")
    (machine.folder / "broker").mkdir()
    with mosquitto(machine.folder / "broker") as broker:
        (machine.config / "sharing.toml").write_text(sharing.format(port=broker.port))
        (machine.config / "site.toml").write_text(SITE.format(port=machine.port) + HALL + points)
        async with subscribed(broker.port) as city:
            process = machine.start()
            machine.hear("READY")
            await until(lambda: all_parts(city.messages))
            told = births(city.messages)
            assert ask(machine.socket, {"ask": "status"})["place"] == "vaasa/library/gw1"
            assert process.poll() is None
    assert len(told) > 4
    assert set(told) == {"b/energy", *(f"b/energy/{n}" for n in range(2, len(told) + 1))}
    names = [name for one in told.values() for name in one["points"]]
    assert sorted(names) == [f"hall.p{n:04d}" for n in range(MANY)]


def test_a_point_that_no_birth_has_room_for_is_refused_with_its_product(tmp_path: Path) -> None:
    texts = ", ".join(f'{n} = "{"x" * 80}"' for n in range(2000))
    fan = f'fan = {{ addr = 1, type = "u16", kind = "state", states = {{ {texts} }} }}\n'
    (tmp_path / "site.toml").write_text(SITE.format(port=502) + HALL + fan)
    sharing = SHARING.replace("main-meter.active_power", "hall.fan").replace('"mean"', '"last"')
    (tmp_path / "sharing.toml").write_text(sharing.format(port=1883))
    with pytest.raises(
        ConfigError, match='product "energy" cannot be described to "city": a birth of'
    ) as told:
        load(tmp_path)
    assert "[product.energy]" in str(told.value)
