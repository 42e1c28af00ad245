"""Asks a device that speaks SunSpec what it measures and where, and writes the answer as a profile.

The chain of models is walked once, by a person's wish: what a site polls stands in its files and does not
change under it. It refuses what is not there: a point beyond its model's end, or so far from its scale factor
that one request cannot hold both. Source: SunSpec Device Information Model Specification V1.2 (marker, chain,
common model, what counts as not implemented), and the models' public definitions.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct, convert, field

from agent.core.errors import DriverError
from drivers.modbus.identify import text_of
from drivers.modbus.plan import REGISTERS
from drivers.modbus.point import WORDS
from drivers.modbus.request import Answer, Fault, Request

Ask = Callable[[int, int], Awaitable[bytes | None]]
"""Reads holding registers: the first address and how many; None when the device refuses them."""

MARKER: Final = b"SunS"
PLACES: Final = (40000, 50000, 0)
_END: Final = 0xFFFF
_COMMON: Final = 1
_MOST: Final = 64
_MOST_POWER: Final = 10
_MAKER, _MODEL, _VERSION = slice(0, 32), slice(32, 64), slice(80, 96)


class Link(Protocol):
    """What a survey needs of a link."""

    async def ask(self, request: Request, timeout: float | None = None) -> Answer | Fault:  # noqa: ASYNC109
        """Read once; raise DriverError when the connection is lost."""
        ...


class Model(Struct, frozen=True):
    """A model of the chain: its number, the address of the register that holds it, and its own length."""

    id: int
    start: int
    length: int

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.start + 2 + self.length


class Chain(Struct, frozen=True):
    """All that a device said of itself. ``is_whole`` is False if it refused to be read to the end mark."""

    marker: int
    models: tuple[Model, ...]
    maker: str = ""
    model: str = ""
    version: str = ""
    is_whole: bool = True


class Definition(Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a model: points by name, ``at`` and ``factor`` being offsets from its first register.

    ``each`` is the length of what is repeated behind ``first``; 0: nothing is.
    """

    id: int
    kind: str
    length: int
    point: dict[str, dict[str, Any]]
    first: int = 0
    each: int = 0


class Found(Struct):
    """A point of the profile to be, with keys as in TOML; or why it was left out."""

    name: str
    keys: dict[str, Any] = field(default_factory=dict)
    without: str = ""


async def survey(link: Link, unit: int, facts: Sequence[Mapping[str, Any]], *, name: str) -> str:
    """Ask *unit* and write the profile called *name*; raise DriverError when it does not speak SunSpec.

    *facts* are the models' definitions as they stand in ``config/sunspec``.
    """

    async def ask(start: int, count: int) -> bytes | None:
        reply = await link.ask(Request(unit, "holding", start, count))
        if isinstance(reply, Answer):
            return reply.data
        if reply.silent:
            raise DriverError(f"unit {unit} did not answer; is the number right?")
        return None

    told = await described(ask, facts)
    if told is None:
        places = ", ".join(str(place) for place in PLACES)
        raise DriverError(f"unit {unit} does not speak SunSpec: no marker at {places}")
    return profile(*told, name=name)


async def described(ask: Ask, facts: Sequence[Mapping[str, Any]]) -> tuple[Chain, list[Found]] | None:
    """Give what a device says of itself and the points that follow; None if there is no SunSpec here."""
    chain = await discover(ask)
    if chain is None:
        return None
    found = list(points(chain, {one.id: one for one in (convert(fact, Definition) for fact in facts)}))
    for one in found:
        await _add_rollover(ask, one.keys)
    return chain, found


async def discover(ask: Ask) -> Chain | None:
    """Look for the marker and walk the models; None if there is no SunSpec here."""
    for place in PLACES:
        if await ask(place, 2) == MARKER:
            return await _walk(ask, place)
    return None


async def _walk(ask: Ask, marker: int) -> Chain:
    models: list[Model] = []
    at, is_whole = marker + 2, False
    while len(models) < _MOST and at < _END:
        head = await ask(at, 2)
        if head is None:
            break
        number, length = int.from_bytes(head[:2], "big"), int.from_bytes(head[2:], "big")
        if number == _END:
            is_whole = True
            break
        if not number or at + 2 + length > _END:
            break  # no model has number 0, and none reaches beyond the address space
        models.append(Model(number, at, length))
        at = models[-1].end
    texts = await _common(ask, models)
    return Chain(marker, tuple(models), *texts, is_whole=is_whole)


async def _common(ask: Ask, models: Sequence[Model]) -> tuple[str, str, str]:
    """Read who made the device; the serial number is nobody's business here."""
    common = next((one for one in models if one.id == _COMMON and one.length >= 48), None)
    data = await ask(common.start + 2, 48) if common else None
    if data is None:
        return "", "", ""
    return text_of(data[_MAKER]), text_of(data[_MODEL]), text_of(data[_VERSION])


