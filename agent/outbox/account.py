"""Gives account of a period: what left, to whom, under which policy; as a sheet of messages or as a page.

It counts what the ledger holds and adds nothing. Of days whose rows have left by retention it gives what is
kept of them: number, bytes and root.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from msgspec import Struct

from agent.core.errors import OutboxError
from agent.outbox.lane import OWN
from agent.outbox.ledger import LedgerRow
from agent.outbox.schema import UNREADABLE, connect_reader
from agent.outbox.spent import Spent

_COLUMNS: Final = (
    "made", "recipient", "product", "policy", "kind", "epoch", "seq", "state", "bytes", "expires", "topic",
    "sha256", "row", "link",
)  # fmt: skip


class Share(Struct, kw_only=True):
    """What one recipient got of one product under one policy."""

    messages: int = 0
    delivered: int = 0
    waiting: int = 0
    erased: int = 0
    size: int = 0
    first: float = 0.0
    last: float = 0.0


class PastDay(Struct, frozen=True, kw_only=True):
    """What is kept of a day whose rows have left: number and bytes of the delivered messages, their root."""

    recipient: str
    product: str
    day: str
    n: int
    size: int
    root: str


Shares = dict[tuple[str, str, str], Share]


def sheet(found: Iterable[LedgerRow], out: TextIO) -> int:
    """Write one row of CSV (RFC 4180) for each message; give their number."""
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    count = 0
    for one in found:
        size = "" if one.body is None else len(one.body)
        writer.writerow(
            (
                _utc(one.made), one.recipient, one.product, one.policy, one.kind, one.epoch, one.seq,
                one.state, size, "" if one.expires is None else _utc(one.expires), one.topic, one.digest,
                one.id, one.link,
            )
        )  # fmt: skip
        count += 1
    return count


def shares(found: Iterable[LedgerRow]) -> Shares:
    """Add up the messages by recipient, product and policy; what was sent to nobody is none."""
    made: Shares = {}
    for one in found:
        if one.state == "noted":
            continue
        share = made.setdefault((one.recipient, one.product, one.policy), Share(first=one.made))
        share.messages += 1
        share.size += len(one.body or b"")
        share.first, share.last = min(share.first, one.made), max(share.last, one.made)
        match one.state:
            case "delivered":
                share.delivered += 1
            case "waiting":
                share.waiting += 1
            case _:
                share.erased += 1
    return made


def past_days(
    path: Path, *, product: str | None = None, recipient: str | None = None,
    since: float | None = None, until: float | None = None,
) -> list[PastDay]:  # fmt: skip
    """List the days of the period whose rows have left; raise OutboxError if the file cannot be read."""
    try:
        with closing(connect_reader(path)) as db:
            query = "SELECT name, day, n, bytes, root FROM day JOIN route ON route=number ORDER BY day, name"
            rows = db.execute(query).fetchall()
    except UNREADABLE as error:
        raise OutboxError(f"{path} cannot be read: {error}") from error
    first = "" if since is None else _utc(since)[:10]
    # a period that ends at midnight does not reach into that day
    last = "9999" if until is None else _utc(until - 0.001)[:10]
    found = []
    for name, day, n, size, root in rows:
        who, _, what = ("", "", "the policy") if name == OWN else name.partition(".")
        if first <= day <= last and recipient in (None, who) and product in (None, what):
            found.append(
                PastDay(recipient=who, product=what, day=day, n=n, size=size, root=bytes(root).hex())
            )
    return found


def page(
    period: str,
    found: Shares,
    days: Iterable[PastDay],
    *,
    policies: Sequence[tuple[float, str, str]] = (),
    noise: Sequence[Spent] = (),
) -> str:
    """Write the account as a page in Markdown; *policies*: when, which, and what became of it."""
    lines = [f"# What left, {period}", ""]
    if not found:
        lines += ["No message of this period is in the ledger.", ""]
    else:
        heads = ("to", "product", "policy", "first (UTC)", "last (UTC)", "messages", "delivered", "waiting",
                 "erased", "bytes")  # fmt: skip
        lines += [_row(heads), _row(["---"] * len(heads))]
        lines += [_row(_cells(*key, share)) for key, share in sorted(found.items())]
        lines += ["", *_LEGEND, ""]
    if policies:
        lines += ["## The policy", "", _row(("when (UTC)", "policy", "what")), _row(["---"] * 3)]
        lines += [*(_row((_utc(at), policy, what)) for at, policy, what in policies), ""]
    if noise:
        lines += ["## Figures with noise", "", *noise_table(noise), "", *NOISE_LEGEND, ""]
    past = list(days)
    if past:
        lines += ["## Days whose messages have left this gateway", ""]
        lines += [_row(("day", "to", "product", "messages", "bytes", "root")), _row(["---"] * 6)]
        lines += [
            _row((one.day, one.recipient, one.product, str(one.n), str(one.size), one.root)) for one in past
        ]
        lines += [
            "",
            "What the city kept of such a day is compared with its root by `ledger match`.",
            "",
        ]
    return "\n".join(lines)


def noise_table(noise: Iterable[Spent]) -> list[str]:
    """Write how often each count was released with noise, in Markdown."""
    return [
        _row(NOISE_HEADS), _row(["---"] * len(NOISE_HEADS)), *(_row(noise_cells(one)) for one in noise)
    ]  # fmt: skip


def noise_cells(one: Spent) -> list[str]:
    """Give the cells of one row under those heads."""
    return [
        one.day, one.policy, one.product, one.point, one.epsilon, str(one.sensitivity), str(one.releases)
    ]  # fmt: skip


NOISE_HEADS: Final = ("day (UTC)", "policy", "product", "count", "epsilon", "S", "releases")
NOISE_LEGEND: Final = (
    "- releases: figures of that count that left with noise of scale S / epsilon, whoever got them.",
    "- One passage falls into one window: it loses at most epsilon, however many windows a day has. Products"
    " that count the same passage add up, and who passes m times loses m times as much.",
)
_LEGEND: Final = (
    "- delivered: the broker has acknowledged it. waiting: it is still to be sent.",
    "- erased: its retention or grant had ended, or it was declared lost; its hash remains.",
    "- policy: under which sharing policy it was made; every message carries the same number.",
)


def _cells(recipient: str, product: str, policy: str, share: Share) -> list[str]:
    counts = (share.messages, share.delivered, share.waiting, share.erased, share.size)
    return [recipient, product, policy, _utc(share.first), _utc(share.last), *map(str, counts)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
