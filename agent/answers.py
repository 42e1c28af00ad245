"""Answers the questions that come over the control socket, from what the running gateway knows.

It reads devices only through their running link, between two polls, so that a device sees one client; and
it never changes anything. What a probe may say is its driver's affair, and all that a driver can say is a
read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import fields

from agent.core.driver import Driver, Reading
from agent.core.errors import GatewayError
from agent.core.point import Point
from agent.core.sample import Quality, Sample
from agent.gateway import Gateway
from agent.release import release
from agent.trials import Tried
from agent.vitals import Physician, resident

_PATIENCE: Final = 15.0  # seconds that a link may take to read what was wished
_BEATS: Final = 60
_QUESTIONS: Final = ("status", "why", "read", "links", "metrics", "tally", "probe", "ping")
_FEW: Final = 12  # names in a sentence

Object = dict[str, Any]


class Answers:
    """What can be asked: all of ``_QUESTIONS``."""

    def __init__(self, gateway: Gateway, physician: Physician | None = None) -> None:
        self.lag: deque[float] = deque(maxlen=_BEATS)
        self.fault = ""
        self.loaded = gateway.clock.now().utc
        self._gateway = gateway
        self._began = gateway.clock.boot()
        self._physician = physician or Physician(Path())
        self._physician.lag = lambda: max(self.lag, default=0.0)

    async def __call__(self, wish: Object) -> Object:  # noqa: PLR0911 - one for each question
        """Answer one question; raise GatewayError with a sentence if that cannot be done."""
        match wish.get("ask"):
            case "ping":
                return {"pong": release()}
            case "status":
                return self.status()
            case "read":
                return {"readings": await self._read(_names(wish.get("points", [])))}
            case "links":
                return {"links": self._links()}
            case "why":
                return self._why(wish)
            case "tally":
                return self._tally(wish)
            case "metrics":
                return {"text": self.metrics(wish.get("form"))}
            case "probe":
                return dict(await self._probe(wish.get("link"), wish.get("question")))
        raise GatewayError(f"nobody knows this question; ask one of {', '.join(_QUESTIONS)}")

    def status(self) -> Object:
        """Give everything that ``citygate status`` shows; spans are in seconds."""
        gateway, now = self._gateway, self._gateway.clock.now()
        plan = gateway.plan
        assert plan is not None
        place = plan.place
        return {
            "software": release(),
            "state": gateway.state(),
            "sentence": gateway.sentence(),
            "place": f"{place.city}/{place.site}/{place.gateway}",
            "policy": plan.policy,
            "runs_s": round(now.boot - self._began, 1),
            "loaded": _text(self.loaded),
            "fault": self.fault,
            "warnings": list(plan.warnings),
            "clock": {
                "utc": _text(now.utc),
                "synced": now.synced,
                "waiting": not gateway.flow.open,
            },
            "lag_ms": round(1000 * max(self.lag, default=0.0), 1),
            "rss_mb": round(resident() / 1e6, 1),
            "bundle": _tried(self._physician.tried()),
            "hanging": gateway.watchdog.hanging(now.boot),
            "sandbox": _sandbox(),
            "links": [self._link(one.name, one.kind, now.boot) for one in plan.links],
            "products": self._products(now.boot),
            "recipients": [self._recipient(one.name, f"{one.host}:{one.port}") for one in plan.recipients],
            "outbox": {
                "lid": gateway.outbox.lid,
                "epoch": gateway.outbox.epoch,
                "cap": gateway.outbox.cap,
                "trouble": gateway.outbox.trouble,
            },
        }

    def metrics(self, form: object) -> str:
        """Give the same as metrics, in the *form* that somebody named."""
        from agent.metrics import form_of, text  # where nobody collects them, nobody holds them

        gateway = self._gateway
        assert gateway.plan is not None
        return text(
            self.status(), self._physician.around(gateway.plan, gateway.clock.boot()), form=form_of(form)
        )

    def _link(self, name: str, kind: str, now: float) -> Object:
        gateway = self._gateway
        seen = gateway.health.links.get(name)
        desk = gateway.desks.get(name)
        return {
            "name": name,
            "driver": kind,
            **self._life(f"link {name}", now),
            "figures": dict(desk.figures) if desk else {},
            "devices": [gateway.health.figures(one, now) for one in (seen.devices if seen else ())],
        }

    def _products(self, now: float) -> list[Object]:
        flow = self._gateway.flow
        return [
            {
                "name": work.product.id,
                "points": len(work.product.points),
                "records": work.records,
                "last_s": round(now - work.last, 1) if work.last else None,
                "withheld": None if (share := flow.withheld(work.product.id)) is None else round(share, 3),
            }
            for work in flow.works.values()
        ]

    def _recipient(self, name: str, broker: str) -> Object:
        gateway = self._gateway
        uplink, queue = gateway.uplinks.get(name), gateway.outbox.queue(name)
        return {
            "name": name,
            "broker": broker,
            "connected": bool(uplink and uplink.connected),
            **self._life(f"uplink {name}", gateway.clock.boot()),
            "routes": dict(uplink.words()) if uplink else {},
            "figures": dict(uplink.figures) if uplink else {},
            "queue": {"n": queue.n, "oldest": _text(queue.oldest), "bytes": queue.bytes, "cap": queue.cap},
        }

    def _life(self, service: str, now: float) -> Object:
        life = self._gateway.supervisor.lives.get(service)
        if life is None:
            return {"state": "stopped", "why": "", "runs": 0, "crashes": 0, "next_try_s": None}
        waiting = life.state == "waiting"
        return {
            "state": life.state,
            "why": life.why if waiting or life.trouble.since is not None else "",
            "runs": life.attempts,
            "crashes": life.crashes,
            "next_try_s": round(max(0.0, life.next_try - now), 1) if waiting else None,
        }

    async def _read(self, names: Sequence[str]) -> list[Object]:
        points, links = self._known_points()
        chosen = list(points) if not names else _expanded(names, points)
        wishes: dict[str, list[str]] = {}
        for name in chosen:
            wishes.setdefault(links[name], []).append(name)
        pending = {link: self._wish(link, tuple(wanted)) for link, wanted in wishes.items()}
        found = await _within_patience([answer for answer in pending.values() if answer is not None])
        now = self._gateway.clock.boot()
        return [_told(points[name], found.get(name) or self._remembered(name), now) for name in chosen]

    def _known_points(self) -> tuple[dict[str, Point], dict[str, str]]:
        plan = self._gateway.plan
        assert plan is not None
        points: dict[str, Point] = {}
        links: dict[str, str] = {}
        for link in plan.links:
            for point in link.driver.points():
                points[point.name], links[point.name] = point, link.name
        return points, links

    def _wish(self, link: str, points: tuple[str, ...]) -> asyncio.Future[Sequence[Reading]] | None:
        life, desk = self._gateway.life_of_link(link), self._gateway.desks.get(link)
        if life is None or desk is None or life.state != "running":
            return None  # nobody would answer before the next try
        try:
            return desk.wish(points)
        except asyncio.QueueFull:
            raise GatewayError(f"{link} has enough to read already; ask again in a moment") from None

    def _links(self) -> list[Object]:
        """Give the tables of the links as they run, for whoever must not open the same port again."""
        plan = self._gateway.plan
        assert plan is not None
        return [
            {
                "name": link.name,
                "probes": _answers_probes(link.driver),
                "settings": {"driver": link.kind, **_table(link.driver)},
            }
            for link in plan.links
        ]

    async def _probe(self, link: object, question: object) -> Mapping[str, Any]:
        if not isinstance(link, str) or not isinstance(question, dict):
            raise GatewayError('a probe has "link", the name of one, and "question", an object')
        life, desk = self._gateway.life_of_link(link), self._gateway.desks.get(link)
        if life is None or desk is None:
            from difflib import get_close_matches  # only somebody who made a mistake waits for it

            near = get_close_matches(link, self._gateway.desks, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise GatewayError(f'no link is called "{link}"{hint}')
        if life.state != "running":
            raise GatewayError(f"link {link} is not connected now ({life.why}); `citygate status` tells more")
        assert self._gateway.plan is not None
        if not any(one.name == link and _answers_probes(one.driver) for one in self._gateway.plan.links):
            raise GatewayError(f"the driver of link {link} answers no probes")
        try:
            async with asyncio.timeout(_PATIENCE):
                return await desk.probe(question)
        except asyncio.QueueFull:
            raise GatewayError(f"others look around on link {link} already; try again later") from None
        except TimeoutError:
            raise GatewayError(
                f"link {link} had no time for a probe within {_PATIENCE:g} s: its polls come first"
            ) from None

    def _why(self, wish: Object) -> Object:
        from agent.why.walk import why  # seldom asked: a running gateway need not hold it

        return why(self._gateway, _name(wish.get("name")), _name(wish.get("recipient", "")))

    def _tally(self, wish: Object) -> Object:
        """Open running totals of a link, or look at those that are open."""
        plan, now, name = self._gateway.plan, self._gateway.clock.now(), _name(wish.get("link"))
        assert plan is not None
        link = next((one for one in plan.links if one.name == name), None)
        if link is None:
            raise GatewayError(f'no link is called "{name}"')
        tallies = self._gateway.tallies()
        return tallies.look(name, now) if wish.get("look") else tallies.open(link, now)

    def _remembered(self, point: str) -> Reading:
        """Give the newest sample there is; its age tells that it was not read just now."""
        newest = self._gateway.health.newest.get(point)
        return Reading(newest or Sample(point, None, 0.0, Quality.BAD, "not_read"))


def _answers_probes(driver: Driver) -> bool:
    """Say whether *driver* answers probes; one of somebody else's need not have heard of them."""
    return bool(getattr(driver, "answers_probes", False))


