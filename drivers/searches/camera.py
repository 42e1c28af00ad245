"""Looks for cameras that speak ONVIF, lists their streams with what each costs, and proposes one.

It only asks, one question at a time at each camera. A password goes only to cameras whose addresses a person
has written one by one, and never as it is.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from agent.core.search import Facts, Found, Missed, Progress, Search, Tell

if TYPE_CHECKING:
    from drivers.cameras.onvif.post import End
    from drivers.cameras.onvif.proposal import Proposal
    from drivers.cameras.onvif.soap import Who

_MOST: Final = 1024
_CREDENTIAL: Final = "credential:"


class Camera(Search):
    """Cameras that speak ONVIF: their streams, what each costs, and the table for the cheapest.

    For example:
      citygate scan camera                      everybody who answers on the network
      citygate scan camera 10.30.0.7 --user credential:square-user --password credential:square-password
      citygate scan camera 10.30.0.0/24 --out found.toml
    """

    targets: Annotated[
        tuple[str, ...],
        Meta(
            description="Address, address:port or subnet (10.30.0.0/24); none: whoever answers.",
            extra={"metavar": "TARGET"},
        ),
    ] = ()
    user: Annotated[
        str, Meta(description="User at the camera, as text or credential:NAME; for single addresses.")
    ] = ""
    password: Annotated[str, Meta(description="Always credential:NAME, never the password itself.")] = ""
    port: Annotated[int, Meta(description="TCP port where a target names none.", ge=1, le=65535)] = 80
    interface: Annotated[
        str, Meta(description="The gateway's own address in the cameras' network, to ask everybody there.")
    ] = ""
    model: Annotated[str, Meta(description="The model that is written into the table.")] = "nanodet-g"
    decode: Annotated[
        float,
        Meta(
            description="What a second of 640x480 at 25 pictures a second costs here, in ms of one core: "
            "`citygate model bench` with a clip measures it.",
            gt=0,
        ),
    ] = 18.0
    wait: Annotated[Duration, Meta(description="How long each answer may take.")] = Duration(5)
    knock: Annotated[
        Duration, Meta(description="How long each address of a subnet may take to open a connection.")
    ] = Duration(1)
    settle: Annotated[
        Duration, Meta(description="How long everybody may take to answer.", extra={"most": "60s"})
    ] = Duration(4)
    at_once: Annotated[int, Meta(description="How many cameras are asked at a time.", ge=1, le=32)] = 4

    async def search(self, facts: Facts, clock: Clock, tell: Tell) -> None:
        """Search; raise ConfigError when the words cannot be meant, DriverError when nobody can be asked."""
        from asyncio import TaskGroup  # here, because completion and help load this file too

        from drivers.cameras.onvif.proposal import Proposal

        who = self._who(facts)
        known = {str(one.settings.get("source", "")): one.name for one in await facts.held()}
        words = {"user": self.user, "password": self.password, "model": self.model}
        proposal = Proposal(known, {key: one for key, one in words.items() if one}, self.decode)
        waiting = await self._doors(who, clock, tell)
        of = len(waiting)
        left = sum(one.seconds(self) for one in waiting) / max(1, min(self.at_once, of))
        tell(Progress(done=0, of=of, what=f"{of} addresses" if of > 1 else "one address", seconds_left=left))

        async def work() -> None:
            while waiting:
                door = waiting.pop(0)
                for one in await door.looked_behind(self, clock, proposal):
                    tell(one)
                tell(Progress(done=of - len(waiting), of=of, what=str(door.end)))

        async with TaskGroup() as tasks:
            for _ in range(min(self.at_once, of)):
                tasks.create_task(work())

    def _who(self, facts: Facts) -> Who | None:
        """Give the user that was named; raise ConfigError."""
        from drivers.cameras.onvif.soap import Who

        if not self.user and not self.password:
            return None
        if not self.user or not self.password:
            raise ConfigError("--user and --password belong together")
        if not self.password.startswith(_CREDENTIAL):
            raise ConfigError(
                '--password: write "credential:NAME" and put the password into the file credentials/NAME:'
                " here others could read it"
            )
        return Who(facts.secret(self.user), facts.secret(self.password))

    async def _doors(self, who: Who | None, clock: Clock, tell: Tell) -> list[Door]:
        """Give every place to ask; the password goes to those alone that were named one by one."""
        from drivers.cameras.onvif.everybody import everybody
        from drivers.cameras.onvif.post import End

        if self.targets:
            found = [one for text in self.targets for one in self._meant(text)]
            return [
                Door(End(host, port), who if named else None, named) for host, port, named in _once(found)
            ]
        tell(Progress(done=0, what="everybody on the network", seconds_left=float(self.settle)))
        return [
            Door(end, None, named=True) for end in await everybody(self.interface, float(self.settle), clock)
        ]

    def _meant(self, text: str) -> list[tuple[str, int, bool]]:
        """Read a target: host, port, and whether a person named just this one."""
        try:
            if "/" in text:
                net = ip_network(text, strict=False)
                if net.num_addresses > _MOST:
                    raise ConfigError(
                        f"{text} has {net.num_addresses} addresses; search {_MOST} at a time (a /22)"
                    )
                return [
                    (str(one), self.port, False) for one in (net.hosts() if net.num_addresses > 1 else net)
                ]
            parts = urlsplit(f"//{text}" if text.count(":") < 2 or "]" in text else f"//[{text}]")
            return [(str(ip_address(parts.hostname or "")), parts.port or self.port, True)]
        except ValueError:
            raise ConfigError(
                f'"{text}" is no address in figures; write 10.30.0.7, 10.30.0.7:8080 or 10.30.0.0/24'
            ) from None


class Door(Struct, frozen=True):
    """A place where a camera may be, and who asks there; ``named``: its silence is worth a word."""

    end: End
    who: Who | None
    named: bool

    def seconds(self, words: Camera) -> float:
        """Give how long it may take at worst, if nobody is there."""
        return float(words.wait if self.named else words.knock)

    async def looked_behind(self, words: Camera, clock: Clock, proposal: Proposal) -> list[Found | Missed]:
        """Ask, and give what is told of it."""
        from drivers.cameras.onvif.asking import Camera as Asked
        from drivers.cameras.onvif.asking import RefusedError

        if not self.named and not await _opens(self.end, float(words.knock)):
            return []
        camera = Asked(self.end, self.who, clock, float(words.wait))
        try:
            return proposal.of(self.end, await camera.facts())
        except DriverError as error:
            is_camera = isinstance(error, RefusedError) or camera.off is not None
            return [Missed(address=str(self.end), why=str(error))] if self.named or is_camera else []


async def _opens(end: End, knock: float) -> bool:
    import asyncio

    try:
        async with asyncio.timeout(knock):
            _, writer = await asyncio.open_connection(end.host, end.port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def _once(found: list[tuple[str, int, bool]]) -> list[tuple[str, int, bool]]:
    """Leave out whom another word means too; who was named stays so."""
    named = {(host, port): is_named for host, port, is_named in sorted(found, key=lambda one: one[2])}
    return [
        (host, port, named[host, port]) for host, port in dict.fromkeys((one[0], one[1]) for one in found)
    ]
