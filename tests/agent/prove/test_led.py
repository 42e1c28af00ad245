"""Every driver can be led to a spy, and none of them writes there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from agent.config.load import load
from agent.core.driver import CanBeLed
from agent.core.plan import OutboxPlan
from agent.prove.outcome import State
from agent.prove.scene import Scene
from agent.prove.sealed import seal
from drivers.modbus.frames import Question
from drivers.modbus.frames_tcp import TcpFrames
from drivers.modbus.slips import _is_refused, _writes, slips
from tests.agent.prove.scenes import street, tried

SITE = """
[site]
city = "planted"
id = "all-drivers"

[link.rtu]
driver = "modbus-rtu"
path = "/dev/serial/by-id/none"
[device.a]
link = "rtu"
[device.a.points]
x = { addr = 0, type = "u16" }

[link.converter]
driver = "modbus-rtu-tcp"
host = "192.0.2.1"
port = 4001
[device.b]
link = "converter"
[device.b.points]
x = { addr = 0, type = "u16" }

[link.secure]
driver = "modbus-tls"
host = "192.0.2.2"
ca = "/none/ca.pem"
certificate = "/none/own.pem"
key = "/none/own.key"
[device.c]
link = "secure"
[device.c.points]
x = { addr = 0, type = "u16" }

[link.bms]
driver = "bacnet-ip"
interface = "192.0.2.9/24"
bbmd = "198.51.100.1"
[device.d]
link = "bms"
instance = 7
[device.d.points]
x = { object = "analog-input,1" }
[device.e]
link = "bms"
address = "2001:12"
cov = 1
[device.e.points]
x = { object = "analog-input,2" }

[link.dust]
driver = "sds011"
path = "/dev/serial/by-id/dust"
[device.f]
link = "dust"

[link.weather]
driver = "lines"
host = "192.0.2.3"
port = 4001
[device.g]
link = "weather"
[device.g.points]
x = { key = "x" }

[link.grid]
driver = "p1"
path = "/dev/serial/by-id/grid"
[device.h]
link = "grid"
"""


def site(folder: Path) -> Path:
    file = folder / "site.toml"
    file.write_text(SITE, encoding="utf-8")
    return file


def test_no_driver_writes_under_provocation(tmp_path: Path, scene: Callable[..., Scene]) -> None:
    made = scene(load(site(tmp_path)), seconds=0.5)
    outcome = tried("nothing-is-written-to-a-bus", made)
    assert outcome.state is State.KEPT, outcome.told
    assert len(outcome.told) == len(made.plan.links) == 7


def test_a_sealed_plan_leads_nowhere_but_to_loopback(tmp_path: Path) -> None:
    plan = load(site(tmp_path))
    sealed = seal(plan, 4242)
    assert not sealed.left_out
    for link in sealed.plan.links:
        driver = link.driver
        assert isinstance(driver, CanBeLed)
        assert not any(sign in repr(driver) for sign in ("192.0.2", "198.51", "2001:12", "/dev/"))
        assert driver.points() == next(one.driver for one in plan.links if one.name == link.name).points()
    elsewhere = street(outbox=OutboxPlan(path="/var/lib/citygate"))
    assert seal(elsewhere, 4242).plan.outbox.path == "", "the site's own outbox is never opened"
    told = seal(street(metrics="/var/lib/prometheus/citygate.prom"), 4242)
    assert told.plan.metrics == "", "the site's own metrics are never written over"
    usual = street()
    behind = tuple(
        replace(one, proxy="http://proxy.example:3128", proxy_username="gw1", proxy_password="credential:x")  # noqa: S106 - a name
        for one in usual.recipients
    )
    brokers = seal(replace(usual, recipients=behind), 4242).plan.recipients
    assert [(one.reached, one.tls, one.password) for one in brokers] == [(("127.0.0.1", 4242), None, "")]
    assert not any(one.proxy_username or one.proxy_password for one in brokers)


def test_every_function_that_is_no_read_is_put_to_the_wall() -> None:
    assert {body[0] for body in _writes()} >= {5, 6, 8, 15, 16, 21, 22, 23, 0x2B}
    assert slips() == []


def test_a_wall_with_a_hole_is_noticed() -> None:
    class Open(TcpFrames):
        def ask(self, question: Question) -> bytes:
            return question.body

    assert not any(_is_refused(Open(), body) for body in _writes())
