"""One gateway at work: the parts that a plan describes, kept in step with it.

``apply`` is the only way in for a plan, at the start as at a reload: what is equal is not touched. ``tick``
lets time pass once a second. ``hand_over`` ends everything in the order in which nothing gets lost.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from agent.backoff import LINK, UPLINK
from agent.core.catalogue.gateway import CLOCK_SET, CLOCK_SYNCHRONISED, RESTART_NEEDED
from agent.core.clock import Clock, Instant
from agent.core.driver import Desk
from agent.core.message import Cages, CanWitness, Encoding, Message, Tip
from agent.core.plan import Link, Plan, Recipient
from agent.core.product import Product, Route
from agent.core.sample import Emit, Sample
from agent.core.vitals import Vitals
from agent.flow import Flow
from agent.health import Health
from agent.intake import Intake
from agent.journal import spoken
from agent.notes import KeptNotes
from agent.outbox.outbox import Outbox
from agent.policy import chronicle
from agent.policy.notice import Notices
from agent.privacy.laplace import Below
from agent.registry import encoder
from agent.release import release
from agent.reload import Changes, differences
from agent.supervisor import Life, Supervisor
from agent.timewatch import TimeWatch
from agent.uplink.desk import Feed, UplinkDesk
from agent.watchdog import Watchdog

if TYPE_CHECKING:
    from agent.tallies import Tallies

_log = logging.getLogger(__name__)
_DRAIN: Final = 5.0  # seconds that brokers get at the end to take what is still live
_GLANCE: Final = 0.05
_COMMIT: Final = 120.0  # seconds for a commit: a worn card may stall for tens of them
_HANGING: Final = 15.0  # seconds that a bounced link gets before the watchdog is kept hungry


class Outlet(Protocol):
    """What the gateway needs of an uplink."""

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        ...

    @property
    def figures(self) -> Mapping[str, float | str]:
        """Figures for people."""
        ...

    def words(self) -> Mapping[str, str]:
        """Give each route's word."""
        ...

    def configure(
        self, products: Sequence[Product], routes: Sequence[Route], policy: str, lid: str, epoch: int
    ) -> None:
        """Take over a plan."""
        ...

    def witness(self) -> None:
        """Tell the head of the ledger anew, where it is this recipient's to know."""
        ...

    async def run(self) -> None:
        """Live for one connection."""
        ...


MakeOutlet = Callable[[Recipient, Encoding, Feed, UplinkDesk], Outlet]


