"""Single questions of somebody who looks around on a BACnet network where the gateway already is.

The port of a network is one program's own, so the running link asks in the stead of a search. A probe
reads, or asks who is there; nothing else can be said in it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from agent.core.clock import Clock
from agent.core.driver import Desk
from agent.core.search import Held
from drivers.bacnet.peer import Peer
from drivers.bacnet.plain import decoded, encoded
from drivers.bacnet.stack import Counts, Heard, IAm, RefusedError, Route, SilentError, Stack, Subscription
from drivers.bacnet.value import Answer, Fault, ObjectId, Ref, Value

_MOST_REFS: Final = 200
_REMEMBERED: Final = 5000
_AWAKE: Final = 60.0
_REST: Final = 0.2
_LISTEN: Final = 0.2
_Instance = Annotated[int, Meta(ge=0, le=4194303)]
_Property = tuple[
    Annotated[int, Meta(ge=0, le=1023)],
    _Instance,
    Annotated[int, Meta(ge=0, le=4194303)],
    Annotated[int, Meta(ge=-1, le=65535)],
]
"""Type and number of an object, property, and index (-1: the whole)."""


class Probing(Struct, frozen=True, forbid_unknown_fields=True):
    """A probe as it comes; ``after`` is the number of the latest voice that was told already."""

    ask: Literal["read", "read-many", "who-is", "routers", "voices"]
    at: str = ""
    refs: Annotated[tuple[_Property, ...], Meta(max_length=_MOST_REFS)] = ()
    low: _Instance = 0
    high: _Instance = 4194303
    network: Annotated[int, Meta(ge=-1, le=65535)] = -1
    after: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        if self.ask == "read" and len(self.refs) != 1:
            raise ValueError("a read has one property")


async def serve(stack: Stack, desk: Desk, clock: Clock) -> None:
    """Answer probes until cancelled, one after the other and with rests between."""
    voices = _Voices(clock)
    end = stack.listen(voices.note)
    try:
        while True:
            probe = await desk.next_probe()
            begun = clock.boot()
            try:
                told = await _answered(stack, voices, probe.question)
            except (msgspec.ValidationError, ValueError) as error:
                probe.decline(f"this cannot be asked of a BACnet link: {error}")
                continue
            except asyncio.CancelledError:
                probe.decline("the link ended before it could ask")
                raise
            before = desk.figures.get("probes", 0)
            desk.figures["probes"] = 1 + (before if isinstance(before, int) else 0)
            if not probe.answer.done():
                probe.answer.set_result(told)
            await clock.sleep(min(_REST, clock.boot() - begun))
    finally:
        end()


class _Voices:
    """Who said something while somebody wants to know, each with a number."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        self._lately: deque[tuple[int, dict[str, Any]]] = deque(maxlen=_REMEMBERED)
        self._number = 0

    def note(self, heard: Heard) -> None:
        if self._clock.boot() > self._until:
            self._lately.clear()
            return
        match heard:
            case IAm():
                told = {"at": str(heard.peer), "instance": heard.instance, "apdu": heard.max_apdu}
                self._add(told | {"segments": heard.segments, "vendor": heard.vendor})
            case Route():
                self._add({"at": str(heard.router), "networks": list(heard.networks)})

    def after(self, number: int) -> dict[str, Any]:
        self._until = self._clock.boot() + _AWAKE
        return {"voices": [told for at, told in self._lately if at > number], "last": self._number}

    def _add(self, told: dict[str, Any]) -> None:
        self._number += 1
        self._lately.append((self._number, told))


async def _answered(stack: Stack, voices: _Voices, question: Mapping[str, Any]) -> dict[str, Any]:
    asked = msgspec.convert(dict(question), Probing)
    refs = [Ref(ObjectId(kind, number), known, index) for kind, number, known, index in asked.refs]
    try:
        match asked.ask:
            case "read":
                return {"value": encoded(await stack.read(Peer.parse(asked.at), refs[0]))}
            case "read-many":
                found = await stack.read_many(Peer.parse(asked.at), refs)
                return {"values": [encoded(one) for one in found]}
            case "who-is":
                at = Peer.parse(asked.at) if asked.at else Peer(max(0, asked.network), b"")
                await stack.who_is(asked.low, asked.high, at)
            case "routers":
                await stack.who_is_router(None if asked.network < 0 else asked.network)
            case "voices":
                return voices.after(asked.after)
    except RefusedError as error:
        return {"refused": encoded(error.fault)}
    except SilentError as error:
        return {"silent": str(error)}
    return {}