def _names(given: object) -> list[str]:
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise GatewayError('"points" is a list of names')
    return given


def _name(given: object) -> str:
    if not isinstance(given, str):
        raise GatewayError('"name" and "recipient" are texts')
    return given


def _table(driver: Driver) -> Object:
    """Give the words and numbers of a link's table, defaults too: they tell what it holds."""
    assert isinstance(driver, Struct)
    return {
        key.name: value
        for key in fields(driver)
        if key.name != "name" and isinstance(value := getattr(driver, key.name), str | int) and value != ""
    }


def _expanded(names: Sequence[str], points: dict[str, Point]) -> list[str]:
    """Give the points that *names* mean: each is a point, or a device for all of its points."""
    chosen: dict[str, None] = {}
    for name in dict.fromkeys(names):
        matching = [name] if name in points else [one for one in points if one.startswith(f"{name}.")]
        if not matching:
            devices = list(dict.fromkeys(one.rpartition(".")[0] for one in points))
            from difflib import get_close_matches  # only somebody who made a mistake waits for it

            near = get_close_matches(name, [*devices, *points], n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(devices[:_FEW])}"
            raise GatewayError(f'no point, device or link is called "{name}"; {hint}')
        chosen.update(dict.fromkeys(matching))
    return list(chosen)


