"""Home Assistant by MQTT discovery: each building device becomes a device there, each figure a sensor.

It shows the state that came last, so windows go in their order, one after the other. A value that is withheld
or missing is "unknown" there, and a second sensor says which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

from msgspec import Meta
from msgspec.json import encode

from agent.core.message import Head, Late, Loss, Message, Place, Status
from agent.core.point import Point
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Settings
from agent.encodings._homeassistant_classes import device_class, state_class, unit_of
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
from agent.encodings._text import rounded, utc_text

Json = dict[str, Any]
_MOST_POINTS: Final = 20
"""Points that one announcement describes; a device with more is announced in parts."""
_EXPIRES: Final = 3
"""Windows after which a sensor that heard nothing is unavailable."""
_THERE: Final = "{{ 'offline' if value_json.state == 'offline' else 'online' }}"


class HomeassistantSettings(Settings):
    """How the gateway appears in Home Assistant."""

    prefix: Annotated[
        str, Meta(description="Discovery prefix of that Home Assistant.", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    ] = "homeassistant"


_USUAL: Final = HomeassistantSettings()


class Homeassistant(NoRuns):
    """Writes what Home Assistant shows, for one gateway."""

    settings_type: ClassVar[type[Settings]] = HomeassistantSettings
    late: Late = "in-order"

    def __init__(self, place: Place, settings: HomeassistantSettings = _USUAL) -> None:
        self._place = place
        self._prefix = settings.prefix
        self._root = f"citygate-ha/{place.city}/{place.site}/{place.gateway}"
        self._id = f"{place.city}-{place.site}-{place.gateway}"

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
        """Declare what was lost: a sensor shows how many messages."""
        told = {"n": lost(losses), "details": stretches(losses)}
        return self._data(product, head, told, kind="gap", end="lost")

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Announce the gateway, and each device of the product with its sensors."""
        del route, head, lid
        return self._announcements(product)

    def _announcements(self, product: Product) -> list[Message]:
        sources: dict[str, list[Point]] = {}
        for point in product.published:
            sources.setdefault(point.source, []).append(point)
        said = [self._gateway(product)]
        for source, points in sources.items():
            for part in range(0, len(points), _MOST_POINTS):
                chosen = points[part : part + _MOST_POINTS]
                said.append(self._device(product, source, chosen, part // _MOST_POINTS))
        return said

    def status(self, status: Status) -> Message:
        """Tell how the gateway does; every sensor's availability hangs on it."""
        told = {
            "state": status.state,
            "waiting": status.queue.n,
            "clock": status.clock,
            "policy": status.policy,
            "software": status.software,
            "routes": {route.rpartition(".")[2]: word for route, word in status.routes},
        }
        return Message(topic=f"{self._root}/status", body=encode(told), kind="status", retain=True)

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        del lid, epoch
        return Message(topic=f"{self._root}/status", body=b'{"state":"offline"}', kind="status", retain=True)

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the topics of a product and its announcements, or of the status."""
        if product is None:
            return [f"{self._root}/status"]
        return [f"{self._root}/{product.id}/+", *(one.topic for one in self._announcements(product))]

    # -- figures

    def _window(
        self, product: Product, head: Head, figures: Sequence[Aggregate], known: Mapping[str, float]
    ) -> Message:
        first = figures[0]
        told: Json = {"t": utc_text(first.start), "w": rounded(first.width, 0.001)}
        if not first.synced:
            told["clock"] = "unsynced"
        told["v"] = {one.point: _figure(one, product, known.get(one.point, 0.0)) for one in figures}
        return self._data(product.id, head, told, kind="batch", end="figures")

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        told: Json = {
            "t": utc_text(coarse(event.at, product)),
            "point": event.point,
            "event": event.kind,
            "severity": event.severity,
            "value": rounded(event.value, known.get(event.point, 0.0)),
            "unit": event.unit,
            "text": event.text[:200],
        }
        if not event.synced:
            told["clock"] = "unsynced"
        return self._data(product.id, head, told, kind="event", end="event")

    def _data(self, product: str, head: Head, told: Json, *, kind: str, end: str) -> Message:
        user = named(self._place.gateway, head, product)
        return Message(topic=f"{self._root}/{product}/{end}", body=encode(told), kind=kind, user=user)

    # -- announcements

    def _gateway(self, product: Product) -> Message:
        """Announce the gateway itself, with what it lost of *product*."""
        sensors: Json = {
            f"{self._id}-state": {
                "p": "sensor", "name": "State", "stat_t": f"{self._root}/status",
                "val_tpl": "{{ value_json.state }}", "dev_cla": "enum",
                "ops": ["online", "degraded", "stopping", "offline"], "ent_cat": "diagnostic",
            },
            f"{self._id}-{product.id}-lost": {
                "p": "sensor", "name": f"Lost of {product.title or product.id}",
                "stat_t": f"{self._root}/{product.id}/lost", "val_tpl": "{{ value_json.n }}",
                "stat_cla": "measurement", "ent_cat": "diagnostic",
            },
        }  # fmt: skip
        device = {"ids": [self._id], "name": self._place.label or self._id, "mf": "citygate"}
        return self._announced(f"{self._id}-{product.id}", device, _with_ids(sensors), available=False)

    def _device(self, product: Product, source: str, points: Sequence[Point], part: int) -> Message:
        label = next((one.asset for one in points if one.asset), "")
        device: Json = {
            "ids": [f"{self._id}-{source}"],
            "name": label or source,
            "via_device": self._id,
        }
        sensors = dict(one for point in points for one in self._sensors(product, point))
        name = f"{self._id}-{product.id}-{source}" + (f"-{part}" if part else "")
        return self._announced(name, device, _with_ids(sensors))

    def _sensors(self, product: Product, point: Point) -> Iterator[tuple[str, Json]]:
        """Describe a sensor for each statistic, and one that says how the figure came about."""
        topic = f"{self._root}/{product.id}/figures"
        about = f"value_json.v.get('{point.name}', {{}})"
        common: Json = {"p": "sensor", "stat_t": topic}
        if product.window:
            common["exp_aft"] = round(_EXPIRES * product.window)
        title = point.label or point.name.partition(".")[2].replace("_", " ")
        for statistic in product.statistics:
            yield (
                f"{self._id}-{product.id}-{point.name}-{statistic}",
                {
                    **common,
                    "name": f"{title} {statistic}",
                    # nothing: the state stays as it is; null: it becomes unknown
                    "val_tpl": f"{{{{ {about}.get('{statistic}', '') }}}}",
                    "json_attr_t": topic,
                    "json_attr_tpl": f"{{{{ {about} | tojson }}}}",
                    **_classes(point, statistic),
                },
            )
        yield (
            f"{self._id}-{product.id}-{point.name}-quality",
            {
                **common,
                "name": f"{title} quality",
                "val_tpl": f"{{{{ {about}.get('quality', this.state) }}}}",
                "dev_cla": "enum",
                "ops": [str(one) for one in State],
                "ent_cat": "diagnostic",
            },
        )

    def _announced(self, name: str, device: Json, sensors: Json, *, available: bool = True) -> Message:
        told: Json = {"dev": device, "o": {"name": "citygate"}, "cmps": sensors}
        if available:
            told |= {"avty_t": f"{self._root}/status", "avty_tpl": _THERE}
        body = encode(told)
        return Message(topic=f"{self._prefix}/device/{name}/config", body=body, kind="birth", retain=True)


def _figure(figure: Aggregate, product: Product, step: float) -> Json:
    told: Json = dict(values(figure, product, step))
    told["n"] = figure.n
    told["quality"] = str(figure.state)
    if (seen := coverage(figure)) is not None:
        told["coverage"] = seen
    if figure.why:
        told["why"] = figure.why[:32]
    return told


def _classes(point: Point, statistic: str) -> Json:
    way = state_class(point, statistic)
    told: Json = {"stat_cla": way}
    if unit := unit_of(point, statistic):
        told["unit_of_meas"] = unit
    if found := device_class(point, statistic):
        told["dev_cla"] = found
    if way == "total":
        told["lrst_val_tpl"] = "{{ value_json.t }}"  # a figure counts from the start of its window
    return told


def _with_ids(sensors: Json) -> Json:
    """Give each sensor its unique id, which is its key too."""
    return {name.replace(".", "-"): {**one, "uniq_id": name} for name, one in sensors.items()}
