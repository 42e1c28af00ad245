"""Compares two plans: what must stop, what must start, what only needs to be told.

Settings are frozen values, so "has it changed?" is ``==``, and whatever is equal is left alone. The start
of the gateway is the same comparison with nothing before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from msgspec import Struct

from agent.core.plan import Link, Plan, Recipient
from agent.core.product import Product

T = TypeVar("T")
_HANDFUL: Final = 5


class Changes(Struct, frozen=True, kw_only=True):
    """What differs between two plans: names that end, settings that begin; a changed one is in both."""

    links_end: tuple[str, ...]
    links_begin: tuple[Link, ...]
    products_end: tuple[str, ...]
    products_begin: tuple[Product, ...]
    recipients_end: tuple[str, ...]
    recipients_begin: tuple[Recipient, ...]
    sharing: bool
    later: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Tell people what changes."""
        parts = [
            _counted(self.links_end, [one.name for one in self.links_begin], "link"),
            _counted(self.products_end, [one.id for one in self.products_begin], "product"),
            _counted(self.recipients_end, [one.name for one in self.recipients_begin], "recipient"),
            "the sharing policy changed" if self.sharing else "",
        ]
        return "; ".join(part for part in parts if part) or "nothing changed"


def differences(old: Plan | None, new: Plan) -> Changes:
    """Give what has to happen so that *new* runs instead of *old* (None: nothing runs yet)."""
    moved = old is not None and old.place != new.place  # every topic changes
    rezoned = old is not None and old.timezone != new.timezone  # every day and month changes
    links = _differ(old.links if old else (), new.links, lambda one: one.name)
    products = _differ(old.products if old else (), new.products, lambda one: one.id, everything=rezoned)
    recipients = _differ(
        old.recipients if old else (), new.recipients, lambda one: one.name, everything=moved
    )
    return Changes(
        links_end=links[0],
        links_begin=links[1],
        products_end=products[0],
        products_begin=products[1],
        recipients_end=recipients[0],
        recipients_begin=recipients[1],
        sharing=old is None
        or (old.policy, old.routes, old.products) != (new.policy, new.routes, new.products)
        or moved,
        later=("[outbox]",) if old is not None and old.outbox != new.outbox else (),
    )


def _differ(
    old: Iterable[T], new: Iterable[T], name: Callable[[T], str], *, everything: bool = False
) -> tuple[tuple[str, ...], tuple[T, ...]]:
    before = {name(one): one for one in old}
    after = {name(one): one for one in new}
    ended = tuple(key for key, one in before.items() if everything or after.get(key) != one)
    begun = tuple(one for key, one in after.items() if everything or before.get(key) != one)
    return ended, begun


def _counted(ended: Iterable[str], begun: Iterable[str], what: str) -> str:
    before, after = set(ended), set(begun)
    groups = (("new", after - before), ("changed", after & before), ("gone", before - after))
    told = [f"{word} {_few(names)}" for word, names in groups if names]
    return f"{what}s: {', '.join(told)}" if told else ""


def _few(names: Iterable[str]) -> str:
    """Name a handful, and count the rest: a line in the log is for people."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:_HANDFUL])
    return shown if len(ordered) <= _HANDFUL else f"{shown} and {len(ordered) - _HANDFUL} more"