class Remote:
    """The stack of a link of the running gateway, to be asked like one of our own; one question at a time."""

    def __init__(self, held: Held, clock: Clock) -> None:
        self._held, self._clock = held, clock
        self._turn = asyncio.Lock()
        self._listeners: list[Callable[[Heard], None]] = []
        self._last = -1

    async def open(self) -> None:
        """Hear nothing of what was said before; raise GatewayError when the link cannot be asked."""
        self._last = (await self._ask({"ask": "voices"}))["last"]

    async def watch(self) -> None:
        """Tell what the link hears, until cancelled; raise GatewayError when it is gone."""
        while True:
            await self._clock.sleep(_LISTEN)
            told = await self._ask({"ask": "voices", "after": self._last})
            self._last = told["last"]
            for voice in told["voices"]:
                for hear in tuple(self._listeners):
                    hear(_heard(voice))

    async def read(self, peer: Peer, ref: Ref) -> Value:
        """Read one property; raise RefusedError or SilentError."""
        told = await self._ask({"ask": "read", "at": str(peer), "refs": [_asked(ref)]})
        value = decoded(told["value"])
        if isinstance(value, Fault):
            raise RefusedError(value)
        return value

    async def read_many(self, peer: Peer, refs: Sequence[Ref]) -> Sequence[Answer]:
        """Read many properties by one request; raise RefusedError or SilentError."""
        found: list[Answer] = []
        for at in range(0, len(refs), _MOST_REFS):
            some = [_asked(ref) for ref in refs[at : at + _MOST_REFS]]
            told = await self._ask({"ask": "read-many", "at": str(peer), "refs": some})
            found += [decoded(one) for one in told["values"]]
        return found

    async def who_is(self, low: int = 0, high: int = 4194303, at: Peer | None = None) -> None:
        """Ask who has an instance of *low* to *high*; raise SilentError if nobody can be asked."""
        where = {"at": str(at)} if at and at.mac else {"network": at.network if at else 0}
        await self._ask({"ask": "who-is", "low": low, "high": high, **where})

    async def who_is_router(self, network: int | None = None) -> None:
        """Ask for routers to *network*, or for all; raise SilentError if nobody can be asked."""
        await self._ask({"ask": "routers", "network": -1 if network is None else network})

    async def subscribe(self, peer: Peer, wish: Subscription) -> None:
        """Refuse: who looks around subscribes to nothing."""
        raise RefusedError(Fault("reject", 9))

    async def unsubscribe(self, peer: Peer, process: int, monitored: ObjectId) -> None:
        """Refuse: there is nothing to end."""
        raise RefusedError(Fault("reject", 9))

    def listen(self, hear: Callable[[Heard], None]) -> Callable[[], None]:
        """Call *hear* with all that is heard while `watch` runs; give what ends that."""
        self._listeners.append(hear)
        return lambda: self._listeners.remove(hear)

    def counts(self, peer: Peer) -> Counts:
        """Give nothing: the link counts."""
        del peer
        return Counts()

    async def close(self) -> None:
        """Leave the link as it is."""

    async def _ask(self, question: Mapping[str, Any]) -> Mapping[str, Any]:
        async with self._turn:
            told = await self._held.probe(question)
        if "silent" in told:
            raise SilentError(str(told["silent"]))
        if "refused" in told:
            fault = decoded(told["refused"])
            raise RefusedError(fault if isinstance(fault, Fault) else Fault("garbled"))
        return told


def _asked(ref: Ref) -> tuple[int, int, int, int]:
    return ref.object.type, ref.object.instance, ref.property, ref.index


def _heard(voice: Mapping[str, Any]) -> Heard:
    peer = Peer.parse(voice["at"])
    if "networks" in voice:
        return Route(peer, tuple(voice["networks"]))
    segments: bool = voice["segments"]
    return IAm(peer, voice["instance"], voice["apdu"], segments=segments, vendor=voice["vendor"])
