"""Says in words what a product's privacy mode promises, and what it does not; no word more than is true.

The sentences are made from the compiled product, so they cannot differ from what is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from agent.core.point import FEW
from agent.core.product import Privacy, Product
from agent.privacy.laplace import clamped_bias, deviation, reach


def label(privacy: Privacy) -> str:
    """Give the mode and its numbers in a few words, for a table."""
    rounding = f" round {privacy.round}" if privacy.round else ""
    match privacy.mode:
        case "suppress":
            return f"suppress k={privacy.k}{rounding}"
        case "hold":
            return f"hold k={privacy.k}{rounding} to the {privacy.longest}'s end"
        case "dp":
            return f"dp epsilon={privacy.epsilon} S={privacy.sensitivity}{rounding}"
        case "min-sources":
            return f"min-sources {privacy.min_sources}, share {privacy.max_share:g}"
    return "none"


def claim(product: Product) -> str:
    """Give what may be claimed of *product*'s figures; empty when nothing is done to them."""
    privacy = product.privacy
    match privacy.mode:
        case "suppress":
            return f"{_covers(privacy)}; a smaller one, zero too, is withheld, and it is told that it was"
        case "hold":
            return (
                f"{_covers(privacy)}; a smaller one waits for the next windows, at most to the end of the"
                f" site's {privacy.longest}, where it is told as suppressed"
            )
        case "dp":
            return _noise(product)
        case "min-sources":
            return (
                f"every figure is over at least {privacy.min_sources} devices, none of which has more than"
                f" {privacy.max_share * 100:g}% of it; else it is withheld"
            )
    if any(point.scope in FEW for point in product.points):
        return "each figure is the total of one home or workplace over a whole month"
    return ""


def adds_up(products: Sequence[Product]) -> str:
    """Say what a passage loses that several noisy products of one recipient count; empty if only one does."""
    noisy = [one for one in products if one.privacy.mode == "dp"]
    if len(noisy) < 2:
        return ""
    whole = sum((Fraction(one.privacy.epsilon) for one in noisy), Fraction(0))
    names = ", ".join(one.id for one in noisy)
    return f"one passage that {names} all count loses at most epsilon {whole} together"


def _covers(privacy: Privacy) -> str:
    rounding = f", told in multiples of {privacy.round}" if privacy.round else ""
    return f"every published count covers at least {privacy.k} passages (not persons){rounding}"


def _noise(product: Product) -> str:
    privacy, scale = product.privacy, product.privacy.scale
    figures = "figure" if len(product.published) == 1 else "figures"
    said = [
        f"epsilon {privacy.epsilon} for one passage, m times that for somebody who passes m times",
        f"one passage changes the {len(product.published)} {figures} of a window by at most"
        f" {privacy.sensitivity} in all (S, derived from {len(product.points)} counts)",
        f"noise of scale {scale}: standard deviation {deviation(scale):.3g}, 95 of 100 within"
        f" {reach(scale)} either way",
    ]
    if privacy.round:
        said.append(f"rounded to multiples of {privacy.round} after the noise")
    if privacy.clamp:
        said.append(
            f"below zero told as zero, which adds {clamped_bias(scale):.2g} to an empty window on average"
        )
    return "; ".join(said)
