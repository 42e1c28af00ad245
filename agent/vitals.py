"""Looks at the running gateway and its computer, and gives what both are doing as numbers.

Files of the kernel and certificates are read at most once a minute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from agent.core import host
from agent.core.certificate import validity
from agent.core.errors import ConfigError
from agent.core.plan import Plan
from agent.core.secrets import secret_file
from agent.core.vitals import Vitals
from agent.gateway import Gateway
from agent.reach import dated
from agent.trials import Tried, tried

_STALE: Final = 60.0
_DAY: Final = 86400.0


class Surroundings(Struct, frozen=True, kw_only=True):
    """What does not change from second to second.

    ``ends`` are certificates: of a "link" or "recipient", its name, their role, their last UTC second.
    """

    ends: tuple[tuple[str, str, str, float], ...] = ()
    free: float | None = None
    wear: float | None = None
    temperature: float | None = None
    undervoltage: bool | None = None


Look = Callable[[Plan, Path], Surroundings]


class Physician:
    """Keeps the last look for a minute; *look* is where it comes from."""

    def __init__(self, state: Path, look: Look | None = None, *, folder: Path | None = None) -> None:
        self.lag: Callable[[], float] = lambda: 0.0
        self._state = state
        self._folder = folder
        self._look = look or surroundings
        self._seen = Surroundings()
        self._at: float | None = None

    def around(self, plan: Plan, now: float) -> Surroundings:
        """Give the surroundings at boot time *now*."""
        if self._at is None or now - self._at >= _STALE:
            self._seen, self._at = self._look(plan, self._state), now
        return self._seen

    def tried(self) -> Tried | None:
        """Give how configurations from a distance ended; None: none has come."""
        return tried(self._folder) if self._folder is not None else None

    def vitals(self, gateway: Gateway) -> Vitals:
        """Give one look at *gateway*."""
        assert gateway.plan is not None
        now = gateway.clock.now()
        around = self.around(gateway.plan, now.boot)
        devices = gateway.health.devices
        queues = [gateway.outbox.queue(name) for name in gateway.uplinks]
        oldest = min((one.oldest for one in queues if one.oldest is not None), default=None)
        words = [word for one in gateway.uplinks.values() for word in one.words().values()]
        lives = [life for name in gateway.desks if (life := gateway.life_of_link(name)) is not None]
        bundle = self.tried() or Tried()
        ages = [now.boot - one.good for one in devices if one.good]
        return Vitals(
            links=len(gateway.desks),
            links_up=sum(life.state == "running" for life in lives),
            devices=len(devices),
            devices_ok=sum(one.state == "ok" for one in devices),
            oldest_good=max(ages, default=None),
            recipients=len(gateway.uplinks),
            recipients_up=sum(one.connected for one in gateway.uplinks.values()),
            routes_refused=sum(word == "held" or word.startswith("refused") for word in words),
            backlog=sum(one.n for one in queues),
            backlog_age=max(0.0, now.utc - oldest) if oldest is not None else 0.0,
            clock_synced=now.synced,
            certificate_days=min(((end - now.utc) / _DAY for *_, end in around.ends), default=None),
            disk_free=around.free,
            disk_trouble=bool(gateway.outbox.trouble),
            card_wear=around.wear,
            temperature=around.temperature,
            undervoltage=around.undervoltage,
            memory=resident(),
            lag=self.lag(),
            starts=gateway.outbox.epoch,
            bundle=bundle.number,
            bundle_tried=bundle.last.number if bundle.last else None,
            bundle_taken_back=None if bundle.last is None else not bundle.last.kept,
        )


def surroundings(plan: Plan, state: Path) -> Surroundings:
    """Look at the files of the kernel and at certificates."""
    place = Path(plan.outbox.path) if plan.outbox.path else state
    return Surroundings(
        ends=tuple(_ends(plan)),
        free=_free(place),
        wear=host.card_wear(),
        temperature=host.temperature(),
        undervoltage=host.undervoltage(),
    )


def resident() -> float:
    """Give the bytes of memory that this process holds."""
    return int(host.text(host.ROOT / "proc/self/statm").split()[1]) * 4096.0


def _free(place: Path) -> float | None:
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    return float(found.f_bavail * found.f_frsize)


def _ends(plan: Plan) -> Iterator[tuple[str, str, str, float]]:
    for one in dated(plan):
        if (end := _end(one.reference)) is not None:
            yield one.whose, one.name, one.role.partition(" ")[0], end


def _end(reference: str) -> float | None:
    """Give when the certificate ends; one that cannot be read is for who uses it to complain of."""
    try:
        span = validity(secret_file(reference))
    except (ConfigError, OSError):
        return None
    return span[1] if span is not None else None
