"""How the devices do, seen from the samples that pass: who answers, who is silent, since when and why.

It looks at every sample but keeps only the newest of each point, and never hands one on. A transition is
logged once, as a sentence; what a whole link has in common is left to the supervisor's line about the link.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterable, Sequence
from typing import Final

from msgspec import Struct, field

from agent.core.catalogue.links import DEVICE_ANSWERS, DEVICE_FAULTY, DEVICE_SILENT
from agent.core.plan import Link
from agent.core.sample import Quality, Sample
from agent.journal import Trouble, spoken

_log = logging.getLogger(__name__)
_MISSES: Final = 3  # polls without a good value before a device that says nothing at all counts as silent
_GRACE: Final = 5.0
_PATIENCE: Final = 2.5  # polls: a single lost packet is no news
_SETTLE: Final = 600.0
_QUIET: Final = frozenset({"no_reply", "timeout", "no_answer", "link_down", "no_connection", "stale"})


class DeviceHealth(Struct, kw_only=True):
    """What is known of one device; stamps are boot-time seconds, 0: never.

    ``state`` is waiting (nothing heard yet), ok, silent (no reply) or faulty (replies, but no good values).
    ``every`` is its longest poll interval and ``soonest`` its shortest, 0 if it only tells changes;
    ``missed`` counts bad replies since the last good one.
    """

    name: str
    link: str
    points: tuple[str, ...]
    every: float
    soonest: float
    trouble: Trouble
    state: str = "waiting"
    since: float = 0.0
    good: float = 0.0
    bad: float = 0.0
    why: str = ""
    missed: int = 0


class LinkHealth(Struct, kw_only=True):
    """When one link last emitted, and how long it may at most stay quiet (0: any time)."""

    name: str
    emitted: float = 0.0
    good: float = 0.0
    allowance: float = 0.0
    devices: list[DeviceHealth] = field(default_factory=list)


class Health:
    """The gateway's memory of its devices."""

    def __init__(self) -> None:
        self.links: dict[str, LinkHealth] = {}
        self.newest: dict[str, Sample] = {}
        self._devices: dict[str, DeviceHealth] = {}

    @property
    def devices(self) -> Sequence[DeviceHealth]:
        """List the devices in the order of the plan."""
        return [device for link in self.links.values() for device in link.devices]

    def admit(self, link: Link, now: float) -> None:
        """Begin to watch the devices of *link*."""
        seen = LinkHealth(name=link.name, emitted=now)
        for name, points in _points_by_device(link).items():
            known = self._devices.get(name)
            kept = known.trouble if known else Trouble(_log, settle=_SETTLE, DEVICE=name, LINK=link.name)
            # what only tells changes says nothing of the rest, if the rest is polled
            polled = {point: every for point, every in points.items() if every > 0} or points
            device = DeviceHealth(
                name=name,
                link=link.name,
                points=tuple(polled),
                every=max(polled.values()),
                soonest=min(polled.values()),
                trouble=kept,
                since=now,
            )
            self._devices[name] = device
            seen.devices.append(device)
        intervals = [device.every for device in seen.devices]
        if intervals and min(intervals) > 0:
            seen.allowance = max(60.0, _MISSES * max(intervals) + 30.0)
        self.links[link.name] = seen

    def dismiss(self, link: str) -> None:
        """Forget the devices of *link*."""
        if (seen := self.links.pop(link, None)) is None:
            return
        for device in seen.devices:
            self._devices.pop(device.name, None)
            for point in device.points:
                self.newest.pop(point, None)

    def observe(self, link: str, samples: Iterable[Sample], now: float) -> None:
        """Look at what *link* emitted; called for every sample there is."""
        seen = self.links[link]
        seen.emitted = now
        newest = self.newest
        for sample in samples:
            newest[sample.point] = sample
            if sample.quality is not Quality.BAD:
                seen.good = now
            elif device := self._devices.get(sample.point.partition(".")[0]):
                if sample.at > device.bad:
                    device.bad = sample.at
                    device.missed += 1
                device.why = sample.why

    def tick(self, now: float, troubled: Container[str] = ()) -> None:
        """Judge every device; those of *troubled* links are not logged, because their link is."""
        for link in self.links.values():
            for device in link.devices:
                self._judge(device, now, quietly=link.name in troubled)

    def figures(self, device: DeviceHealth, now: float) -> dict[str, object]:
        """Give what ``citygate status`` shows of *device*."""
        bad = sum(
            1 for point in device.points if (one := self.newest.get(point)) and one.quality is Quality.BAD
        )
        return {
            "name": device.name,
            "state": device.state,
            "for_s": round(now - device.since, 1),
            "last_good_s": round(now - device.good, 1) if device.good else None,
            "why": device.why if device.state != "ok" else "",
            "every_s": device.every,
            "points": len(device.points),
            "points_bad": bad,
        }

    def _judge(self, device: DeviceHealth, now: float, *, quietly: bool) -> None:
        stamps = [
            (one.at, one.quality is not Quality.BAD)
            for point in device.points
            if (one := self.newest.get(point))
        ]
        device.good = max((at for at, good in stamps if good), default=device.good)
        state = _state(device, now, any_good=any(good for _, good in stamps))
        if state == "waiting":
            return
        turned = state != device.state
        if turned:
            device.state, device.since = state, now
        if state == "ok":
            self._tell_recovery(device, now)
            device.missed = 0 if device.good >= device.bad else device.missed
        elif not quietly and (turned or device.trouble.since is None):
            _tell_silence(device, now)

    def _tell_recovery(self, device: DeviceHealth, now: float) -> None:
        if (since := device.trouble.since) is not None:
            polls = f", {device.missed} polls missed" if device.missed > 1 else ""
            device.trouble.worked(now, DEVICE_ANSWERS, device.name, spoken(now - since), polls)


def _state(device: DeviceHealth, now: float, *, any_good: bool) -> str:
    quiet = now - max(device.good, device.since if device.state == "waiting" else 0.0)
    failing = device.bad > device.good and (not device.good or quiet > _PATIENCE * device.soonest)
    stale = device.every > 0 and quiet > _MISSES * device.every + _GRACE
    if failing and not (any_good and not device.soonest):
        return "faulty" if device.why and device.why not in _QUIET else "silent"
    if stale:
        return "silent"
    return "ok" if device.good else "waiting"


def _tell_silence(device: DeviceHealth, now: float) -> None:
    again = f"; next try within {spoken(device.soonest)}" if device.soonest else ""
    why = device.why.replace("_", " ") or "nothing heard"
    if device.state == "silent":
        device.trouble.failed(now, DEVICE_SILENT, device.name, why, device.link, again)
    else:
        device.trouble.failed(now, DEVICE_FAULTY, device.name, device.link, why, again)


def _points_by_device(link: Link) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for point in link.driver.points():
        found.setdefault(point.name.partition(".")[0], {})[point.name] = point.every
    return found
