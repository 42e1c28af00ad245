"""FIWARE: measures for the IoT Agent for JSON, or whole NGSI-LD entities of the Smart Data Models.

A context broker keeps the state that came last, so windows go in their order, one after the other. It drops
nulls: a property whose figure is withheld or missing is left out, and its quality says which of both it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal

from msgspec import Meta, field
from msgspec.json import encode
from msgspec.structs import replace

from agent.core.message import Head, Late, Loss, Message, Place, Status
from agent.core.product import Product, Route
from agent.core.record import Aggregate, Event, Record, State
from agent.core.settings import Name, Settings
from agent.encodings._fiware_entities import Entity, Layout, ModelMap, layout, objections
from agent.encodings._records import NoRuns, coarse, coverage, lost, named, steps, stretches, values, windows
from agent.encodings._text import rounded, utc_text

Json = dict[str, Any]
_CONTEXT: Final = (
    "https://raw.githubusercontent.com/smart-data-models/dataModel.{domain}/master/context.jsonld",
    "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
)
# the first of these that any figure of an entity has is the quality of the whole
_WORST: Final = (State.SUPPRESSED, State.NO_DATA, State.UNCERTAIN, State.PARTIAL, State.OK)
_NO_REASON: Final = "none"


class FiwareSettings(Settings):
    """How products appear in FIWARE."""

    group: Annotated[
        str,
        Meta(
            description="API key of the service group of the IoT Agent; a level of each topic, so no secret.",
            pattern=r"^[A-Za-z0-9_-]{1,64}$",
        ),
    ] = "citygate"
    form: Annotated[
        Literal["iot-agent", "ngsi-ld"],
        Meta(description="iot-agent: flat measures; ngsi-ld: whole entities, for what takes them over MQTT."),
    ] = "iot-agent"
    models: Annotated[
        dict[Name, ModelMap],
        Meta(
            description="By product: its model, and which figure is which property; else DeviceMeasurement."
        ),
    ] = field(default_factory=dict)


_USUAL: Final = FiwareSettings()


class Fiware(NoRuns):
    """Writes what a FIWARE platform takes, for one gateway."""

    settings_type: ClassVar[type[Settings]] = FiwareSettings
    late: Late = "in-order"

    def __init__(self, place: Place, settings: FiwareSettings = _USUAL) -> None:
        self._place = place
        self._settings = settings
        self._layouts: dict[str, Layout] = {}

    def objections(self, product: Product) -> Iterator[str]:
        """Say why *product* cannot be told as it is mapped."""
        return objections(product, self._settings.models.get(product.id), self._place)

    def batch(self, product: Product, head: Head, records: Sequence[Record]) -> Sequence[Message]:
        """Encode cleared records: one message for each entity and window, and for each event."""
        found = self._layout(product)
        known = steps(product)
        done: list[Message] = []
        for one in records:
            if isinstance(one, Event):
                done.append(self._event(product, _on(head, len(done)), one, known))
        for figures in windows(records):
            for entity, own in _by_entity(found, figures).items():
                now = _on(head, len(done))
                done.append(self._observed(found, found.entities[entity], now, own, known))
        return done

    def gap(self, product: str, head: Head, losses: Sequence[Loss]) -> Message:
        """Declare what was lost, as attributes of the gateway."""
        told = {"lostProduct": product, "lostMessages": lost(losses), "lostDetails": stretches(losses)}
        return replace(self._gateway(told, "gap"), user=named(self._place.gateway, head, product))

    def birth(self, product: Product, route: Route, head: Head, lid: str) -> Sequence[Message]:
        """Say nothing: devices are provisioned; see ``provision``."""
        del product, route, head, lid
        return ()

    def status(self, status: Status) -> Message:
        """Tell how the gateway does; it is a Device."""
        words = {route.rpartition(".")[2]: word for route, word in status.routes}
        told = {
            "deviceState": status.state,
            "waiting": status.queue.n,
            "clock": status.clock,
            "routes": words,
        }
        return self._gateway(told | {"policy": status.policy, "softwareVersion": status.software}, "status")

    def will(self, lid: str, epoch: int) -> Message:
        """Give what the broker shall say when the gateway vanishes."""
        del lid, epoch
        return self._gateway({"deviceState": "offline"}, "status")

    def topics(self, product: Product | None) -> Sequence[str]:
        """Give the topics of a product's entities, or of the gateway."""
        gateway = Entity(name=self._place.gateway, model="Device", points=(), fixed=_DEVICE)
        entities = [gateway] if product is None else self._layout(product).entities.values()
        return [self._message(one, {}, "batch").topic for one in entities]

    def provision(self, products: Sequence[Product]) -> Mapping[str, Any]:
        """Give the bodies for the IoT Agent's ``/iot/services`` and ``/iot/devices``."""
        group = {
            "apikey": self._settings.group,
            "resource": "/iot/json",
            "entity_type": "DeviceMeasurement",
            "timestamp": True,
            "transport": "MQTT",
            "attributes": [],
        }
        entities = [one for product in products for one in self._layout(product).entities.values()]
        devices = [self._provisioned(one) for one in entities]
        gateway = Entity(name=self._place.gateway, model="Device", points=(), fixed=_DEVICE)
        return {
            "services": {"services": [group]},
            "devices": {"devices": [*devices, self._provisioned(gateway)]},
        }

    def _provisioned(self, entity: Entity) -> Json:
        static = [{"name": name, "type": _ngsi_type(one), "value": one} for name, one in entity.fixed.items()]
        return {
            "device_id": self._device(entity.name),
            "entity_name": entity.urn(self._place),
            "entity_type": entity.model,
            "timestamp": True,  # else the time of arrival would be taken for that of the window
            "transport": "MQTT",
            "attributes": [],  # measures bring their own names and types
            "static_attributes": static,
        }

    def _layout(self, product: Product) -> Layout:
        known = self._layouts.get(product.id)
        if known is None or known.product is not product:
            mapping = self._settings.models.get(product.id)
            known = self._layouts[product.id] = layout(product, mapping, self._place)
        return known

    def _device(self, entity: str) -> str:
        return f"{self._place.site}.{entity}"

    def _observed(
        self,
        found: Layout,
        entity: Entity,
        head: Head,
        figures: Sequence[Aggregate],
        known: Mapping[str, float],
    ) -> Message:
        """Write one window of one entity."""
        first = figures[0]
        begin, end = utc_text(first.start), utc_text(first.start + first.width)
        told: Json = {"dateObserved": begin}
        if found.model.spans:
            told |= {"dateObservedFrom": begin, "dateObservedTo": end}
        told |= _properties(found, entity, figures, known)
        told["window"] = rounded(first.width, 0.001)
        told |= {"epoch": head.epoch, "seq": head.seq}
        if not first.synced:
            told["clock"] = "unsynced"
        user = named(self._place.gateway, head, found.product.id)
        return replace(self._message(entity, told, "batch", at=begin), user=user)

    def _event(self, product: Product, head: Head, event: Event, known: Mapping[str, float]) -> Message:
        told: Json = {
            "eventPoint": event.point,
            "event": event.kind,
            "eventSeverity": event.severity,
            "eventText": event.text[:200],
            "eventTime": utc_text(coarse(event.at, product)),
        }
        if (value := rounded(event.value, known.get(event.point, 0.0))) is not None:
            told["eventValue"] = value
        if not event.synced:
            told["clock"] = "unsynced"
        return replace(self._gateway(told, "event"), user=named(self._place.gateway, head, product.id))

    def _gateway(self, told: Json, kind: str) -> Message:
        entity = Entity(name=self._place.gateway, model="Device", points=(), fixed=_DEVICE)
        return self._message(entity, told, kind)

    def _message(self, entity: Entity, told: Json, kind: str, *, at: str = "") -> Message:
        if self._settings.form == "iot-agent":
            topic = f"/json/{self._settings.group}/{self._device(entity.name)}/attrs"
            # "attrs/{name}" and a missing TimeInstant would be filed under the moment of arrival
            return Message(topic=topic, body=encode(told | ({"TimeInstant": at} if at else {})), kind=kind)
        place = self._place
        context = [one.format(domain=_domain(entity)) for one in _CONTEXT]
        whole = {"id": entity.urn(place), "type": entity.model, **entity.fixed, **told, "@context": context}
        topic = f"ngsi-ld/{place.city}/{place.site}/{place.gateway}/{entity.model}/{entity.name}"
        return Message(topic=topic, body=encode(whole), kind=kind, content_type="application/ld+json")


