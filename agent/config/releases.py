"""Caps into how many figures one protected count goes, over all products and whoever gets them.

Audiences that put together what they have can subtract or average; that each hears a count once does not
hinder them, but a city that releases each count once leaves them nothing to put together.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.config.draft import Draft
from agent.config.sharing import Sharing
from agent.core.product import Product


def check_releases(draft: Draft, products: Sequence[Product], sharing: Sharing, most: int) -> None:
    """Note each granted product with which a count would go into more than *most* figures of a window."""
    if not most:
        return
    granted = {name for one in sharing.grants for name in one.products}
    cells: dict[str, int] = {}
    for product in products:
        if product.id not in granted or product.privacy.mode == "none":
            continue
        for point in product.points:
            cells[point.name] = cells.get(point.name, 0) + len(product.statistics)
        first = max(product.points, key=lambda one: cells[one.name])
        if cells[first.name] > most:
            many = cells[first.name]
            message = f'"{first.name}" goes into {many} figures of a window with product "{product.id}"'
            message += f": max_release_cells is {most}"
            draft.fault(("product", product.id), message, "grant one product of it to all", at_key=True)
