"""The gateway is a device of its own: its health leaves on the terms of products and grants, and not else."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from agent.core.driver import CanBeFenced, CanBeLed, Desk, Needs
from agent.core.plan import Link, Tls
from agent.core.sample import Quality, Sample
from agent.core.vitals import Vitals
from agent.vitals import surroundings
from drivers.gateway import Gateway
from drivers.modbus_tls import ModbusTls
from pipelines.window import Window
from tests.agent.small_site import NETWORK, Site, plan, product, route
from tests.core.test_certificate import made
from tests.virtual import VirtualClock

OWN = Gateway(name="self")


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site with itself as a link."""
    made = Site(tmp_path, virtual, monkeypatch)
    own = Link(name="self", kind="gateway", driver=OWN)
    health = replace(product("health", own), steps=(Window(length="1m", statistics=("mean", "max")),))
    usual = plan()
    made.plan = replace(
        usual,
        links=(*usual.links, own),
        products=(*usual.products, replace(health, statistics=("mean", "max"))),
        routes=(*usual.routes, route("health")),
    )
    return made


def test_each_vital_sign_is_a_point() -> None:
    assert [one.name for one in OWN.points()] == [f"self.{one.name}" for one in fields(Vitals)]


async def test_its_health_reaches_the_city_because_a_grant_shares_it(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(250)
    assert [found["max"] for _, found in site.city.figures("self.devices")][1:3] == [2.0, 2.0]
    assert [found["max"] for _, found in site.city.figures("self.links_up")][1:3] == [2.0, 2.0]
    assert site.city.figures("self.recipients_up")[-1][1]["max"] == 1.0


async def test_without_a_grant_it_stays(site: Site) -> None:
    assert not isinstance(site.plan, Exception)
    site.plan = replace(site.plan, routes=(route("energy"),))
    async with site.running():
        await site.clock.sleep(250)
    assert site.city.figures("self.devices") == []


async def test_what_is_in_trouble_shows(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(125)
        NETWORK["10.0.0.5"].state = "silent"
        site.city.away = True
        site.outlets[0].connected = False
        await site.clock.sleep(240)
        newest = site.gateway.health.newest
    value = {name: newest[f"self.{name}"].value for name in ("devices_ok", "recipients_up", "backlog")}
    assert value["devices_ok"] == 1.0
    assert value["recipients_up"] == 0.0
    assert newest["self.oldest_good"].value == pytest.approx(240, abs=70)


async def test_what_the_computer_does_not_tell_is_not_available(virtual: VirtualClock) -> None:
    found: dict[str, Sample] = {}
    desk = Desk()
    desk.vitals = lambda: Vitals(temperature=48.5, clock_synced=True, undervoltage=None)
    task = asyncio.create_task(
        OWN.run(lambda samples: found.update({one.point: one for one in samples}), virtual, desk)
    )
    await virtual.sleep(61)
    [reading] = await desk.wish(("self.temperature",))
    task.cancel()
    assert (found["self.temperature"].value, found["self.clock_synced"].value) == (48.5, 1.0)
    assert (found["self.undervoltage"].quality, found["self.undervoltage"].why) == (
        Quality.BAD,
        "not_available",
    )
    assert reading.sample.value == 48.5


def test_it_reaches_for_nothing_that_could_be_led_elsewhere() -> None:
    driver: CanBeLed = OWN
    assert driver.led("127.0.0.1", 4242) == OWN
    assert driver.slips() == []
    fenced: CanBeFenced = OWN
    assert fenced.needs() == Needs()


def test_certificates_are_looked_at_where_the_recipients_name_them(tmp_path: Path) -> None:
    path = made(tmp_path / "ca.pem", 30, "ec")
    usual = plan()
    [city] = usual.recipients
    tls = Tls(ca=str(path), certificate=str(tmp_path / "none.pem"), key="x")
    seen = surroundings(replace(usual, recipients=(replace(city, tls=tls),)), tmp_path)
    assert [one[:3] for one in seen.ends] == [("recipient", "city", "authority")]
    assert seen.free is not None
    assert seen.free > 0


def test_the_certificates_of_a_link_are_looked_at_too(tmp_path: Path) -> None:
    path = str(made(tmp_path / "ours.pem", 30, "ec"))
    driver = ModbusTls(host="10.20.0.40", ca=path, certificate=path, key="x", devices=())
    link = Link(name="substation", kind="modbus-tls", driver=driver)
    seen = surroundings(replace(plan(), recipients=(), links=(link,)), tmp_path)
    roles = [one[:3] for one in seen.ends]
    assert roles == [("link", "substation", "authority"), ("link", "substation", "client")]