class Gateway:
    """The parts, by name."""

    def __init__(  # noqa: PLR0913 - what it is made of, each by its name
        self,
        *,
        clock: Clock,
        outbox: Outbox,
        supervisor: Supervisor,
        watchdog: Watchdog,
        make_uplink: MakeOutlet,
        below: Below = secrets.randbelow,
        vitals: Callable[[Gateway], Vitals] = lambda _: Vitals(),
    ) -> None:
        self.clock = clock
        self._vitals = vitals
        self.outbox = outbox
        self.supervisor = supervisor
        self.watchdog = watchdog
        self.health = Health()
        self.flow = Flow(outbox, below)
        self.notes = KeptNotes(outbox)
        self.plan: Plan | None = None
        self.desks: dict[str, Desk] = {}
        self.uplinks: dict[str, Outlet] = {}
        self.stopping = False
        self._encodings: dict[str, Encoding] = {}
        self._intakes: dict[str, Intake] = {}
        self._tallies: Tallies | None = None
        self._notices = Notices()
        self._time: TimeWatch | None = None
        self._witnessed = 0
        self._make_uplink = make_uplink

    async def apply(self, plan: Plan) -> Changes:
        """Make *plan* the one that runs; restart exactly what differs from the plan before."""
        now, changes = self.clock.now(), differences(self.plan, plan)
        if self._time is None:
            self._time = TimeWatch(now, plan.clock.wait)
        self._part_from(changes, plan)
        await self._end(changes)
        for recipient in changes.recipients_begin:
            self._encodings[recipient.name] = encoder(recipient, plan.place)
        self.plan = plan
        self._note(chronicle.in_force(plan, self.outbox.mark, now.utc))
        if changes.sharing or changes.recipients_begin or changes.recipients_end:
            self.outbox.configure(plan, self._encodings)
        self.flow.configure(plan)
        self._notices.configure(plan)
        self._begin(changes, plan, now)
        for what in changes.later:
            RESTART_NEEDED.tell(_log, what)
        return changes

    def refuse(self, fault: str) -> None:
        """Note in the ledger that another configuration was refused, and why."""
        self._note(chronicle.refused(fault, self.outbox.mark, self.clock.now().utc))

    def tick(self, now: Instant) -> None:
        """Let time pass; called once a second."""
        assert self._time is not None
        news = self._time.look(now)
        if news.step:
            self._tell_step(news.step, now)
        if news.begin and not self.flow.open:
            self.flow.release(now)
        if news.synced:
            CLOCK_SYNCHRONISED.tell(_log)
            self.outbox.tell_time(now.offset)
        if self.flow.open:
            self.flow.tick(now)
        if self._tallies is not None:
            self._tallies.tick(now)
        self._look_after_links(now.boot)
        for name, uplink in self.uplinks.items():
            if uplink.connected:
                self.supervisor.healthy(f"uplink {name}")
        self._call_witnesses()
        since = self.outbox.hanging_since
        self.watchdog.beat("outbox", now.boot if since is None else since, _COMMIT)

    async def hand_over(self) -> None:
        """End in order: links, products, outbox, uplinks; what is live gets a few seconds to leave."""
        self.stopping = True
        await self.supervisor.stop(*(f"link {name}" for name in self.desks))
        # what is still held for the clock goes: nobody knows the hour that it would be handed over under
        self.flow.end(list(self.flow.works), stopping=True)
        await self.outbox.flush()
        until = self.clock.boot() + _DRAIN
        while self._still_leaving() and self.clock.boot() < until:
            await self.clock.sleep(_GLANCE)
        await self.supervisor.stop(*(f"uplink {name}" for name in self.uplinks))

    def sentence(self) -> str:
        """Tell in one line how the gateway does."""
        devices = self.health.devices
        well = sum(device.state == "ok" for device in devices)
        uplinks = [f"uplink {name} {_word(uplink)}" for name, uplink in self.uplinks.items()]
        queue = sum(self.outbox.queue(name).n for name in self.uplinks)
        held = "" if self.flow.open else "waiting for the clock; "
        disk = [f"the disk fails: {self.outbox.trouble}"] if self.outbox.trouble else []
        return held + "; ".join([f"polling {well}/{len(devices)} devices", *uplinks, f"queue {queue}", *disk])

    def state(self) -> str:
        """Give online, degraded or stopping."""
        if self.stopping:
            return "stopping"
        well = not self.outbox.trouble and all(device.state == "ok" for device in self.health.devices)
        return "online" if well else "degraded"

    def tallies(self) -> Tallies:
        """Give the running totals; they begin when somebody first counts beside a camera."""
        if self._tallies is None:
            from agent.tallies import Tallies

            self._tallies = Tallies(self.outbox)
        return self._tallies

    def life_of_link(self, name: str) -> Life | None:
        """Give how the service of link *name* does."""
        return self.supervisor.lives.get(f"link {name}")

    def _part_from(self, changes: Changes, plan: Plan) -> None:
        """Let recipients that are left for good hear that none of their routes goes on."""
        stay = {_whereabouts(one, plan) for one in plan.recipients}
        for one in self.plan.recipients if self.plan else ():
            if one.name in changes.recipients_end and _whereabouts(one, self.plan) not in stay:
                outbox = self.outbox
                self.uplinks[one.name].configure((), (), plan.policy, outbox.lid, outbox.epoch)

    async def _end(self, changes: Changes) -> None:
        await self.supervisor.stop(*(f"link {name}" for name in changes.links_end))
        for name in changes.links_end:
            self._intakes.pop(name).close()
            self.health.dismiss(name)
            self.watchdog.rest(f"link {name}")
            self.desks.pop(name, None)
        await self.supervisor.stop(*(f"uplink {name}" for name in changes.recipients_end))
        for name in changes.recipients_end:
            self.uplinks.pop(name, None)
            self._encodings.pop(name, None)
        # last, since nothing is waited for until the products that follow are begun: no sample falls between
        self.flow.end(changes.products_end)

    def _begin(self, changes: Changes, plan: Plan, now: Instant) -> None:
        self.flow.begin(changes.products_begin, now)
        if changes.sharing:
            for uplink in self.uplinks.values():
                uplink.configure(plan.products, plan.routes, plan.policy, self.outbox.lid, self.outbox.epoch)
        for recipient in changes.recipients_begin:
            self._begin_uplink(recipient, plan)
        for link in changes.links_begin:
            self._begin_link(link)

    def _begin_link(self, link: Link) -> None:
        desk = self.desks[link.name] = Desk(self.notes)
        desk.vitals = lambda: self._vitals(self)
        intake = Intake(link.name, (point.name for point in link.driver.points()))
        self._intakes[link.name] = intake
        emit = self._emit_for(link.name, intake)
        self.health.admit(link, self.clock.boot())
        self.supervisor.start(f"link {link.name}", lambda: link.driver.run(emit, self.clock, desk), LINK)

    def _begin_uplink(self, recipient: Recipient, plan: Plan) -> None:
        place, name = plan.place, recipient.name
        desk = UplinkDesk(
            clock=self.clock,
            state=self.state,
            queue=lambda: self.outbox.queue(name),
            software=release(),
            gateway=f"{place.city}-{place.site}-{place.gateway}",
            expired=self._expired,
            head=lambda: self._head(name),
            again=lambda: self.outbox.again(name),
            cages=self._cages,
            acl=lambda: self._notices.lines(name, self.clock.now().utc),
        )
        uplink = self._make_uplink(recipient, self._encodings[name], self.outbox.feed(name), desk)
        self.uplinks[name] = uplink
        uplink.configure(plan.products, plan.routes, plan.policy, self.outbox.lid, self.outbox.epoch)
        self.supervisor.start(f"uplink {name}", uplink.run, UPLINK)

    def _cages(self, product: Product) -> Cages:
        """Give what was proven of the cages behind the points of *product*, by link."""
        proven = [(name, desk.attested) for name, desk in self.desks.items() if desk.attested]
        if not proven:
            return ()
        links = {point.name.partition(".")[0] for point in product.points}
        return tuple((name, attested) for name, attested in proven if name in links)

    def _head(self, recipient: str) -> Message | None:
        """Give the signed head of the ledger, where the recipient's encoding can write it."""
        encoding, plan = self._encodings.get(recipient), self.plan
        if plan is None or not isinstance(encoding, CanWitness) or (key := self.outbox.key) is None:
            return None
        number, link = self.outbox.head
        at = self.clock.now().utc
        tip = Tip(lid=self.outbox.lid, id=number, hash=link, at=at, policy=plan.policy)
        return encoding.head(tip, key.public, key.sign)

    def _note(self, one: chronicle.Note | None) -> None:
        """Write a row about the policy into the ledger, if there is something new to say."""
        if one is not None:
            self.outbox.note(one.message, mark=one.mark, policy=one.policy)

    def _call_witnesses(self) -> None:
        """Have the head told once a row about the policy is safe on disk, and so part of it."""
        if self.outbox.noted != self._witnessed:
            self._witnessed = self.outbox.noted
            for uplink in self.uplinks.values():
                uplink.witness()

    def _expired(self) -> frozenset[str]:
        """Name the routes whose grants have ended."""
        routes, left = self.plan.routes if self.plan else (), self.flow.routes
        if len(left) == len(routes):  # as nearly always; each uplink asks each second
            return frozenset()
        return frozenset(route.id for route in routes) - {route.id for route in left}

    def _emit_for(self, link: str, intake: Intake) -> Emit:
        clock, flow, health = self.clock, self.flow, self.health

        def emit(samples: Iterable[Sample]) -> None:
            now = clock.now()
            batch = intake.accept(samples, now.boot)
            if intake.closed:
                return
            health.observe(link, batch, now.boot)
            if self._tallies is not None:
                self._tallies.observe(link, batch, now)
            flow.feed(batch, now)

        return emit

    def _look_after_links(self, now: float) -> None:
        troubled = {
            name
            for name in self.desks
            if (life := self.life_of_link(name)) and life.trouble.since is not None
        }
        self.health.tick(now, troubled)
        for name in self.desks:
            life, seen, service = self.life_of_link(name), self.health.links[name], f"link {name}"
            if life is None or life.state != "running":
                self.watchdog.rest(service)  # a back-off is an attempt to come
                continue
            if seen.good >= life.started:
                self.supervisor.healthy(service)
            if not seen.allowance:
                continue  # it only tells changes, and may have none to tell
            self.watchdog.beat(service, max(seen.emitted, life.started), seen.allowance + _HANGING)
            quiet = now - max(seen.emitted, life.started)
            if quiet > seen.allowance:
                self.supervisor.bounce(service, f"nothing came of it for {spoken(quiet)}")

    def _still_leaving(self) -> bool:
        return any(uplink.connected and self.outbox.queue(name).n for name, uplink in self.uplinks.items())

    def _tell_step(self, step: float, now: Instant) -> None:
        way = "forward" if step > 0 else "back"
        CLOCK_SET.tell(_log, way, spoken(abs(step)))
        if step < 0 and self.flow.open:
            self.flow.set_back(now)


def _whereabouts(recipient: Recipient, plan: Plan | None) -> object:
    """Give what decides which topics of which broker are this recipient's."""
    return (recipient.host, recipient.port, recipient.encoding, plan.place if plan else None)


def _word(uplink: Outlet) -> str:
    """Give ok, away, or what the broker says of the first route that it does not take."""
    if not uplink.connected:
        return "away"
    return next((word for word in uplink.words().values() if word != "ok"), "ok")
