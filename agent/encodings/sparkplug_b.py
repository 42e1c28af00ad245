"""Sparkplug B (Eclipse Sparkplug 3.0) for SCADA and plant platforms: births, deaths, metrics in protobuf.

The gateway is an edge node of the city's group, each product a device. It writes metrics and obeys one
command, to tell the births anew: no metric can be written by a host.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Final

from msgspec import Meta
from msgspec.json import encode as as_json
from msgspec.structs import replace

from agent.core.message import SILENT, Head, Late, Loss, Message, Place, Previous, Status, Talk
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Settings
from agent.encodings._records import coarse, coverage, lost, messages_of, named, steps, stretches, values
from agent.encodings._sparkplug_talk import SparkplugTalk
from agent.encodings._sparkplug_wire import (
    BOOLEAN,
    DOUBLE,
    INT64,
    STRING,
    Metric,
    alias_of,
    metrics_of,
)
from agent.encodings._text import rounded

About = tuple[Mapping[str, float], frozenset[tuple[float, float]]]
"""Of a product's points the resolutions, and the windows in which something was heard of one of them."""
Id = Annotated[str, Meta(pattern=r"^[^+/#]{0,64}$")]
# what a device may ever tell beside its points; a birth names them all
_OWN: Final = {
    "Message/Epoch": INT64,
    "Message/Seq": INT64,
    "Start/Epoch": INT64,
    "Start/Last": INT64,
    "Start/Clean": BOOLEAN,
    "Lost/Messages": INT64,
    "Lost/Details": STRING,
    "Event/Point": STRING,
    "Event/Kind": STRING,
    "Event/Severity": STRING,
    "Event/Value": DOUBLE,
    "Event/Text": STRING,
    "Clock/Unsynced": BOOLEAN,
    "Clock/Boot": STRING,
    "Clock/Since": DOUBLE,
    "Clock/Offset": DOUBLE,
    "About/Policy": STRING,
    "About/Privacy": STRING,
    "About/Model": STRING,
    "About/Window": DOUBLE,
}


class SparkplugBSettings(Settings):
    """How the gateway appears in Sparkplug."""

    group: Annotated[Id, Meta(description="Group id; empty: the city.")] = ""
    edge: Annotated[Id, Meta(description="Edge node id, unique in its group; empty: site-gateway.")] = ""
    primary_host: Annotated[
        Id, Meta(description="Host without which nothing is sent: while it is offline, all is kept here.")
    ] = ""
    aliases: Annotated[
        bool, Meta(description="Numbers in place of names in data: fewer bytes; only a birth tells names.")
    ] = False
    datatype_in_data: Annotated[
        bool, Meta(description="Tell each value's type in data too; some hosts read nothing without.")
    ] = True


_USUAL: Final = SparkplugBSettings()