_DEVICE: Final[Mapping[str, Any]] = {"controlledProperty": ["gatewayState"], "category": ["gateway"]}


def _by_entity(found: Layout, figures: Sequence[Aggregate]) -> dict[str, list[Aggregate]]:
    """Put the figures of one entity together."""
    groups: dict[str, list[Aggregate]] = {}
    for one in figures:
        for entity in dict.fromkeys(slot.entity for slot in found.slots.get(one.point, ())):
            groups.setdefault(entity, []).append(one)
    return groups


def _properties(
    found: Layout, entity: Entity, figures: Sequence[Aggregate], known: Mapping[str, float]
) -> Json:
    """Give the properties of one entity, and how they came about: always, as a broker keeps what it has."""
    told: Json = {}
    states: dict[str, State] = {}
    for one in figures:
        numbers: dict[str, float | None] = dict(values(one, found.product, known.get(one.point, 0.0)))
        numbers["n"] = one.n
        for slot in found.slots[one.point]:
            if slot.entity == entity.name:
                states[slot.name] = one.state
                if (value := slot.value(numbers.get(slot.statistic))) is not None:
                    _put(told, slot.path, value)
    worst = next((one for one in _WORST if one in states.values()), State.OK)
    seen = [share for one in figures if (share := coverage(one)) is not None]
    told["quality"] = str(worst)
    if len(states) > 1:
        told["qualities"] = {name.replace(".", "_"): str(state) for name, state in states.items()}
    told["coverage"] = min(seen, default=0 if worst is State.NO_DATA else 1)
    told["why"] = next((one.why[:32] for one in figures if one.why), _NO_REASON)
    return told


def _put(told: Json, path: Sequence[str], value: float | str) -> None:
    for part in path[:-1]:
        told = told.setdefault(part, {})
    told[path[-1]] = value


def _on(head: Head, by: int) -> Head:
    return replace(head, seq=head.seq + by)


def _domain(entity: Entity) -> str:
    from agent.encodings._smart_models import MODELS

    return MODELS[entity.model].domain if entity.model in MODELS else "Device"


def _ngsi_type(value: object) -> str:
    match value:
        case {"type": "Point"}:
            return "geo:json"
        case bool():
            return "Boolean"
        case int() | float():
            return "Number"
        case str():
            return "Text"
    return "StructuredValue"
