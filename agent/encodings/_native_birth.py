"""What the native format says of a product before its figures come: the birth, in parts when it is large."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, floor
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from agent.core.attested import Attested
from agent.core.message import Head
from agent.core.point import Point
from agent.core.product import Product
from agent.encodings import _native_wire as wire
from agent.encodings._text import rounded, word

_PLACE: Final = 32  # bytes that a part's own place may take
_ENCODER: Final = msgspec.json.Encoder()


def births(product: Product, head: Head, lid: str, *, schema: str, most: int) -> list[wire.Birth]:
    """Describe *product* in parts of *most* bytes, or of a single point each; nearly always there is one."""
    whole = wire.Birth(
        lid=lid,
        e=head.epoch,
        product=product.id,
        model=product.model[:80] or UNSET,
        w=rounded(product.window, 0.001) or 0,
        privacy=_protection(product),
        cages={name: _cage(one) for name, one in head.cages} or UNSET,
        points={},
        schema=schema,
        policy=head.policy,
    )
    dealt = _dealt(product.published, most - len(_ENCODER.encode(whole)) - _PLACE)
    many = len(dealt)
    return [
        msgspec.structs.replace(whole, points=points, part=(n, many) if many > 1 else UNSET)
        for n, points in enumerate(dealt, 1)
    ]


def _dealt(points: Sequence[Point], room: int) -> list[dict[str, wire.About]]:
    """Deal out what is said of *points* so that each part takes *room* bytes at most, or is one point."""
    parts: list[dict[str, wire.About]] = [{}]
    left = room
    for point in points:
        about = _about(point)
        size = len(_ENCODER.encode({point.name: about})) - 1
        if size > left and parts[-1]:
            parts.append({})
            left = room
        parts[-1][point.name] = about
        left -= size
    return parts


def _about(point: Point) -> wire.About:
    names = [point.label[:80]] if point.label else []
    if point.asset:
        names.append(f"asset:{point.asset}"[:80])
    return wire.About(
        u=point.unit[:32],
        kind=word(point.kind),
        prop=point.quantity[:80] or UNSET,
        loc=point.location or UNSET,
        method=point.method[:80] or UNSET,
        acc=_accuracy(point),
        alias=names or UNSET,
        states={str(number): text[:80] for number, text in point.states} or UNSET,
    )


def _cage(attested: Attested) -> wire.Cage:
    return wire.Cage(
        v=attested.version,
        refused=list(attested.refused),
        worked=list(attested.worked) or UNSET,
        dev=attested.unconfined or UNSET,
        model=attested.model[:80],
        sha256=attested.sha256,
    )


def _accuracy(point: Point) -> tuple[float, float, float, int] | UnsetType:
    """Give how right its counts were found to be."""
    found = point.measured
    if found is None:
        return UNSET
    # whole per cents and tens: how many passed in that half hour is nobody's to know more exactly
    low, high = floor(found.low * 100) / 100, ceil(found.high * 100) / 100
    return round(found.accuracy, 2), low, high, found.passages // 10 * 10


def _protection(product: Product) -> wire.Protection:
    privacy = product.privacy
    mode = word(privacy.mode)
    match privacy.mode:
        case "suppress":
            return wire.Protection(mode=mode, k=privacy.k, round=privacy.round or UNSET)
        case "hold":
            return wire.Protection(
                mode=mode, k=privacy.k, round=privacy.round or UNSET, longest=privacy.longest
            )
        case "dp":
            return wire.Protection(
                mode=mode,
                round=privacy.round or UNSET,
                eps=privacy.epsilon,
                sens=privacy.sensitivity,
                clamp=privacy.clamp or UNSET,
            )
        case "min-sources":
            return wire.Protection(mode=mode, sources=privacy.min_sources, share=privacy.max_share)
    return wire.Protection(mode=mode)
