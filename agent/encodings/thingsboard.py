"""ThingsBoard: telemetry and attributes over its MQTT API, as a gateway with devices or as one device.

Telemetry carries its own time, and the same device, key and time overwrite each other: repetitions change
nothing. It takes no null: what is withheld or missing has no key but its quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta
from msgspec.json import encode

from agent.core.message import Head, Late, Loss, Message, Place, Status
from agent.core.platform import Demands
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record
from agent.core.settings import Settings
from agent.encodings._records import (
    NoRuns,
    coarse,
    coverage,
    lost,
    messages_of,
    named,
    steps,
    stretches,
    values,
)
from agent.encodings._text import rounded

Json = dict[str, Any]


class ThingsboardSettings(Settings):
    """How the gateway appears in ThingsBoard."""

    mode: Annotated[
        Literal["gateway", "device"],
        Meta(description="gateway: each product is a device of its own; device: all of it is one device."),
    ] = "gateway"


_USUAL: Final = ThingsboardSettings()


class Thingsboard(NoRuns):
    """Writes what ThingsBoard files, for one gateway."""

    settings_type: ClassVar[type[Settings]] = ThingsboardSettings
    late: Late = "dated"

    def __init__(self, place: Place, settings: ThingsboardSettings = _USUAL) -> None:
        self._place = place
        self._is_gateway = settings.mode == "gateway"

    @classmethod
    def demands(cls, settings: Settings, host: str) -> Demands:
        """Give its terms: the user name is the access token of the gateway's device."""
        del settings, host
        return Demands(platform="ThingsBoard", login="username")

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one message for each window (more above 16 KB) and for each event."""
        known = steps(product)
        return messages_of(
            records,
            head,
            window=lambda figures, head: self._window(product, head, figures, known),
            event=lambda event, head: self._event(product, head, event, known),
        )

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost, at the end of the stretch; without a time, at the moment of arrival."""
        ends = [one.end for one in losses if one.end is not None]
        told = {"lost.messages": lost(losses), "lost.details": stretches(losses)}
        return self._telemetry(product, head, told, kind="gap", at=max(ends, default=None))

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Announce the product's device, and tell as attributes what its keys are."""
        del route
        about: Json = {
            "window": rounded(product.window, 0.001),
            "statistics": list(product.statistics),
            "privacy": product.privacy.mode,
            "policy": head.policy,
            "outbox": lid,
            "units": {one.name: one.unit for one in product.published},
        }
        if product.title:
            about["title"] = product.title
        if not self._is_gateway:
            return [_message("v1/devices/me/attributes", {f"{product.id}.about": about}, "birth")]
        name = self._device(product.id)
        return [
            _message("v1/gateway/connect", {"device": name, "type": "citygate"}, "birth"),
            _message("v1/gateway/attributes", {name: about}, "birth"),
        ]

    def status(self, status: Status) -> Message:
        """Tell how the gateway does, as attributes of its own device."""
        told = {
            "state": status.state,
            "waiting": status.queue.n,
            "clock": status.clock,
            "epoch": status.epoch,
            "policy": status.policy,
            "software": status.software,
            "routes": {route.rpartition(".")[2]: word for route, word in status.routes},
        }
        return _message("v1/devices/me/attributes", told, "status")

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        return _message(
            "v1/devices/me/attributes", {"state": "offline", "outbox": lid, "epoch": epoch}, "status"
        )

    def provision(self, products: Sequence[Product]) -> Mapping[str, Any]:
        """Give the body for ``/api/device``; the devices of the products appear by themselves."""
        place = self._place
        device: Json = {
            "name": f"{place.city}.{place.site}.{place.gateway}",
            "type": "citygate-gateway",
            "additionalInfo": {"gateway": self._is_gateway, "description": place.label},
        }
        names = [self._device(one.id) for one in products] if self._is_gateway else [device["name"]]
        return {"device": device, "names": names}

    def _device(self, product: str) -> str:
        return f"{self._place.site}.{self._place.gateway}.{product}"

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        told: Json = {
            "event.point": event.point,
            "event.kind": event.kind,
            "event.severity": event.severity,
            "event.text": event.text[:200],
            **_unsynced(synced=event.synced),
        }
        if (value := rounded(event.value, known.get(event.point, 0.0))) is not None:
            told["event.value"] = value
        return self._telemetry(product.id, head, told, kind="event", at=coarse(event.at, product))

    def _window(
        self, product: Product, head: Head, figures: Sequence[Aggregate], known: Mapping[str, float]
    ) -> Message:
        told: Json = {}
        for one in figures:
            told |= _figure(one, product, known.get(one.point, 0.0))
        told |= _unsynced(synced=figures[0].synced)
        return self._telemetry(product.id, head, told, kind="batch", at=figures[0].start)

    def _telemetry(self, product: str, head: Head, told: Json, *, kind: str, at: float | None) -> Message:
        told = {**told, "epoch": head.epoch, "seq": head.seq}
        if not self._is_gateway:  # windows of two lengths would meet under one key
            told = {f"{product}.{key}": one for key, one in told.items()}
        entry: Json = told if at is None else {"ts": round(at * 1000), "values": told}
        user = named(self._place.gateway, head, product)
        if self._is_gateway:
            return _message("v1/gateway/telemetry", {self._device(product): [entry]}, kind, user)
        return _message("v1/devices/me/telemetry", entry, kind, user)


def _figure(figure: Aggregate, product: Product, step: float) -> Json:
    """Give the keys of one figure; its quality always, since a dashboard keeps what it has."""
    told: Json = {
        f"{figure.point}.{name}": value for name, value in values(figure, product, step) if value is not None
    }
    if figure.n is not None:
        told[f"{figure.point}.n"] = figure.n
    told[f"{figure.point}.quality"] = str(figure.state)
    if (seen := coverage(figure)) is not None:
        told[f"{figure.point}.coverage"] = seen
    if figure.why:
        told[f"{figure.point}.why"] = figure.why[:32]
    return told


def _unsynced(*, synced: bool) -> Json:
    return {} if synced else {"clock": "unsynced"}


def _message(topic: str, told: Json, kind: str, user: tuple[tuple[str, str], ...] = ()) -> Message:
    return Message(topic=topic, body=encode(told), kind=kind, user=user)
