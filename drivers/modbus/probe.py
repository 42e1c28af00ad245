"""Single requests of somebody who looks around on a link that runs already, and the way they come.

The link asks them between two polls: polls come first, and after each probe the line is left alone for as
long again. A probe is one read or one identification, nothing else can be said in it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

import msgspec
from msgspec import Meta, Struct

from agent.core.clock import Clock
from agent.core.driver import Desk, Probe
from agent.core.errors import DriverError
from drivers.modbus.plan import BITS, REGISTERS
from drivers.modbus.point import BIT_TABLES, Table
from drivers.modbus.request import Answer, Fault, Request

if TYPE_CHECKING:
    from agent.core.search import Held
    from drivers.modbus.poll import Watched

_LAST: Final = 60.0  # as the period of a poll: all who poll more often come first
_REST: Final = 1.0
_SPACE: Final = 0x10000


class Asker(Protocol):
    """Whoever can ask one request: a link of our own, or one of the running gateway."""

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read once; raise GatewayError when the endpoint is out of reach."""
        ...

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification."""
        ...


class Probing(Struct, frozen=True, forbid_unknown_fields=True):
    """A probe as it comes: one read, or with ``identify`` who the unit is; ``wait`` is in seconds."""

    unit: Annotated[int, Meta(ge=0, le=255)]
    table: Table = "holding"
    start: Annotated[int, Meta(ge=0, lt=_SPACE)] = 0
    count: Annotated[int, Meta(ge=1, le=BITS)] = 1
    identify: bool = False
    wait: Annotated[float, Meta(ge=0.02, le=5.0)] = 0.3

    def __post_init__(self) -> None:
        most = BITS if self.table in BIT_TABLES else REGISTERS
        if self.count > most or self.start + self.count > _SPACE:
            raise ValueError(f"{self.count} from {self.start} on is more than one request of {self.table}")


async def serve(link: Watched, desk: Desk, clock: Clock, probe: Probe) -> None:
    """Answer *probe* and all that follow until cancelled; raise DriverError when the connection is lost."""
    while True:
        await _serve(link, desk, clock, probe)
        probe = await desk.next_probe()


async def _serve(link: Watched, desk: Desk, clock: Clock, probe: Probe) -> None:
    begun = clock.boot()
    try:
        told = await _answered(link, probe.question)
    except msgspec.ValidationError as error:
        probe.decline(f"this cannot be asked of a Modbus link: {error}")
        return
    except DriverError as error:
        probe.decline(str(error))
        raise
    except asyncio.CancelledError:
        probe.decline("the link ended before it could ask")
        raise
    desk.figures["probes"] = _number(desk.figures.get("probes")) + 1
    if not probe.answer.done():
        probe.answer.set_result(told)
    await clock.sleep(min(_REST, clock.boot() - begun))


async def _answered(link: Watched, question: Mapping[str, Any]) -> dict[str, Any]:
    probing = msgspec.convert(dict(question), Probing)
    if probing.identify:
        reply = await link.identify(probing.unit, probing.wait, _LAST)
    else:
        request = Request(probing.unit, probing.table, probing.start, probing.count)
        reply = await link.ask(request, probing.wait, _LAST)
    if isinstance(reply, Answer):
        return {"data": reply.data.hex()}
    return {"why": reply.why, "code": reply.code}


class Remote:
    """A link of the running gateway, to be asked like one of our own."""

    def __init__(self, held: Held, clock: Clock) -> None:
        self._held, self._clock = held, clock

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read once; raise GatewayError when the gateway cannot."""
        question = {name: getattr(request, name) for name in ("unit", "table", "start", "count")}
        return self._understood(await self._held.probe(question | ({"wait": timeout} if timeout else {})))

    async def identify(self, unit: int, timeout: float) -> Answer | Fault:  # noqa: ASYNC109
        """Ask for the device identification."""
        return self._understood(await self._held.probe({"unit": unit, "identify": True, "wait": timeout}))

    def _understood(self, told: Mapping[str, Any]) -> Answer | Fault:
        now = self._clock.boot()
        if "data" in told:
            return Answer(bytes.fromhex(told["data"]), now)
        return Fault(told["why"], now, told["code"])


def _number(figure: float | str | None) -> int:
    return int(figure) if isinstance(figure, int | float) and math.isfinite(figure) else 0
