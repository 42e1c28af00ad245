"""SenML (RFC 8428) in JSON: plain records of name, unit, time and value, for time-series stores.

A record has exactly one value, so what is withheld or missing is no record but a word: its ``quality``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from msgspec.json import encode

from agent.core.message import Head, Late, Loss, Message, NoSettings, Place, Previous, Status
from agent.core.point import Kind, Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Settings
from agent.encodings._records import coarse, coverage, lost, messages_of, named, steps, stretches, values
from agent.encodings._senml_units import expressed
from agent.encodings._text import rounded

Json = dict[str, Any]
_TYPE: Final = "application/senml+json"
_USUAL: Final = NoSettings()


class Senml:
    """Writes SenML packs for one gateway."""

    settings_type: ClassVar[type[Settings]] = NoSettings
    late: Late = "dated"

    def __init__(self, place: Place, settings: NoSettings = _USUAL) -> None:
        del settings
        self._place = place
        self._base = f"{place.city}:{place.site}:{place.gateway}:"
        self._root = f"senml/{place.city}/{place.site}/{place.gateway}"

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one pack for each window (more above 16 KB) and for each event."""
        known, points = steps(product), {one.name: one for one in (*product.points, *product.published)}
        return messages_of(
            records,
            head,
            window=lambda figures, head: self._window(product, head, figures, known, points),
            event=lambda event, head: self._event(product, head, event, known),
        )

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost: how many messages, and which."""
        told: list[Json] = [
            {"n": f"{product}:lost", "u": "count", "v": lost(losses)},
            {"n": f"{product}:lost:details", "vs": encode(stretches(losses)).decode()},
        ]
        return self._data(product, head, told, kind="gap")

    def start(self, product: str, head: Head, previous: Previous | None) -> Message:
        """Tell how the run before this one ended."""
        told: list[Json] = [{"n": f"{product}:policy", "vs": head.policy}]
        if previous is not None:
            told += [
                {"n": f"{product}:before:epoch", "v": previous.epoch},
                {"n": f"{product}:before:seq", "v": previous.last},
                {"n": f"{product}:before:clean", "vb": previous.clean},
            ]
        return self._data(product, head, told, kind="start")

    def time(self, product: str, head: Head, offset: float) -> Message:
        """Tell the offset that turns this boot's stamps into UTC seconds."""
        told: list[Json] = [
            {"n": f"{product}:clock:boot", "vs": head.boot_id},
            {"n": f"{product}:clock:offset", "u": "s", "v": round(offset, 3)},
        ]
        return self._data(product, head, told, kind="time")

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Say nothing: each record tells its own name and unit."""
        del product, route, head, lid
        return ()

    def status(self, status: Status) -> Message:
        """Tell how the gateway does."""
        told: list[Json] = [
            {"n": "status:state", "vs": status.state},
            {"n": "status:waiting", "u": "count", "v": status.queue.n},
            {"n": "status:clock", "vs": status.clock},
            {"n": "status:epoch", "v": status.epoch},
            {"n": "status:outbox", "vs": status.lid},
            {"n": "status:policy", "vs": status.policy},
            *(
                {"n": f"status:{route.rpartition('.')[2]}", "vs": word.replace(":", " ")}
                for route, word in status.routes
            ),
        ]
        return self._pack(self._root, told, kind="status", retain=True)

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        told: list[Json] = [
            {"n": "status:state", "vs": "offline"},
            {"n": "status:epoch", "v": epoch},
            {"n": "status:outbox", "vs": lid},
        ]
        return self._pack(self._root, told, kind="status", retain=True)

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the topic of a product, or of the status."""
        return [self._root if product is None else f"{self._root}/{product.id}"]

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        at = coarse(event.at, product)
        told: list[Json] = [
            {"n": f"{event.point}:event", "vs": event.kind},
            {"n": f"{event.point}:event:severity", "vs": event.severity},
            {"n": f"{event.point}:event:text", "vs": event.text[:200]},
        ]
        if (value := rounded(event.value, known.get(event.point, 0.0))) is not None:
            name, told_value = expressed(value, event.unit, "last", "")
            told.append(_record(f"{event.point}:event:value", name, told_value))
        told += _clock(product.id, event.boot - (event.at - at), head, synced=event.synced)
        return self._data(product.id, head, told, kind="event", at=at)

    def _window(
        self,
        product: Product,
        head: Head,
        figures: Sequence[Aggregate],
        known: Mapping[str, float],
        points: Mapping[str, Point],
    ) -> Message:
        first = figures[0]
        told: list[Json] = [
            record
            for one in figures
            for record in _figure(one, product, known.get(one.point, 0.0), points.get(one.point))
        ]
        told += _clock(product.id, first.boot, head, synced=first.synced)
        return self._data(product.id, head, told, kind="batch", at=first.start)

    def _data(
        self, product: str, head: Head, records: Sequence[Json], *, kind: str, at: float | None = None
    ) -> Message:
        numbers = [{"n": f"{product}:epoch", "v": head.epoch}, {"n": f"{product}:seq", "v": head.seq}]
        user = named(self._place.gateway, head, product)
        return self._pack(f"{self._root}/{product}", [*records, *numbers], kind=kind, at=at, user=user)

    def _pack(  # noqa: PLR0913 - each by its name
        self,
        topic: str,
        records: Sequence[Json],
        *,
        kind: str,
        at: float | None = None,
        retain: bool = False,
        user: tuple[tuple[str, str], ...] = (),
    ) -> Message:
        """Write a pack: the base of all names and times stands in its first record."""
        base: Json = {"bn": self._base}
        if at is not None:
            base["bt"] = rounded(at, 0.001)
        body = encode([base | records[0], *records[1:]])
        return Message(topic=topic, body=body, kind=kind, retain=retain, content_type=_TYPE, user=user)


def _figure(figure: Aggregate, product: Product, step: float, point: Point | None) -> Iterator[Json]:
    """Give the records of one figure; a value that is none has no record."""
    unit, quantity = (point.unit, point.quantity) if point else ("1", "")
    for name, value in values(figure, product, step):
        if value is not None:
            counted = point is not None and point.kind is Kind.COUNT
            told, number = ("count", value) if counted else expressed(value, unit, name, quantity)
            yield _record(f"{figure.point}:{name}", told, number)
    if figure.n is not None:
        yield {"n": f"{figure.point}:n", "u": "count", "v": figure.n}
    if figure.state is not State.OK:
        yield {"n": f"{figure.point}:quality", "vs": str(figure.state)}
    if (seen := coverage(figure)) is not None:
        yield {"n": f"{figure.point}:coverage", "u": "/", "v": seen}
    if figure.why:
        yield {"n": f"{figure.point}:why", "vs": figure.why[:32]}


def _record(name: str, unit: str, value: float) -> Json:
    return {"n": name, "u": unit, "v": value} if unit else {"n": name, "v": value}


def _clock(product: str, boot: float, head: Head, *, synced: bool) -> list[Json]:
    if synced:
        return []
    return [
        {"n": f"{product}:clock", "vs": "unsynced"},
        {"n": f"{product}:clock:boot", "vs": head.boot_id},
        {"n": f"{product}:clock:since", "u": "s", "v": round(boot, 3)},
    ]
