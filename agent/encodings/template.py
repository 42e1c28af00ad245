"""A topic and a payload of your own, for a platform that has a fixed idea of both: one message a figure.

It refuses a payload that does not say how a figure came about: a value that is withheld would look like one
that is missing, or like zero.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from string import Template as Text
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta
from msgspec.json import encode
from msgspec.structs import replace

from agent.core.message import Head, Late, Loss, Message, Place, Status
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Settings
from agent.encodings._records import NoRuns, coarse, coverage, lost, named, steps, stretches, values, windows
from agent.encodings._text import rounded, utc_text, word

_PLACES: Final = ("city", "site", "gateway", "product", "point", "device", "name", "statistic")
_VALUES: Final = (
    "value", "quality", "coverage", "why", "n", "time", "seconds", "ms", "window", "clock", "unit", "epoch",
    "seq",
)  # fmt: skip
_TIMES: Final = frozenset({"time", "seconds", "ms"})
_UNSYNCED: Final = "unsynced"
_JSON: Final = "application/json"


class TemplateSettings(Settings):
    """How each figure is written."""

    topic: Annotated[
        str,
        Meta(description="Topic of a figure, with $words: buildings/$site/$point/$statistic.", min_length=1),
    ]
    payload: Annotated[
        str, Meta(description="Payload, with $words; it must hold $value and $quality.", min_length=1)
    ] = '{"value":$value,"quality":"$quality","time":"$time"}'
    none: Annotated[str, Meta(description="What stands for a value that is withheld or missing.")] = "null"
    status: Annotated[
        str,
        Meta(
            description="Topic of the status and the last will; events and losses stand below it.",
            min_length=1,
        ),
    ] = "citygate-status/$city/$site/$gateway"
    content_type: Annotated[str, Meta(description="Content Type of the payload.")] = _JSON
    late: Annotated[
        Literal["in-order", "dated"],
        Meta(description="in-order: nothing overtakes; dated: the platform files by a time in the payload."),
    ] = "in-order"

    def __post_init__(self) -> None:
        """Refuse words that there are not, and a payload that says too little."""
        for key, known in (("topic", _PLACES), ("payload", (*_PLACES, *_VALUES)), ("status", _PLACES[:3])):
            for one in _words(getattr(self, key)):
                if one not in known:
                    raise ValueError(
                        f"{key}: there is no ${one}; there are {', '.join(f'${x}' for x in known)}"
                    )
        used = _words(self.payload)
        for need in ("value", "quality"):
            if need not in used:
                what = (
                    "withheld, missing and zero would look alike" if need == "quality" else "it tells nothing"
                )
                raise ValueError(f"payload: ${need} must stand in it, else {what}")
        if self.late == "dated" and used.isdisjoint(_TIMES):
            raise ValueError('late = "dated" needs $time, $seconds or $ms in the payload')
        for key in ("topic", "status"):
            if flaw := re.search(r"[+#\0]", getattr(self, key)):
                raise ValueError(f'{key}: "{flaw[0]}" may not stand in a topic that is written')


class Template(NoRuns):
    """Writes each figure by the recipient's own template."""

    settings_type: ClassVar[type[Settings]] = TemplateSettings

    def __init__(self, place: Place, settings: TemplateSettings) -> None:
        self._settings = settings
        self._gateway = place.gateway
        self._place = {"city": place.city, "site": place.site, "gateway": place.gateway}
        self._status = Text(settings.status).substitute(self._place)

    @property
    def late(self) -> Late:
        """How late windows travel: as it is written."""
        return self._settings.late

    def objections(self, product: Product) -> Iterable[str]:
        """Say which figures would meet on one topic, and what is no JSON."""
        used, inside = _words(self._settings.topic), _words(self._settings.payload)
        has_point = "point" in used | inside or {"device", "name"} <= used | inside
        if len(product.published) > 1 and not has_point:
            yield f'product "{product.id}" has several points: write $point into topic or payload'
        if len(product.statistics) > 1 and "statistic" not in used | inside:
            yield f'product "{product.id}" has several statistics: write $statistic into topic or payload'
        if self._settings.content_type == _JSON:
            for value in (None, 1.5):
                figure = Aggregate("a.x", 0.0, 60.0, None, (value,), State.PARTIAL, 0.5, "no_reply")
                head = Head(epoch=1, seq=1, policy="")
                filled = self._filled(self._words(product, figure, head, ("mean", value)))
                try:
                    json.loads(filled)
                except ValueError as error:
                    yield f"the payload is no JSON: {filled!r}: {error}"
                    return

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one message for each figure of each point, and for each event."""
        known, units = steps(product), {one.name: one.unit for one in product.published}
        done: list[Message] = []
        for one in records:
            if isinstance(one, Event):
                done.append(self._event(product, replace(head, seq=head.seq + len(done)), one, known))
        for figures in windows(records):
            for one in figures:
                for pair in values(one, product, known.get(one.point, 0.0)):
                    now = replace(head, seq=head.seq + len(done))
                    told = self._words(product, one, now, pair, units.get(one.point, "1"))
                    done.append(self._figure(product, now, told))
        return done

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost, below the topic of the status."""
        told = {"product": product, "lost": lost(losses), "details": stretches(losses)}
        return self._own(f"{self._status}/lost", told, "gap", named(self._gateway, head, product))

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Say nothing: the platform knows what it has fixed."""
        del product, route, head, lid
        return ()

    def status(self, status: Status) -> Message:
        """Tell how the gateway does."""
        routes = {route.rpartition(".")[2]: one for route, one in status.routes}
        told = {"state": status.state, "waiting": status.queue.n, "clock": status.clock, "routes": routes}
        return replace(self._own(self._status, told | {"policy": status.policy}, "status"), retain=True)

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        del lid, epoch
        return replace(self._own(self._status, {"state": "offline"}, "status"), retain=True)

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the topics of a product's figures, or of status, events and losses."""
        if product is None:
            return [self._status, f"{self._status}/event", f"{self._status}/lost"]
        head, found = Head(epoch=0, seq=0, policy=""), []
        for point in product.published:
            figure = Aggregate(point.name, 0.0, product.window, None, (None,) * len(product.statistics))
            for name in product.statistics:
                words = self._words(product, figure, head, (name, None))
                found.append(Text(self._settings.topic).substitute(words))
        return list(dict.fromkeys(found))

    def _words(
        self,
        product: Product,
        figure: Aggregate,
        head: Head,
        one: tuple[str, float | None],
        unit: str = "1",
    ) -> Mapping[str, str]:
        """Give what the $words of a figure stand for; nothing in them can end a JSON text."""
        seen = coverage(figure)
        (statistic, value), (device, _, name) = one, figure.point.partition(".")
        return {
            **self._place,
            "product": product.id,
            "point": figure.point,
            "device": device,
            "name": name,
            "statistic": statistic,
            "value": self._settings.none if value is None else json.dumps(value),
            "quality": str(figure.state),
            "coverage": json.dumps((0 if figure.state is State.NO_DATA else 1) if seen is None else seen),
            "why": word(figure.why) if figure.why else "",
            "n": self._settings.none if figure.n is None else str(figure.n),
            "time": utc_text(figure.start),
            "seconds": json.dumps(rounded(figure.start, 0.001)),
            "ms": str(round(figure.start * 1000)),
            "window": json.dumps(rounded(figure.width, 0.001)),
            "clock": "synced" if figure.synced else _UNSYNCED,
            "unit": unit,
            "epoch": str(head.epoch),
            "seq": str(head.seq),
        }

    def _filled(self, words: Mapping[str, str]) -> str:
        return Text(self._settings.payload).substitute(words)

    def _figure(self, product: Product, head: Head, words: Mapping[str, str]) -> Message:
        return Message(
            topic=Text(self._settings.topic).substitute(words),
            body=self._filled(words).encode(),
            kind="batch",
            content_type=self._settings.content_type,
            user=named(self._gateway, head, product.id),
        )

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        told: dict[str, Any] = {
            "time": utc_text(coarse(event.at, product)),
            "point": event.point,
            "event": event.kind,
            "severity": event.severity,
            "value": rounded(event.value, known.get(event.point, 0.0)),
            "unit": event.unit,
            "text": event.text[:200],
        }
        if not event.synced:
            told["clock"] = _UNSYNCED
        return self._own(f"{self._status}/event", told, "event", named(self._gateway, head, product.id))

    def _own(
        self, topic: str, told: Mapping[str, Any], kind: str, user: tuple[tuple[str, str], ...] = ()
    ) -> Message:
        return Message(topic=topic, body=encode(told), kind=kind, user=user)


def _words(text: str) -> set[str]:
    """List the $words in a template; raise ValueError for a $ that begins none."""
    return set(_found(text))


def _found(text: str) -> Iterator[str]:
    for one in Text.pattern.finditer(text):
        if one["invalid"] is not None:
            raise ValueError(f'"{text}": a $ begins no word here; write $$ for the sign itself')
        if name := one["named"] or one["braced"]:
            yield name
