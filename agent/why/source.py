"""The first part of the way: from the link over the device to the newest sample of a point."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.core.point import Point
from agent.core.sample import Quality, Sample
from agent.gateway import Gateway
from agent.health import DeviceHealth
from agent.journal import spoken
from agent.why.advice import advice
from agent.why.stage import Stage, doubtful, passes, stops

_MISSES: Final = 3
_GRACE: Final = 5.0


def source_of(gateway: Gateway, point: Point) -> list[Stage]:
    """Walk from the link to the newest sample of *point*; ends with the first stage that stops it."""
    link = link_of(gateway, point)
    found = [_link(gateway, link)]
    for look in (_device, _sample):
        if found[-1].verdict == "stops":
            break
        found += look(gateway, link, point)
    return found


def sources_of(gateway: Gateway, points: Sequence[Point]) -> list[Stage]:
    """Walk for several points at once: it stops only where all of them stop."""
    ways = [(point, source_of(gateway, point)) for point in points]
    blocked = [(point, way[-1]) for point, way in ways if way[-1].verdict == "stops"]
    if len(blocked) == len(ways):
        return ways[0][1]
    if blocked:
        point, stage = blocked[0]
        rest = f", and {len(blocked) - 1} more" if len(blocked) > 1 else ""
        says = f"{len(ways) - len(blocked)} of {len(ways)} points have values; {point.name} has not{rest}"
        return [doubtful("samples", f"{says}: {stage.says}", stage.act)]
    odd = next((way[-1] for _, way in ways if way[-1].verdict == "doubtful"), None)
    return [odd or passes("samples", f"all {len(ways)} points have good values")]


def link_of(gateway: Gateway, point: Point) -> str:
    """Name the link over which *point* comes."""
    assert gateway.plan is not None
    return next(
        link.name
        for link in gateway.plan.links
        if any(one.name == point.name for one in link.driver.points())
    )


def _link(gateway: Gateway, name: str) -> Stage:
    life, now = gateway.life_of_link(name), gateway.clock.boot()
    if life is None or life.state in {"stopped", "finished"}:
        return stops("link", f"link {name} does not run", "journalctl -u citygate -n 50")
    if life.state == "waiting":
        again = spoken(max(1.0, round(life.next_try - now)))
        act = f"see to {name}'s other end: power, cable, address; then `citygate status`"
        return stops("link", f"link {name} failed: {life.why}; next try in {again}", act)
    if life.trouble.since is not None:
        return doubtful("link", f"link {name} runs again, but has given nothing good yet")
    return passes("link", f"link {name} runs")


def _device(gateway: Gateway, link: str, point: Point) -> list[Stage]:
    name = point.source
    seen = gateway.health.links.get(link)
    device = next((one for one in seen.devices if one.name == name), None) if seen else None
    if device is None:
        return []
    now, why = gateway.clock.boot(), device.why.replace("_", " ")
    match device.state:
        case "silent":
            says = f"{name} is silent for {spoken(now - device.since)}: {why or 'nothing heard'}"
            return [stops("device", says, advice(device.why or "no_reply"))]
        case "faulty":
            says = f"{name} answers, but gives no good value: {why}"
            return [stops("device", says, advice(device.why))]
        case "waiting":
            return [_waiting(device, now)]
    return [passes("device", f"{name} answers")]


def _waiting(device: DeviceHealth, now: float) -> Stage:
    if not device.every:
        says = f"{device.name} has told nothing yet; it tells only changes"
        return doubtful("device", says, "nothing, if it may have had nothing to tell")
    says = f"{device.name} has not answered yet, asked for {spoken(now - device.since)}"
    return doubtful("device", says, f"wait {spoken(device.every)}; then `citygate read {device.name}`")


def _sample(gateway: Gateway, link: str, point: Point) -> list[Stage]:
    return [_newest(gateway, link, point)]


def _newest(gateway: Gateway, link: str, point: Point) -> Stage:
    newest = gateway.health.newest.get(point.name)
    now = gateway.clock.boot()
    if newest is None:
        act = f"wait {spoken(point.every)}; then `citygate read {point.name}`" if point.every else ""
        return stops("sample", f"{point.name} has not been read since the start", act or advice("not_read"))
    age = now - newest.at
    if newest.quality is not Quality.GOOD:
        return _poor(gateway, link, newest, age)
    if point.every and age > _MISSES * point.every + _GRACE:
        says = f"{point.name} is {spoken(age)} old, and due every {spoken(point.every)}"
        return stops("sample", says, f"citygate read {point.name}")
    return passes("sample", f"{point.name} has a good value, {spoken(age)} old")


def _poor(gateway: Gateway, link: str, newest: Sample, age: float) -> Stage:
    desk = gateway.desks.get(link)
    trouble = str(desk.figures.get("trouble", "")) if desk else ""
    act = trouble or advice(newest.why)
    why = newest.why.replace("_", " ") or "no reason given"
    if newest.quality is Quality.BAD:
        return stops("sample", f"{newest.point} is bad: {why}, {spoken(age)} ago", act)
    return doubtful("sample", f"{newest.point} is uncertain: {why}", act)
