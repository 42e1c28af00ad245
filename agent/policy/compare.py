"""Tells in sentences how one policy differs from another: what is new, what is gone, what is on other terms.

It compares what leaves and on which terms; a password or a device's address is no part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent.core.plan import Plan
from agent.policy.council import cells
from agent.policy.deals import Deal

_TERMS: Final = (
    "party", "title", "points", "window", "statistics", "privacy", "grant", "purpose", "basis", "keep",
    "until", "rate", "enforced_by", "broker", "asks",
)  # fmt: skip


def changes(before: Plan, after: Plan, old: Sequence[Deal], new: Sequence[Deal]) -> list[str]:
    """List what differs; nothing when both policies share the same on the same terms."""
    said = []
    for name in ("owner", "contact", "dpo"):
        was, is_now = getattr(before, name), getattr(after, name)
        if was != is_now:
            said.append(f"~ {name}: {_said(was)} -> {_said(is_now)}")
    former = {(one.recipient, one.product): one for one in old}
    latter = {(one.recipient, one.product): one for one in new}
    said += [f"- {_sentence(one)}" for key, one in former.items() if key not in latter]
    said += [f"+ {_sentence(one)}" for key, one in latter.items() if key not in former]
    for key, one in latter.items():
        if key in former:
            said += _differences(former[key], one)
    if not said and before.policy != after.policy:
        said.append("~ what leaves is the same; steps, purposes or recipients' settings behind it differ")
    return said


def _differences(was: Deal, now: Deal) -> list[str]:
    said = []
    for name in _TERMS:
        one, other = getattr(was, name), getattr(now, name)
        if one == other:
            continue
        if name == "points":
            gone, new = sorted({*one} - {*other}), sorted({*other} - {*one})
            told = ", ".join([*(f"without {x}" for x in gone), *(f"with {x}" for x in new)])
            said.append(f"~ {now.recipient} / {now.product}: points {told or 'in another order'}")
        else:
            word = {
                "keep": "kept for", "enforced_by": "enforced by", "asks": "may ask for", "rate": "at most",
            }.get(name, name)  # fmt: skip
            said.append(f"~ {now.recipient} / {now.product}: {word} {_said(one)} -> {_said(other)}")
    return said


def _sentence(deal: Deal) -> str:
    _, what, fine, rate, privacy, why, basis, until, kept, by = cells(deal)
    most = f", at most {rate}" if deal.rate else ""
    return (
        f"{deal.recipient} gets {what} ({fine}{most}; {privacy}) for {why}, basis {basis}, until {until},"
        f" kept for {kept}, enforced by {by}"
    )


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "nothing"
    return f"{value:.10g} d" if isinstance(value, float) else str(value) or "nothing"
