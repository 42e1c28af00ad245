"""Writes the policy for people who decide on it: a page in Markdown, a table in CSV.

Cells come from files that a city writes; none of them can end a row or begin a formula in a spreadsheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from agent.core.plan import Plan
from agent.policy.deals import BROKER, Deal

HEADS: Final = (
    "who", "gets", "how fine", "at most", "protected by", "why", "basis", "until", "kept for", "enforced by",
)  # fmt: skip
_COLUMNS: Final = (
    "recipient", "party", "product", "title", "points", "window", "statistics", "privacy", "claim", "grant",
    "purpose", "why", "basis", "until", "ended", "keep_days", "rate", "enforced_by", "broker", "policy",
    "may_ask",
)  # fmt: skip


def cells(deal: Deal) -> list[str]:
    """Give what stands in the row of *deal* under ``HEADS``."""
    until = deal.until or "withdrawn"
    return [
        f"{deal.recipient} ({deal.party})" if deal.party else deal.recipient,
        f"{deal.product}: {deal.title}" if deal.title else deal.product,
        " ".join([deal.window, *deal.statistics]),
        deal.rate or "-",
        deal.privacy,
        deal.purpose,
        deal.basis or "-",
        f"{until} (ended)" if deal.ended else until,
        f"{deal.keep:.10g} d",
        deal.enforced_by,
    ]


def page(plan: Plan, deals: Sequence[Deal]) -> str:
    """Write the page for a council: the table, what the words mean, what is promised."""
    place = plan.place
    lines = [f"# What leaves {place.label or place.site}, and who gets it", ""]
    who = ", ".join(one for one in (plan.owner, plan.contact) if one)
    lines += [
        f"City {place.city}, site {place.site}, gateway {place.gateway}. Policy {plan.policy}"
        + (f", decided by {_plain(who)}." if who else "; nobody is named who decided it."),
        "",
    ]
    if not deals:
        return "\n".join([*lines, "Nothing leaves: no grant shares a product with a recipient.", ""])
    lines += [_row(HEADS), _row(["---"] * len(HEADS)), *(_row(cells(one)) for one in deals), ""]
    lines += ["## Why", "", *_once(f"- {one.purpose}: {one.why}" for one in deals), ""]
    if claims := _once(f"- {one.product}: {one.claim}." for one in deals if one.claim):
        lines += ["## What protected figures promise", "", *claims, ""]
    lines += ["## What is in each product", ""]
    lines += _once(f"- {one.product}: {', '.join(one.points)}" for one in deals)
    lines += ["", "## How to read this", "", *_legend(deals), ""]
    return "\n".join(lines)


def sheet(plan: Plan, deals: Iterable[Deal]) -> str:
    """Write the table as CSV (RFC 4180), one row per product and grant."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in deals:
        row = (
            one.recipient, one.party, one.product, one.title, " ".join(one.points), one.window,
            " ".join(one.statistics), one.privacy, one.claim, one.grant, one.purpose, one.why, one.basis,
            one.until, "yes" if one.ended else "no", f"{one.keep:.10g}", one.rate, one.enforced_by,
            one.broker, plan.policy, " ".join(one.asks),
        )  # fmt: skip
        writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def harmless(cell: str) -> str:
    """Keep a spreadsheet from taking text for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _legend(deals: Sequence[Deal]) -> list[str]:
    said = [
        "- at most: so many windows, and so many events, in each minute (m), hour (h) or day (d).",
        "- until: the last day of the grant; `withdrawn`: it is open until somebody takes it back.",
        "- kept for: when the recipient has to delete; what waited here as long is erased too.",
        "- enforced by gateway: after the last day nothing is sent any more.",
    ]
    if any(one.enforced_by == BROKER for one in deals):
        said.append(
            "- enforced by broker: it reads what another recipient gets; only the access list of that"
            " recipient's broker can end it."
        )
    said += [f"- {one}" for one in asking(deals)]
    return said


def asking(deals: Iterable[Deal]) -> list[str]:
    """Say who may ask the gateway for what."""
    asks = {one.recipient: one.asks for one in deals if one.asks}
    return [
        f"{name} may ask the gateway for {' and '.join(verbs)}: of its products, nothing that it has not had"
        " already, nor longer than it may keep it."
        for name, verbs in asks.items()
    ]


def _once(lines: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(_plain(one) for one in lines))


def _row(found: Iterable[str]) -> str:
    return f"| {' | '.join(_plain(one).replace('|', chr(92) + '|') for one in found)} |"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