def points(chain: Chain, definitions: Mapping[int, Definition]) -> Iterator[Found]:
    """Give the points of all models that are known; names of a second meter begin with ``meter_``."""
    used: set[str] = set()
    for model in chain.models:
        known = definitions.get(model.id)
        if known is None:
            continue
        repeats = _repeats(known, model)
        prefix = _prefix(
            known.kind, [f"{name}{suffix}" for name in known.point for suffix, _ in repeats], used
        )
        for name, own in known.point.items():
            for suffix, shift in repeats:
                found = _point(f"{prefix}{name}{suffix}", own, model, shift)
                used.add(found.name)
                yield found


def _prefix(kind: str, names: Sequence[str], used: set[str]) -> str:
    """Give what makes *names* new."""
    prefix, number = "", 1
    while any(f"{prefix}{name}" in used for name in names):
        prefix = f"{kind}_" if number == 1 else f"{kind}{number}_"
        number += 1
    return prefix


def _repeats(known: Definition, model: Model) -> list[tuple[str, int]]:
    """List the suffix and the offset of each repetition; one without either where nothing is repeated."""
    if not known.each:
        return [("", 0)]
    count = (model.length + 2 - known.first) // known.each
    return [(f"_s{number + 1}", known.first + number * known.each) for number in range(count)]


def _point(name: str, own: Mapping[str, Any], model: Model, shift: int) -> Found:
    """Put a definition's point at its address."""
    keys = dict(own)
    at, factor = shift + keys.pop("at"), keys.pop("factor", None)
    size = WORDS[keys["type"]]
    if at + size > 2 + model.length or (factor is not None and factor >= 2 + model.length):
        return Found(name, without=f"model {model.id} is shorter here")
    first, last = (at, at + size) if factor is None else (min(at, factor), max(at + size, factor + 1))
    if last - first > REGISTERS:
        return Found(name, without="it lies too far from its scale factor for one request")
    place = {"addr": model.start + at}
    return Found(name, place | ({} if factor is None else {"scale_addr": model.start + factor}) | keys)


async def _add_rollover(ask: Ask, keys: dict[str, Any]) -> None:
    """Say where a 32-bit counter starts again, by the power of ten that it has today."""
    if keys.get("kind") != "counter" or keys["type"] != "u32" or "scale_addr" not in keys:
        return
    register = await ask(keys["scale_addr"], 1)
    power = int.from_bytes(register, "big", signed=True) if register else -0x8000
    if abs(power) <= _MOST_POWER:
        keys["rollover"] = float(f"{2**32 * keys.get('scale', 1) * 10.0**power:.12g}")


def profile(chain: Chain, found: Sequence[Found], *, name: str) -> str:
    """Write the profile called *name* (vendor/model) as TOML; raise DriverError if nothing in it is known."""
    if not any(one.keys for one in found):
        numbers = ", ".join(str(one.id) for one in chain.models) or "none"
        raise DriverError(f"it speaks SunSpec, but none of its models is known here: {numbers}")
    numbers = ", ".join(str(one.id) for one in chain.models)
    parts = [
        f"# Written from what the device says of itself by SunSpec: models {numbers}.",
        *([] if chain.is_whole else ["# Its chain of models has no end mark: there may be more."]),
        "",
        "[profile]",
        f"id = {_toml(name)}",
        f"vendor = {_toml(chain.maker)}",
        f"model = {_toml(chain.model)}",
        'protocol = "modbus"',
        'sources = ["the device itself, by SunSpec", "SunSpec model definitions"]',
        f"verified = {_toml(f'by the device itself {chain.version}'.rstrip())}",
        "",
        "[identify]",
        f'marker = {{ addr = {chain.marker}, type = "u32", values = [0x{MARKER.hex()}] }}',
        *_identity(chain),
        "",
        *_papers(chain),
    ]
    for one in found:
        if one.keys:
            lines = [f"{key} = {_toml(value)}" for key, value in one.keys.items()]
            parts += [f"[point.{one.name}]", *lines, ""]
        else:
            parts += [f"# {one.name} is left out: {one.without}", ""]
    return "\n".join(parts).rstrip("\n") + "\n"


def _identity(chain: Chain) -> list[str]:
    """Write checks for maker and model, where the common model stands where it should."""
    first = chain.models[0]
    if first.id != _COMMON:
        return []
    checks = [("maker", 2, chain.maker), ("model", 18, chain.model)]
    return [
        f"{key} = {{ addr = {first.start + at}, text = [{_toml(text)}], words = 16 }}"
        for key, at, text in checks
        if text
    ]


def _papers(chain: Chain) -> list[str]:
    """Say where the common model holds the version and the serial number: each device tells its own."""
    first = chain.models[0]
    if first.id != _COMMON:
        return []
    return [
        "[defaults]",
        f"firmware = {{ addr = {first.start + 42}, words = 8 }}",
        f"serial = {{ addr = {first.start + 50}, words = 16 }}",
        "",
    ]


def _toml(value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(one) for one in value)}]"
    return str(value)
