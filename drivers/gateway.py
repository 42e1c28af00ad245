"""The gateway itself as something that is measured: its links, backlog, certificates, card, heat and power.

So that whoever maintains many of them sees it from afar, on the same terms as all else: nothing leaves that
no product names and no grant shares. It reads files of the kernel and nothing over a network.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from msgspec import Meta, Struct
from msgspec.structs import asdict

from agent.core.driver import LinkSettings, Needs
from agent.core.duration import Duration
from agent.core.point import Kind, Point
from agent.core.sample import Quality, Sample
from agent.core.ticks import ticks

if TYPE_CHECKING:
    from agent.core.clock import Clock
    from agent.core.driver import Desk, Driver, Reading
    from agent.core.sample import Emit
    from agent.core.vitals import Vitals


class _Form(Struct, frozen=True):
    unit: str
    kind: Kind
    label: str


_GAUGE: Final = Kind.GAUGE
_FORMS: Final = {
    "links": _Form("1", _GAUGE, "Links"),
    "links_up": _Form("1", _GAUGE, "Links that run"),
    "devices": _Form("1", _GAUGE, "Devices, with the gateway itself"),
    "devices_ok": _Form("1", _GAUGE, "Devices that answer well"),
    "oldest_good": _Form("s", _GAUGE, "Longest time that a device is without a good value"),
    "recipients": _Form("1", _GAUGE, "Recipients"),
    "recipients_up": _Form("1", _GAUGE, "Recipients whose broker is connected"),
    "routes_refused": _Form("1", _GAUGE, "Routes that a broker refuses or holds"),
    "backlog": _Form("1", _GAUGE, "Messages that wait to be sent"),
    "backlog_age": _Form("s", _GAUGE, "Age of the oldest of them"),
    "clock_synced": _Form("1", Kind.STATE, "Whether the clock is synchronised"),
    "certificate_days": _Form("d", _GAUGE, "Days until the first certificate ends"),
    "disk_free": _Form("By", _GAUGE, "Free space under the outbox"),
    "disk_trouble": _Form("1", Kind.STATE, "Whether the disk fails"),
    "card_wear": _Form("1", _GAUGE, "Share of the card's life that is behind it"),
    "temperature": _Form("Cel", _GAUGE, "Temperature of the processor"),
    "undervoltage": _Form("1", Kind.STATE, "Whether the supply is too weak"),
    "memory": _Form("By", _GAUGE, "Memory of the gateway's process"),
    "lag": _Form("s", _GAUGE, "Longest delay of a second's tick in the last minute"),
    "starts": _Form("1", Kind.COUNTER, "How often the gateway was started"),
    "bundle": _Form("1", _GAUGE, "Number of the configuration from a distance that is in force"),
    "bundle_tried": _Form("1", _GAUGE, "Number of the last one whose trial has ended"),
    "bundle_taken_back": _Form("1", Kind.STATE, "Whether that one was taken back"),
}


class Gateway(LinkSettings, kw_only=True):
    """The gateway's own health; the link's name stands where a device's would."""

    language: ClassVar[str] = "bytes"

    every: Annotated[
        Duration, Meta(description="Time between two looks.", extra={"least": "10s", "most": "1h"})
    ] = Duration(60)

    def points(self) -> Sequence[Point]:
        """List what is looked at."""
        return [
            Point(
                name=f"{self.name}.{name}",
                unit=form.unit,
                kind=form.kind,
                label=form.label,
                every=float(self.every),
                location=self.location,
                states=((0, "no"), (1, "yes")) if form.kind is Kind.STATE else (),
            )
            for name, form in _FORMS.items()
        ]

    def needs(self) -> Needs:
        """Give nothing: it reaches for nothing."""
        return Needs()

    def led(self, host: str, port: int) -> Driver:
        """Give the same: it reaches for nothing that could be led elsewhere."""
        del host, port
        return self

    def slips(self) -> Sequence[str]:
        """Find no frame that could hold a request."""
        return []

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        """Look again and again, and whenever somebody asks."""
        import asyncio

        async with asyncio.TaskGroup() as group:
            group.create_task(self._answer(clock, desk))
            async for _ in ticks(clock, float(self.every)):
                emit(self._samples(desk.vitals(), clock.boot()))

    async def _answer(self, clock: Clock, desk: Desk) -> None:
        from agent.core.driver import Reading

        while True:
            ask = await desk.next_wish()
            found: list[Reading] = [Reading(one) for one in self._samples(desk.vitals(), clock.boot())]
            ask.answer.set_result([one for one in found if not ask.points or one.sample.point in ask.points])

    def _samples(self, vitals: Vitals, now: float) -> list[Sample]:
        return [_sample(f"{self.name}.{name}", value, now) for name, value in asdict(vitals).items()]


def _sample(point: str, value: float | None, now: float) -> Sample:
    if value is None:
        return Sample(point, None, now, Quality.BAD, "not_available")
    return Sample(point, float(value), now)
