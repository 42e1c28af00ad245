"""Asks a device what it is and what it has: names, units, descriptions and texts of its objects.

What an object does not have is left empty: no device has all of these. It reads, and one request at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Final

from drivers.bacnet.ask import Asker
from drivers.bacnet.cells import clean
from drivers.bacnet.facts import DeviceFacts, ObjectFacts
from drivers.bacnet.kinds import ACCUMULATOR, BINARY, MULTI_STATE, POLLED
from drivers.bacnet.names import DEVICE, EVENT_STATE, PROPERTIES, object_type_name
from drivers.bacnet.stack import IAm, RefusedError, Stack
from drivers.bacnet.tags import GarbledError, primitive, tag
from drivers.bacnet.value import Answer, Bits, Fault, ObjectId, Opaque, Ref

_NAME, _DESCRIPTION = PROPERTIES["object-name"], PROPERTIES["description"]
_VENDOR, _MODEL = PROPERTIES["vendor-name"], PROPERTIES["model-name"]
_OBJECTS, _UNITS = PROPERTIES["object-list"], PROPERTIES["units"]
_INACTIVE, _ACTIVE = PROPERTIES["inactive-text"], PROPERTIES["active-text"]
_STATES, _ALARMS = PROPERTIES["state-text"], PROPERTIES["event-enable"]
_SCALE, _HIGHEST = PROPERTIES["scale"], PROPERTIES["max-pres-value"]
_MOST_POWER: Final = 12
_BATCH: Final = 20
"""Objects that are asked for together: what a step of progress is."""


async def survey(
    stack: Stack, one: IAm, progress: Callable[[int, int], None], *, everything: bool = False
) -> DeviceFacts:
    """Learn what the device *one* has; *everything*: objects too whose value is no number.

    *progress* is told how many objects are done, and of how many. Raise SilentError when it falls silent,
    RefusedError when it does not tell its objects.
    """
    asker = Asker(stack, one.peer, one.max_apdu)
    own = ObjectId(DEVICE, one.instance)
    name, vendor, model = await asker.read([Ref(own, known) for known in (_NAME, _VENDOR, _MODEL)])
    listed = await asker.array(Ref(own, _OBJECTS))
    ids = [id_ for id_ in dict.fromkeys(listed) if isinstance(id_, ObjectId) and id_.type != DEVICE]
    chosen = [id_ for id_ in ids if everything or object_type_name(id_.type) in POLLED]
    objects: list[ObjectFacts] = []
    for at in range(0, len(chosen), _BATCH):
        progress(at, len(chosen))
        objects += await _objects(asker, chosen[at : at + _BATCH])
    progress(len(chosen), len(chosen))
    return DeviceFacts(
        instance=one.instance,
        address=str(one.peer),
        name=_text(name),
        vendor=_text(vendor),
        model=_text(model),
        objects=tuple(objects),
    )


async def _objects(asker: Asker, ids: Sequence[ObjectId]) -> list[ObjectFacts]:
    refs = [ref for id_ in ids for ref in _wanted(id_)]
    told = dict(zip(refs, await asker.read(refs), strict=True))
    return [await _object(asker, id_, told) for id_ in ids]


def _wanted(id_: ObjectId) -> Iterator[Ref]:
    kind = object_type_name(id_.type)
    yield Ref(id_, _NAME)
    yield Ref(id_, _DESCRIPTION)
    if kind in BINARY:
        yield Ref(id_, _INACTIVE)
        yield Ref(id_, _ACTIVE)
    elif kind in MULTI_STATE:
        yield Ref(id_, _STATES)
    elif kind in POLLED:
        yield Ref(id_, _UNITS)
    if kind in POLLED:
        yield Ref(id_, _ALARMS)
        yield Ref(id_, EVENT_STATE)
    if kind == ACCUMULATOR:
        yield Ref(id_, _SCALE)
        yield Ref(id_, _HIGHEST)


async def _object(asker: Asker, id_: ObjectId, told: dict[Ref, Answer]) -> ObjectFacts:
    unit, highest = told.get(Ref(id_, _UNITS)), told.get(Ref(id_, _HIGHEST))
    return ObjectFacts(
        type=object_type_name(id_.type),
        instance=id_.instance,
        name=_text(told[Ref(id_, _NAME)]),
        description=_text(told[Ref(id_, _DESCRIPTION)]),
        unit=unit if isinstance(unit, int) and not isinstance(unit, bool) else None,
        states=await _states(asker, id_, told),
        alarms=_alarms(told.get(Ref(id_, _ALARMS)), told.get(Ref(id_, EVENT_STATE))),
        scale=_scale(told.get(Ref(id_, _SCALE))),
        maximum=float(highest) if isinstance(highest, int) else None,
    )


def _alarms(enabled: Answer | None, state: Answer | None) -> bool | None:
    """Say whether an object watches itself: only then its event state ever is anything but normal."""
    if enabled is None:
        return None
    return isinstance(enabled, Bits) and any(enabled.bits) and isinstance(state, int)


def _scale(value: Answer | None) -> float | None:
    """Read an accumulator's scale: a number (tag 0), or a power of ten (tag 1); None if it is neither."""
    if not isinstance(value, Opaque):
        return None
    try:
        found = tag(value.raw, 0)
        content = primitive(value.raw, found._replace(number=4 if found.number == 0 else 3))
    except GarbledError:
        return None
    match content:
        case float() if found.number == 0 and isfinite(content) and content:
            return float(f"{content:.7g}")
        case int() if found.number == 1 and abs(content) <= _MOST_POWER:
            return float(f"1e{content}")
    return None


async def _states(asker: Asker, id_: ObjectId, told: dict[Ref, Answer]) -> tuple[str, ...]:
    """Give the texts of its states; those that are too long for one answer are asked for one by one."""
    if Ref(id_, _INACTIVE) in told:
        return _if_any((_text(told[Ref(id_, _INACTIVE)]), _text(told[Ref(id_, _ACTIVE)])))
    known = told.get(Ref(id_, _STATES))
    if isinstance(known, Fault) and known.kind == "abort":
        try:
            known = await asker.array(Ref(id_, _STATES))
        except RefusedError:
            known = ()
    if known is None or isinstance(known, Fault):
        return ()
    return _if_any(tuple(map(_text, known if isinstance(known, tuple) else (known,))))


def _if_any(texts: tuple[str, ...]) -> tuple[str, ...]:
    return texts if any(texts) else ()


def _text(value: Answer) -> str:
    return clean(value)[:200] if isinstance(value, str) else ""
