"""Which entities a product becomes, and which figure is which of their properties: once for each plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from msgspec import Meta, Struct, field

from agent.core.message import Place
from agent.core.point import Point
from agent.core.product import Product
from agent.core.settings import Settings
from agent.core.units import commensurable, convert, convert_difference
from agent.encodings._smart_models import MODELS, Model, Property

PLAIN: Final = "DeviceMeasurement"
_COUNTED: Final = "n"  # not a statistic, but told beside them


class ModelMap(Settings):
    """How one product becomes entities of a Smart Data Model."""

    model: Annotated[str, Meta(description="Name of the model: CrowdFlowObserved.")]
    map: Annotated[
        dict[str, str],
        Meta(
            description='Property: figure; as the last part of a point, and a statistic: "power.mean".',
            min_length=1,
        ),
    ]
    fixed: Annotated[dict[str, Any], Meta(description="Properties that stay the same: laneId, category.")] = (
        field(default_factory=dict)
    )


class Slot(Struct, frozen=True):
    """Where one figure goes: which property of which entity, and how it must be there."""

    entity: str
    path: tuple[str, ...]
    statistic: str
    unit: str
    wanted: Property

    @property
    def name(self) -> str:
        """The property, with its part if it has parts."""
        return ".".join(self.path)

    def value(self, number: float | None) -> float | str | None:
        """Express a figure as the property wants it."""
        if self.wanted.words:
            low, high, none = self.wanted.words
            return none if number is None else (high if number >= 0.5 else low)
        if number is None:
            return None
        if self.unit and self.wanted.unit and self.unit != self.wanted.unit:
            change = convert_difference if self.statistic == "delta" else convert
            number = float(f"{change(number, self.unit, self.wanted.unit):.9g}")
        elif self.unit == "%" and not self.wanted.unit:
            number = float(f"{number / 100:.9g}")
        whole = round(number)
        return whole if self.wanted.is_whole or number == whole else number


class Entity(Struct, frozen=True, kw_only=True):
    """One entity: its name, its model, and the points that make it up."""

    name: str
    model: str
    points: tuple[Point, ...]
    fixed: Mapping[str, Any]

    def urn(self, place: Place) -> str:
        """Give its id in NGSI-LD."""
        return f"urn:ngsi-ld:{self.model}:{place.city}:{place.site}:{self.name.replace('/', ':')}"


class Layout(Struct, frozen=True, kw_only=True):
    """The entities of a product, and the slots of each point."""

    product: Product
    model: Model
    entities: Mapping[str, Entity]
    slots: Mapping[str, tuple[Slot, ...]]


def layout(product: Product, mapping: ModelMap | None, place: Place) -> Layout:
    """Work out the entities of *product*; what no property takes is not told."""
    name = mapping.model if mapping else PLAIN
    model = MODELS.get(name, MODELS[PLAIN])
    slots: dict[str, list[Slot]] = {}
    points: dict[str, list[Point]] = {}
    for point in product.published:
        found = _mapped(point, mapping, model) if mapping else _plain(point, product, model)
        for slot in found:
            owned = Slot(f"{product.id}.{slot.entity}", slot.path, slot.statistic, slot.unit, slot.wanted)
            slots.setdefault(point.name, []).append(owned)
            points.setdefault(owned.entity, []).append(point)
    entities = {
        entity: Entity(
            name=entity, model=name, points=tuple(own), fixed=_fixed(mapping, own[0], product, place, entity)
        )
        for entity, own in points.items()
    }
    return Layout(
        product=product,
        model=model,
        entities=entities,
        slots={point: tuple(found) for point, found in slots.items()},
    )


def objections(product: Product, mapping: ModelMap | None, place: Place) -> Iterator[str]:
    """Say what is wrong with a mapping, and what its model would not take."""
    if mapping is None:
        return
    model = MODELS.get(mapping.model)
    if model is None:
        yield f'no model is called "{mapping.model}"; there are {", ".join(MODELS)}'
        return
    lasts = {one.name.rpartition(".")[2]: one for one in product.published}
    for name, figure in mapping.map.items():
        wanted = model.properties.get(name)
        last, _, statistic = figure.rpartition(".")
        if wanted is None:
            has = ", ".join(model.properties)
            yield f'{mapping.model} has no property "{name}" for figures; it has {has}'
        elif last not in lasts:
            yield f'"{figure}": no point of "{product.id}" ends with "{last}"; there are {", ".join(lasts)}'
        elif statistic not in (*product.statistics, _COUNTED):
            has = ", ".join(product.statistics)
            yield f'"{figure}": product "{product.id}" has no "{statistic}"; it has {has}'
        else:
            yield from _misfits(product, lasts[last], statistic, name, wanted)
    located = place.location or all(one.location for one in product.published)
    for need in model.needs:
        if need not in mapping.fixed and not (need == "location" and located):
            where = "a location for the site or its devices, or " if need == "location" else ""
            yield f'{mapping.model} needs "{need}": write {where}fixed = {{ {need} = ... }}'


def _misfits(product: Product, point: Point, statistic: str, name: str, wanted: Property) -> Iterator[str]:
    is_number = statistic in (_COUNTED, "share") or wanted.words is not None
    if wanted.unit and not is_number and not commensurable(point.unit, wanted.unit):
        yield f'"{name}" is in {wanted.unit}, but "{point.name}" in {point.unit}'
    if wanted.least == 0 and product.privacy.mode == "dp" and not product.privacy.clamp:
        yield f'"{name}" may not be below zero, but noise makes it so: write clamp = true in its privacy'


def _mapped(point: Point, mapping: ModelMap, model: Model) -> Iterator[Slot]:
    entity, _, last = point.name.rpartition(".")
    for name, figure in mapping.map.items():
        wanted = model.properties.get(name)
        ending, _, statistic = figure.rpartition(".")
        if wanted is not None and ending == last:
            unit = "" if statistic in (_COUNTED, "share") else point.unit
            yield Slot(entity, tuple(name.split(".")), statistic, unit, wanted)


def _plain(point: Point, product: Product, model: Model) -> Iterator[Slot]:
    """Give each figure an entity of its own."""
    for statistic in product.statistics:
        yield Slot(f"{point.name}.{statistic}", ("numValue",), statistic, "", model.properties["numValue"])


def _fixed(
    mapping: ModelMap | None, point: Point, product: Product, place: Place, entity: str
) -> Mapping[str, Any]:
    told: dict[str, Any] = dict(mapping.fixed) if mapping else {}
    if not mapping:
        told["controlledProperty"] = point.quantity or point.name.rpartition(".")[2]
        told["unit"] = point.unit
        told["measurementType"] = entity.rpartition(".")[2]
    if (where := point.location or place.location) and "location" not in told:
        told["location"] = {"type": "Point", "coordinates": list(where)}
    if product.title:
        told.setdefault("description", product.title)
    return told
