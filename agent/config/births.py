"""Tries to describe each granted product, as its recipient's encoding will at the start of every connection.

A product that an encoding has no room to describe is refused here, with a sentence, and not at the broker.
"""

from __future__ import annotations

from typing import Final

from agent.config.draft import Draft
from agent.config.sharing import Sharing
from agent.core.message import Head, Place
from agent.core.product import Product
from agent.registry import encoder

_LID: Final = "0" * 8
_HEAD: Final = Head(epoch=10**9, seq=0, policy="0" * 12)


def check_births(draft: Draft, place: Place, products: tuple[Product, ...], sharing: Sharing) -> None:
    """Note each granted product whose birth cannot be written."""
    known = {one.id: one for one in products}
    encodings = {one.name: encoder(one, place) for one in sharing.recipients}
    for route in sharing.routes:
        try:
            encodings[route.recipient].birth(known[route.product], route, _HEAD, _LID)
        except ValueError as error:
            message = f'product "{route.product}" cannot be described to "{route.recipient}": {error}'
            hint = "make several products of it, or describe its points in fewer words"
            draft.fault(("product", route.product), message, hint, at_key=True)
