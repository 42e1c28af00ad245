"""The uplink: one recipient's broker, kept informed and fed from the outbox.

``run`` connects and ends with UplinkError when that is lost; the supervisor calls it again. What the broker
thinks of each route outlives the connection and stays here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from agent.core.catalogue.uplinks import (
    BLIND_TO_REFUSALS,
    OWN_REFUSED,
    PAIR_RENEWED,
    TAKEN_OVER,
    UPLINK_CONNECTED,
)
from agent.core.command import CanObey
from agent.core.errors import ConfigError, UplinkError
from agent.core.message import Cages, CanBury, CanTalk, Encoding, Head, Message, Status, Talk
from agent.core.plan import Recipient
from agent.core.product import Product, Route
from agent.uplink import reasons
from agent.uplink.access import Access
from agent.uplink.call import call_of
from agent.uplink.desk import Feed, UplinkDesk
from agent.uplink.flow import Flow
from agent.uplink.identity import Identity, IdentityRenewedError
from agent.uplink.port import Call, Link, TwoWay
from agent.uplink.route_log import tell_route
from agent.uplink.routes import Routes
from agent.uplink.session import Session, Setup, Tally
from agent.uplink.sizes import Sizes

if TYPE_CHECKING:
    from agent.uplink.commands import Commands
    from agent.uplink.hearing import Ear

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

_log = logging.getLogger(__name__)


class Uplink:
    """One recipient's connection and what is known of its routes."""

    def __init__(self, recipient: Recipient, encoding: Encoding, feed: Feed, desk: UplinkDesk) -> None:
        self._recipient = recipient
        self._encoding = encoding
        self._feed = feed
        self._desk = desk
        self._timing = desk.timing
        self._routes = Routes(self._timing)
        self._tally = Tally()
        self._connects = self._calls = 0
        self._session: Session | None = None
        self._stopped = ""
        self._resumed = asyncio.Event()
        self._plan: tuple[tuple[Product, ...], tuple[Route, ...]] = ((), ())
        self._policy = self._lid = ""
        self._epoch = 0
        if recipient.mqtt != "5":
            BLIND_TO_REFUSALS.tell(_log, recipient.name, RECIPIENT=recipient.name)
        self._told: object = None
        self._tell_at = self._births_at = self._head_at = 0.0
        self._access = Access(recipient.name, encoding, desk)
        self._ear: Ear | None = None
        self._cages: list[Cages] = []
        self._identity: Identity | None = None
        self._look_at = inf
        self._complained: dict[str, int] = {}
        self._sizes = Sizes()
        self._born: set[str] = set()  # topics that hold a birth of ours at the broker
        self._living: set[str] = set()  # products whose birth was told on this connection, and no death
        self._commands = self._obedience()

    def configure(
        self, products: Sequence[Product], routes: Sequence[Route], policy: str, lid: str, epoch: int
    ) -> None:
        """Take over a plan, at start and at each reload; births and status are told again."""
        mine = tuple(route for route in routes if route.recipient == self._recipient.name)
        self._plan = (tuple(products), mine)
        self._policy, self._lid, self._epoch = policy, lid, epoch
        self._routes.configure(route.id for route in mine)
        if self._commands is not None:
            self._commands.configure([route.product for route in mine], lid)
        self._tell_refused()
        self._told, self._births_at, self._head_at = None, 0.0, 0.0
        self._stopped = ""
        self._sizes.forget()
        self._resumed.set()
        if self._session is not None:
            self._session.stir()

    def witness(self) -> None:
        """Tell the head of the ledger anew, where it is this recipient's to know."""
        self._head_at = 0.0
        if self._session is not None:
            self._session.stir()

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return self._session is not None

    @property
    def figures(self) -> dict[str, float | str]:
        """What ``citygate status`` shows of this uplink."""
        tally = self._tally
        shown: dict[str, float | str] = {
            "broker": f"{self._recipient.host}:{self._recipient.port}",
            "connections": self._connects,
            "sent": tally.sent,
            "accepted": tally.accepted,
            "refused": tally.refused,
            "late": tally.late,
            "unanswered": self._session.flying if self._session else 0,
            "rtt_ms": tally.rtt_ms,
        }
        if self._commands is not None:
            shown |= self._commands.figures
        if self._stopped:
            shown["stopped"] = self._stopped
        if self._recipient.mqtt != "5":
            shown["warning"] = "MQTT 3.1.1: refusals are invisible"
        return shown

    def words(self) -> dict[str, str]:
        """Give each route's word: ok, held, refused:0xNN or expired."""
        return dict(self._routes.words(self._desk.expired()))

    async def run(self) -> None:
        """Connect, send until the connection is lost, then raise UplinkError; when cancelled, say goodbye."""
        while True:
            try:
                await self._connection()
            except IdentityRenewedError:
                PAIR_RENEWED.tell(_log, self._recipient.name, RECIPIENT=self._recipient.name)

    async def _connection(self) -> None:
        await self._wait_for_a_person()
        if self._connects == 0 and self._recipient.host not in _LOOPBACK:
            await self._desk.clock.sleep(self._desk.chance() * self._timing.crowd)
        encoding, clock = self._encoding, self._desk.clock
        talk = encoding.talk(self._calls, lambda: clock.now().utc) if isinstance(encoding, CanTalk) else None
        self._calls += 1
        will = talk.will if talk else encoding.will(self._lid, self._epoch)
        try:
            call = call_of(self._recipient, self._desk.gateway, self._timing.connect, will)
        except ConfigError as error:  # a credential may still be put in place
            raise UplinkError(f"{self._recipient.name}: {error}") from error
        link = await self._access.connect(self._identified(call))
        self._ear = None
        if talk is None and self._commands is not None:
            await self._commands.open(link)
        await self._live(link if talk is None else await self._heard(link, talk), will)

    async def _heard(self, link: TwoWay, talk: Talk) -> Link:
        """Let the platform be heard, and *talk* have the last word on whatever we say."""
        # imported here, since few platforms talk
        from agent.uplink.hearing import Ear
        from agent.uplink.spoken import Spoken

        self._ear = Ear(talk, self._reborn, self._changed_place)
        try:
            await self._ear.open(link)
        except BaseException:
            link.abort()  # the broker says our will, which names a birth that never was: hosts know that
            raise
        return Spoken(link, talk)

    def _reborn(self) -> None:
        """Tell the births anew: somebody has missed them."""
        self._births_at = 0.0
        self._changed_place()

    def _changed_place(self) -> None:
        if self._session is not None:
            self._session.stir()

    def _identified(self, call: Call) -> Call:
        """Say what is shown and believed in TLS: files that may be renewed at any time."""
        if not call.tls:
            return call
        files = (call.ca, call.certificate, call.key)
        if self._identity is None or self._identity.files != files:
            self._identity = Identity(self._recipient.name, files, call.alpn)
        self._look_at = self._desk.clock.boot() + self._timing.identity
        return replace(call, identity=self._identity)

    async def _live(self, link: Link, will: Message) -> None:
        now = self._desk.clock.boot()
        flow = Flow(self._recipient.rate, link.info.receive_maximum, now)
        session = Session(link, self._feed, self._routes, flow=flow, setup=self._setup())
        self._session, self._connects = session, self._connects + 1
        self._routes.connected(now)
        self._sizes.welcomed(link.info)
        self._feed.bound(self._sizes.most)
        self._told, self._births_at, self._head_at = None, 0.0, 0.0
        self._living = set()
        self._feed.online(True)
        UPLINK_CONNECTED.tell(_log, self._recipient.name, self._where, RECIPIENT=self._recipient.name)
        try:
            await session.run()
        except IdentityRenewedError:
            await session.farewell(())
            raise
        except asyncio.CancelledError:
            await session.farewell([*self._deaths(), *self._head(), self._status("stopping"), will])
            raise
        finally:
            self._session = None
            session.end()
            self._feed.online(False)
            self._stop_if_taken_over(link)

    @property
    def _where(self) -> str:
        return f"{self._recipient.host}:{self._recipient.port}"

    def _setup(self) -> Setup:
        return Setup(
            now=self._desk.clock.now,
            timing=self._timing,
            tally=self._tally,
            hold=self._recipient.on_no_subscriber == "hold",
            where=self._where,
            epoch=lambda: self._epoch,
            news=self._news,
            next_news=lambda: min(
                self._tell_at, self._births_at, self._head_at, self._access.renew_at, self._look_at
            ),
            changed=self._changed,
            own_answered=self._own_answered,
            too_large=self._too_large,
            replays=self._commands.replays if self._commands is not None else None,
        )

    def _obedience(self) -> Commands | None:
        """Listen to commands where the city allows it; None: to nothing."""
        desk, encoding = self._desk, self._encoding
        if not self._recipient.commands or desk.again is None or not isinstance(encoding, CanObey):
            return None
        from agent.uplink.commands import Commands  # with replays: few recipients may ask for anything

        return Commands(
            self._recipient, encoding, desk.again(), desk.clock.now, rebirth=self._reborn,
            stir=self._changed_place,
        )  # fmt: skip

    # -- what we say of ourselves

    def _news(self, now: float) -> list[Message]:
        """Give births when they are due, the status on change and once a minute, the head once an hour.

        Births are due anew when something else is proven of the cages behind their pictures.
        """
        if self._ear is not None and self._ear.is_alone:
            raise UplinkError(f"{self._where}: the host that must be there has gone; everything waits here")
        if now >= self._access.renew_at:
            raise UplinkError(f"{self._where}: the access token ends soon; we connect with a new one")
        if self._identity is not None and now >= self._look_at:
            self._look_at = now + self._timing.identity
            if self._identity.renewed():
                raise IdentityRenewedError(f"{self._where}: the certificate files have changed")
        said: list[Message] = []
        if (cages := [self._desk.cages(one) for one in self._plan[0]]) != self._cages:
            self._cages, self._births_at = cages, 0.0
        said.extend(self._mourning())
        if now >= self._births_at:
            births = self._births()
            said.extend([*self._deaths(), *births])
            # where nothing is retained, who comes later hears of it within a day
            is_kept = all(one.retain for one in births)
            self._births_at = inf if is_kept else now + self._timing.birth
        if now >= self._head_at:
            said.extend(self._head())
            self._head_at = now + self._timing.head
        words = self.words()
        told = (self._state(words), tuple(words.items()), self._policy, self._clock_word(), self._desk.acl())
        if now >= self._tell_at or told != self._told:  # figures alone can wait for their minute
            self._told, self._tell_at = told, now + self._timing.status
            said.append(self._status(told[0]))
        return said

    def _head(self) -> list[Message]:
        """Give the head of the ledger, to a witness alone: its number tells how much leaves here in all."""
        found = self._desk.head() if self._recipient.witness else None
        return [found] if found is not None else []

    def _births(self) -> list[Message]:
        products, routes = self._plan
        known = {product.id: product for product in products}
        boot, most = self._desk.clock.boot_id, self._sizes.most
        head = Head(epoch=self._epoch, seq=0, policy=self._policy, boot_id=boot, most=most)
        said: list[Message] = []
        for route in routes:
            if isinstance(self._encoding, CanBury) and route.product not in self._living:
                continue  # its grant has ended: it is dead
            product = known[route.product]
            proven = replace(head, cages=self._desk.cages(product))
            said.extend(self._encoding.birth(product, route, proven, self._lid))
        self._born.update(one.topic for one in said if one.retain)
        return said

    def _mourning(self) -> list[Message]:
        """Tell the death of what leaves no more, where the platform shows that; births tell of a return."""
        if not isinstance(self._encoding, CanBury):
            return []
        ended = self._desk.expired()
        living = {route.product for route in self._plan[1] if route.id not in ended}
        gone, came, self._living = self._living - living, living - self._living, living
        if came:
            self._births_at = 0.0
        return [self._encoding.death(one) for one in sorted(gone)]

    def _deaths(self) -> list[Message]:
        """Take back the births of routes that are gone: an empty retained message (MQTT 5, 3.3.1.3)."""
        gone = self._born - {one.topic for one in self._births()}
        return [Message(topic=topic, body=b"", kind="birth", retain=True) for topic in sorted(gone)]

    def _status(self, state: str) -> Message:
        status = Status(
            state=state,
            lid=self._lid,
            epoch=self._epoch,
            policy=self._policy,
            queue=self._desk.queue(),
            routes=tuple(self.words().items()),
            clock=self._clock_word(),
            software=self._desk.software,
            acl=self._desk.acl(),
        )
        return self._encoding.status(status)

    def _state(self, words: Mapping[str, str]) -> str:
        state = self._desk.state()
        in_trouble = any(word.startswith("refused") for word in words.values())
        return "degraded" if state == "online" and in_trouble else state

    def _clock_word(self) -> str:
        return "ntp" if self._desk.clock.now().synced else "unsynced"

    # -- what goes wrong

    def _changed(self, route: str, reason: int) -> None:
        """Log a route's new word, once, and tell the outbox."""
        self._tell_refused()
        tell_route(route, self._routes.word(route), self._where, reason)

    def _tell_refused(self) -> None:
        words = self._routes.words().items()
        self._feed.refused = frozenset(name for name, word in words if word.startswith("refused"))

    def _own_answered(self, message: Message, reason: int) -> None:
        """Log once that birth or status is refused, and try again with the probes."""
        topic = message.topic
        if reason < 0x80:
            self._complained.pop(topic, None)
            if not message.body:
                self._born.discard(topic)
            return
        self._births_at = min(self._births_at, self._desk.clock.boot() + self._timing.probe)
        if reason == reasons.TOO_LARGE:
            self._too_large(len(message.body))
        if self._complained.get(topic) != reason:
            self._complained[topic] = reason
            name, why = self._recipient.name, reasons.meaning(reason)
            OWN_REFUSED.tell(_log, name, self._where, topic, why, RECIPIENT=name, REASON=f"0x{reason:02x}")

    def _too_large(self, size: int) -> None:
        """Make what comes from now on smaller, and the births too."""
        if self._sizes.refused(size):
            self._feed.bound(self._sizes.most)
            self._births_at = 0.0

    def _stop_if_taken_over(self, link: Link) -> None:
        if link.closed.done() and link.closed.result().reason == reasons.TAKEN_OVER:
            self._stopped = (
                f"another client uses our client id at {self._where}: two gateways with one name? "
                "Correct one of them, then reload"
            )
            TAKEN_OVER.tell(_log, self._recipient.name, self._stopped, RECIPIENT=self._recipient.name)

    async def _wait_for_a_person(self) -> None:
        """Stay away after a twin took over: connecting again would throw it out, and it us."""
        if self._stopped:
            self._resumed.clear()
            await self._resumed.wait()
