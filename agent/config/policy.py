"""Names a sharing policy by its content: two gateways with the same number share the same things.

Credentials and ways to reach a broker are no part of it: a new password is no new policy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, SupportsFloat

import msgspec

from agent.config.sharing import Sharing
from agent.config.wording import chosen
from agent.core.plan import Grant
from agent.core.product import Product


def canonical_policy(products: Sequence[Product], sharing: Sharing, terms: Mapping[str, Any]) -> bytes:
    """Write the policy so that equal ones are equal bytes; *terms*: owner and purposes."""
    policy: dict[str, Any] = {
        "products": {one.id: _product(one) for one in products},
        "recipients": {
            one.name: {
                "broker": f"{one.host}:{one.port}",
                "encrypted": one.tls is not None,
                "mqtt": one.mqtt,
                "encoding": one.encoding,
                **({"style": style} if (style := chosen(one.style)) else {}),
                "party": one.party,
                "witness": one.witness,
                **({"commands": sorted(one.commands)} if one.commands else {}),
            }
            for one in sharing.recipients
        }
        | {one.name: one for one in sharing.readers},
        "grants": {one.name: _grant(one) for one in sharing.grants},
        "terms": dict(terms),
    }
    return msgspec.json.encode(policy, enc_hook=_plain, order="sorted")


def policy_id(canonical: bytes) -> str:
    """Give the first 12 hex digits of the SHA-256 of the canonical policy."""
    return hashlib.sha256(canonical).hexdigest()[:12]


def _grant(grant: Grant) -> dict[str, Any]:
    """Give the terms; a rate that nobody has set is no term, so policies without one keep their numbers."""
    terms: dict[str, Any] = msgspec.structs.asdict(grant)
    return terms if grant.rate else {name: one for name, one in terms.items() if name != "rate"}


def _product(product: Product) -> dict[str, Any]:
    return {
        "points": sorted(one.name for one in product.points),
        "published": sorted(one.name for one in product.published),
        "steps": [{"use": type(one).__name__, "settings": one} for one in product.steps],
        "window": product.span,
        "statistics": product.statistics,
        "privacy": product.privacy,
        "title": product.title,
        "model": product.model,
    }


def _plain(value: SupportsFloat) -> float:
    """Give durations as numbers: nothing else in a policy is of a type of our own."""
    return float(value)
