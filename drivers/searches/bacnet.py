"""Looks for BACnet devices and what they have, on the network or in an EDE file.

Everybody is asked by ranges of instances, gently; what a device has is read in a few requests, one at a time.
Where the running gateway has the port, its link asks. Nothing is ever written to a device.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from msgspec import Meta

from agent.core.clock import Clock
from agent.core.duration import Duration
from agent.core.errors import ConfigError, DriverError
from agent.core.search import Facts, Held, Missed, Progress, Search, Tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drivers.bacnet.client import Client
    from drivers.bacnet.explore import Wish
    from drivers.bacnet.facts import DeviceFacts
    from drivers.bacnet.peer import Peer
    from drivers.bacnet.probe import Remote

_PORT: Final = 47808
_HIGHEST: Final = 4_194_302
_MOST_ADDRESSES: Final = 1024


class Bacnet(Search):
    """BACnet devices on a network, or those of an EDE file.

    For example:
      citygate scan bacnet --interface eth0
      citygate scan bacnet --interface 10.20.0.2/24 --instances 1000-1999 --points '*temp*,*co2*'
      citygate scan bacnet 10.20.0.15 2001:12 --interface eth0 --out found.toml
      citygate scan bacnet --ede Library_EDE.csv --interface eth0 --points '*temp*'
    """

    targets: Annotated[
        tuple[str, ...],
        Meta(
            description="Address, address:port, subnet, or network:address behind a router; none: everybody.",
            extra={"metavar": "TARGET"},
        ),
    ] = ()
    interface: Annotated[
        str, Meta(description="Network card, or own address with its prefix: eth0, 10.20.0.2/24.")
    ] = ""
    port: Annotated[int, Meta(description="Own UDP port; 0: any free one.", ge=0, le=65535)] = _PORT
    bbmd: Annotated[
        str, Meta(description="Broadcast manager of another subnet, by which its devices are asked.")
    ] = ""
    instances: Annotated[str, Meta(description="Only devices with these instances: 1011, or 1000-1999.")] = ""
    points: Annotated[
        str,
        Meta(description="Patterns for names of objects, with commas: *temp*,!*setpoint* (without those)."),
    ] = "*"
    events: Annotated[
        bool, Meta(description="A point with the event state too, where an object watches itself.")
    ] = False
    settle: Annotated[
        Duration, Meta(description="How long devices may take to say who they are.", extra={"most": "60s"})
    ] = Duration(2)
    at_once: Annotated[int, Meta(description="How many devices are asked at a time.", ge=1, le=32)] = 4
    ede: Annotated[str, Meta(description="Read this EDE file instead of asking the network.")] = ""
    write_ede: Annotated[
        str, Meta(description="Write all objects as EDE files too: NAME_EDE.csv and its companions.")
    ] = ""

    async def search(self, facts: Facts, clock: Clock, tell: Tell) -> None:
        """Search; raise ConfigError when the words cannot be meant, GatewayError when nobody can be asked."""
        from drivers.bacnet import ede_files

        if self.write_ede:
            ede_files.places(Path(self.write_ede))  # not found out after an hour
        if self.ede:
            devices = _from_file(Path(self.ede), self._wish(None), tell)
            self._keep(devices, clock)
        else:
            await self._ask(await self._holder(facts), clock, tell)

    async def _ask(self, held: Held | None, clock: Clock, tell: Tell) -> None:
        from asyncio import TaskGroup  # here, because completion and help load this file too

        from drivers.bacnet.explore import Explorer
        from drivers.bacnet.stack import SilentError

        wish = self._wish(held)
        if not wish.peers and not self.port and not self.bbmd:
            raise ConfigError("with --port 0 nobody hears broadcasts: name addresses, or a --bbmd")
        async with self._stack(held, clock) as stack:
            explorer = Explorer(stack, wish, clock, tell)
            try:
                async with TaskGroup() as tasks:
                    watching = tasks.create_task(stack.watch())
                    await explorer.run()
                    watching.cancel()
            except ExceptionGroup as group:
                error = _first(group)
                if isinstance(error, SilentError):
                    raise DriverError(f"nobody can be asked: {error}") from error
                raise error from None
            finally:
                self._keep(explorer.devices, clock)  # also when somebody interrupts it

    def _keep(self, devices: Iterable[DeviceFacts], clock: Clock) -> None:
        from drivers.bacnet import ede_files

        listed = sorted(devices, key=lambda one: (one.instance, one.address))
        if self.write_ede and listed:
            day = datetime.fromtimestamp(clock.now().utc, UTC).strftime("%Y-%m-%d")
            ede_files.write(Path(self.write_ede), listed, changed=day)

    def _wish(self, held: Held | None) -> Wish:
        from drivers.bacnet.explore import Wish

        low, high = _span(self.instances)
        if self.ede and self.targets:
            raise ConfigError("with --ede no address is asked: leave the addresses out, or the file")
        interface = str(held.settings["interface"]) if held else _interface(self.interface)
        link: dict[str, Any] = {"driver": "bacnet-ip", "interface": interface}
        if self.port != _PORT:
            link["port"] = self.port
        if self.bbmd:
            link["bbmd"] = self.bbmd
        return Wish(
            low=low,
            high=high,
            link=link,
            on=held.name if held else "",
            peers=[peer for target in self.targets for peer in _peers(target)],
            patterns=[one for one in re.split(r"\s*,\s*", self.points.strip()) if one],
            events=self.events,
            everything=bool(self.write_ede),
            settle=float(self.settle),
            at_once=self.at_once,
        )

    async def _holder(self, facts: Facts) -> Held | None:
        """Give the link of the running gateway that has the port: it asks in our stead."""
        from drivers.bacnet.interface import find

        held = [one for one in await facts.held() if one.settings.get("driver") == "bacnet-ip"]
        same = [one for one in held if self.port and one.settings.get("port", _PORT) == self.port]
        if not self.interface:
            return same[0] if len(same) == 1 else None
        host = find(_interface(self.interface)).host
        return next((one for one in same if find(str(one.settings["interface"])).host == host), None)

    @asynccontextmanager
    async def _stack(self, held: Held | None, clock: Clock) -> AsyncIterator[Client | Remote]:
        """Open a presence on the network: our own, or that of the running gateway."""
        from drivers.bacnet.client import Client, Pace
        from drivers.bacnet.endpoint import Place
        from drivers.bacnet.identity import own_device
        from drivers.bacnet.interface import find
        from drivers.bacnet.peer import Peer
        from drivers.bacnet.probe import Remote

        stack: Client | Remote
        if held is not None:
            stack = Remote(held, clock)
        else:
            bbmd = Peer.parse(self.bbmd) if self.bbmd else None
            place = Place(interface=find(_interface(self.interface)), port=self.port, bbmd=bbmd)
            stack = Client(place, own_device(None, "scan", 1.0), Pace(), clock)
        await stack.open()
        try:
            yield stack
        finally:
            await stack.close()


def _from_file(file: Path, wish: Wish, tell: Tell) -> list[DeviceFacts]:
    """Tell what an EDE file holds; give its devices."""
    from drivers.bacnet import ede_files
    from drivers.bacnet.explore import found_of

    tell(Progress(done=0, of=0, what=str(file)))
    ede = ede_files.read(file)
    for fault in ede.faults:
        place, _, why = fault.partition(": ")
        tell(Missed(address=place, why=why))
    chosen = [one for one in ede.devices if wish.low <= one.instance <= wish.high]
    for done, device in enumerate(chosen, 1):
        tell(found_of(device, wish))
        tell(Progress(done=done, of=len(chosen), what=f"device {device.instance}"))
    return chosen


def _span(text: str) -> tuple[int, int]:
    """Read ``1011``, ``1000-1999`` or nothing; raise ConfigError."""
    if not text:
        return 0, _HIGHEST
    found = re.fullmatch(r"(\d{1,7})(?:\s*-\s*(\d{1,7}))?", text.strip())
    low, high = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if not low <= high <= _HIGHEST:
        raise ConfigError(
            f'--instances "{text}": write one instance or a range, such as 1000-1999, up to {_HIGHEST}'
        )
    return low, high


def _peers(target: str) -> list[Peer]:
    """Give the addresses that *target* stands for; raise ConfigError."""
    from drivers.bacnet.peer import Peer

    try:
        if "/" not in target:
            return [Peer.parse(target)]
        net = IPv4Network(target, strict=False)
    except ValueError as error:
        raise ConfigError(f'"{target}": {error}') from None
    if net.num_addresses > _MOST_ADDRESSES:
        raise ConfigError(
            f"{target} has {net.num_addresses} addresses; search {_MOST_ADDRESSES} at a time (a /22)"
        )
    return [Peer.parse(str(one)) for one in net.hosts()]


def _interface(text: str) -> str:
    """Check the interface, or choose the only one that there is; raise ConfigError."""
    from drivers.bacnet import interface

    if not text:
        return interface.only()
    try:
        interface.check(text)
    except ValueError as error:
        raise ConfigError(f"--interface: {error}") from None
    return text


def _first(group: BaseExceptionGroup[Exception]) -> Exception:
    """Give what went wrong first."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