async def _within_patience(answers: Sequence[asyncio.Future[Sequence[Reading]]]) -> dict[str, Reading]:
    """Give what the links answer in time; all have the same time, or whoever asks would give up first."""
    if answers:
        await asyncio.wait(answers, timeout=_PATIENCE)
    found: dict[str, Reading] = {}
    for answer in answers:
        if not answer.done():
            answer.cancel()
        elif not answer.cancelled() and answer.exception() is None:
            found.update({one.sample.point: one for one in answer.result()})
    return found


def _told(point: Point, reading: Reading, now: float) -> Object:
    sample = reading.sample
    return {
        "point": point.name,
        "value": sample.value,
        "unit": point.unit,
        "quality": str(sample.quality),
        "why": sample.why,
        "age": round(max(0.0, now - sample.at), 3) if sample.at else None,
        "raw": reading.raw,
    }


def _text(utc: float | None) -> str | None:
    return None if utc is None else f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _tried(found: Tried | None) -> Object | None:
    """Tell how configurations from a distance ended."""
    if found is None:
        return None
    last = found.last
    ended = {"tried": last.number, "kept": last.kept, "why": last.why, "signer": last.signer} if last else {}
    at = {"at": _text(last.at)} if last else {}
    return {"number": found.number, "on_trial": found.on_trial, "trouble": found.trouble, **ended, **at}


def _sandbox() -> Object:
    """Say what confines this process, as the kernel sees it."""
    lines = Path("/proc/self/status").read_text("ascii", errors="replace").splitlines()
    said = {name: rest.strip() for name, _, rest in (one.partition(":") for one in lines)}
    return {
        "root": said.get("Uid", "0").split()[0] == "0",
        "calls_filtered": said.get("Seccomp") == "2",
        "no_new_privileges": said.get("NoNewPrivs") == "1",
        "capabilities": said.get("CapEff", "0").strip("0") != "",
    }