class SparkplugB:
    """Writes Sparkplug B for one edge node."""

    settings_type: ClassVar[type[Settings]] = SparkplugBSettings
    late: Late = "marked"

    def __init__(self, place: Place, settings: SparkplugBSettings = _USUAL) -> None:
        self._place = place
        self._settings = settings
        self._group = settings.group or place.city
        self._edge = settings.edge or f"{place.site}-{place.gateway}"

    def talk(self, number: int, now: Callable[[], float]) -> Talk:
        """Begin a connection: its bdSeq, its sequence numbers."""
        root = f"citygate/1/{self._place.city}/{self._place.site}/{self._place.gateway}"
        host = self._settings.primary_host
        return SparkplugTalk(self._group, self._edge, host=host, number=number, now=now, mark=f"{root}/m")

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one message for each window (more above 16 KB) and for each event."""
        known, heard = steps(product), _heard(records)
        return messages_of(
            records,
            head,
            window=lambda figures, head: self._window(product, head, figures, (known, heard)),
            event=lambda event, head: self._event(product, head, event, known),
        )

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost: how many messages, and which."""
        details = as_json(stretches(losses)).decode()
        told = [Metric("Lost/Messages", INT64, lost(losses)), Metric("Lost/Details", STRING, details)]
        return self._data(product, head, told, kind="gap")

    def start(self, product: str, head: Head, previous: Previous | None) -> Message:
        """Tell the number of the run, and how the one before ended."""
        told = [
            Metric("Start/Epoch", INT64, previous.epoch if previous else None),
            Metric("Start/Last", INT64, previous.last if previous else None),
            Metric("Start/Clean", BOOLEAN, previous.clean if previous else None),
            Metric("About/Policy", STRING, head.policy),
        ]
        return self._data(product, head, told, kind="start")

    def time(self, product: str, head: Head, offset: float) -> Message:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        told = [
            Metric("Clock/Boot", STRING, head.boot_id),
            Metric("Clock/Offset", DOUBLE, round(offset, 3)),
        ]
        return self._data(product, head, told, kind="time")

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Tell every metric that this device may ever send."""
        del route, lid
        told = {
            "About/Policy": head.policy,
            "About/Privacy": product.privacy.mode,
            "About/Model": product.model or None,
            "About/Window": product.window,
            "Message/Epoch": head.epoch,
        }
        metrics = [
            self._aliased(product.id, Metric(name, kind, told.get(name))) for name, kind in _OWN.items()
        ]
        for point in product.published:
            metrics += [
                self._aliased(product.id, Metric(f"{point.name}/{what}", kind, unit=unit))
                for what, kind, unit in self._measures(product, point.unit)
            ]
        body = metrics_of(metrics)
        return [self._message(f"DBIRTH/{self._edge}/{product.id}", body, kind="birth")]

    def death(self, product: str) -> Message:
        """Tell that a device is no more: what it told is out of date."""
        return self._message(f"DDEATH/{self._edge}/{product}", b"", kind="death")

    def status(self, status: Status) -> Message:
        """Tell how the node does."""
        words = " ".join(f"{route.rpartition('.')[2]}={word}" for route, word in status.routes)
        told = [
            Metric("Status/State", STRING, status.state),
            Metric("Status/Routes", STRING, words),
            Metric("Status/Waiting", INT64, status.queue.n),
            Metric("Status/Clock", STRING, status.clock),
            Metric("Status/Epoch", INT64, status.epoch),
            Metric("Status/Outbox", STRING, status.lid),
            Metric("Status/Policy", STRING, status.policy),
            Metric("Status/Software", STRING, status.software),
        ]
        return self._message(f"NDATA/{self._edge}", metrics_of(told), kind="status")

    def will(self, lid: str, epoch: int) -> Message:
        """Give the death of a node that never counted its connections; see ``talk``."""
        del lid, epoch
        return self.talk(0, lambda: 0.0).will

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the topics of a device, or of the node and its marks."""
        root = f"spBv1.0/{self._group}"
        if product is not None:
            return [f"{root}/{kind}/{self._edge}/{product.id}" for kind in ("DBIRTH", "DDATA", "DDEATH")]
        mark = self.talk(0, lambda: 0.0).mark.topic
        return [*(f"{root}/{kind}/{self._edge}" for kind in ("NBIRTH", "NDATA", "NDEATH")), mark]

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        at = coarse(event.at, product)
        told = [
            Metric("Event/Point", STRING, event.point, at),
            Metric("Event/Kind", STRING, event.kind, at),
            Metric("Event/Severity", STRING, event.severity, at),
            Metric("Event/Value", DOUBLE, rounded(event.value, known.get(event.point, 0.0)), at),
            Metric("Event/Text", STRING, event.text[:200], at),
            *_clock(event.boot - (event.at - at), head, at, synced=event.synced),
        ]
        return self._data(product.id, head, told, kind="event")

    def _window(self, product: Product, head: Head, figures: Sequence[Aggregate], about: About) -> Message:
        (known, heard), first = about, figures[0]
        told = [metric for one in figures for metric in _figure(one, product, known.get(one.point, 0.0))]
        told += _clock(first.boot, head, first.start, synced=first.synced)
        made = self._data(product.id, head, told, kind="batch")
        is_silent = (first.start, first.width) not in heard
        return replace(made, user=(*made.user, SILENT)) if is_silent else made

    def _measures(self, product: Product, unit: str) -> Iterator[tuple[str, int, str]]:
        yield from ((one, DOUBLE, "" if one == "share" else unit) for one in product.statistics)
        yield from (("n", INT64, ""), ("quality", STRING, ""), ("coverage", DOUBLE, ""), ("why", STRING, ""))

    def _data(self, product: str, head: Head, metrics: Sequence[Metric], *, kind: str) -> Message:
        told = [*metrics, Metric("Message/Epoch", INT64, head.epoch), Metric("Message/Seq", INT64, head.seq)]
        body = metrics_of(
            [self._aliased(product, one) for one in told],
            named=not self._settings.aliases,
            typed=self._settings.datatype_in_data,
        )
        user = named(self._place.gateway, head, product)
        return self._message(f"DDATA/{self._edge}/{product}", body, kind=kind, user=user)

    def _aliased(self, device: str, metric: Metric) -> Metric:
        if not self._settings.aliases:
            return metric
        alias = alias_of(device, metric.name)
        return Metric(metric.name, metric.kind, metric.value, metric.at, metric.unit, alias)

    def _message(
        self, end: str, body: bytes, *, kind: str, user: tuple[tuple[str, str], ...] = ()
    ) -> Message:
        return Message(
            topic=f"spBv1.0/{self._group}/{end}", body=body, kind=kind, user=user,
            qos=0, content_type="", utf8=False,
        )  # fmt: skip


def _heard(records: Sequence[Record]) -> frozenset[tuple[float, float]]:
    """Name the windows in which at least one point gave something."""
    return frozenset(
        (one.start, one.width)
        for one in records
        if isinstance(one, Aggregate) and one.state is not State.NO_DATA
    )


def _figure(figure: Aggregate, product: Product, step: float) -> Iterator[Metric]:
    """Give the metrics of one figure; its quality always, since a host keeps what it heard last."""
    for name, number in values(figure, product, step):
        yield Metric(f"{figure.point}/{name}", DOUBLE, number, figure.start)
    yield Metric(f"{figure.point}/n", INT64, figure.n, figure.start)
    yield Metric(f"{figure.point}/quality", STRING, str(figure.state), figure.start)
    if (seen := coverage(figure)) is not None:
        yield Metric(f"{figure.point}/coverage", DOUBLE, seen, figure.start)
    if figure.why:
        yield Metric(f"{figure.point}/why", STRING, figure.why[:32], figure.start)


def _clock(boot: float, head: Head, at: float, *, synced: bool) -> list[Metric]:
    if synced:
        return []
    return [
        Metric("Clock/Unsynced", BOOLEAN, value=True, at=at),
        Metric("Clock/Boot", STRING, head.boot_id, at),
        Metric("Clock/Since", DOUBLE, round(boot, 3), at),
    ]
