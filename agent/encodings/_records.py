"""How records become messages on any platform: events one by one, then windows, oldest first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from agent.core.message import Head, Loss, Message, Previous
from agent.core.product import Product
from agent.core.record import Aggregate, Event, Record, State
from agent.encodings._text import day_floor, rounded

SOFT: Final = 16 * 1024
"""Bytes above which a window is split."""
_CALENDAR: Final = frozenset({"day", "week", "month"})
_MOST_LOSSES: Final = 100
_SHARE: Final = 0.0001  # a share lies between 0 and 1 whatever the point's own steps are

WriteWindow = Callable[[Sequence[Aggregate], Head], Message]
WriteEvent = Callable[[Event, Head], Message]


class NoRuns:
    """An encoding whose platform has no place for the start of a run, nor for a date that is learnt later.

    What was filed under a wrong time says so, or is overwritten by the next window.
    """

    def start(self, product: str, head: Head, previous: Previous | None) -> Message | None:
        """Say nothing: the numbers in each message show where a run begins."""
        del product, head, previous
        return None

    def time(self, product: str, head: Head, offset: float) -> Message | None:
        """Say nothing."""
        del product, head, offset
        return None


def messages_of(
    records: Sequence[Record], head: Head, *, window: WriteWindow, event: WriteEvent, soft: int = SOFT
) -> list[Message]:
    """Write events and windows, numbered from ``head.seq`` on; a window above *soft* bytes in parts.

    Where the broker takes less than *soft*, that counts.
    """
    soft = within(head, soft)
    done: list[Message] = []
    for one in records:
        if isinstance(one, Event):
            done.append(event(one, _numbered(head, len(done))))
    for figures in windows(records):
        done.extend(_parts(figures, _numbered(head, len(done)), window, soft))
    return done


def within(head: Head, usual: int = SOFT) -> int:
    """Give the bytes of a body above which it is split: *usual*, or fewer where the broker takes less."""
    return min(usual, head.most or usual)


def windows(records: Sequence[Record]) -> list[list[Aggregate]]:
    """Put the figures of one window together; oldest window first."""
    groups: dict[tuple[float, float, bool], list[Aggregate]] = {}
    for one in records:
        if isinstance(one, Aggregate):
            groups.setdefault((one.start, one.width, one.synced), []).append(one)
    return [groups[key] for key in sorted(groups)]


def coarse(at: float, product: Product) -> float:
    """Round an event's time down to the product's window, so that it tells no more than figures do."""
    if not product.window:
        return at
    if product.span in _CALENDAR:
        return day_floor(at)
    return at // product.window * product.window


def steps(product: Product) -> dict[str, float]:
    """Give the resolutions of the product's points by name."""
    return {one.name: one.resolution for one in (*product.points, *product.published)}


def values(figure: Aggregate, product: Product, step: float) -> Iterator[tuple[str, int | float | None]]:
    """Give the statistics of a figure by name, rounded to the point's *step*."""
    for name, value in zip(product.statistics, figure.values, strict=True):
        yield name, rounded(value, _SHARE if name == "share" else step)


def coverage(figure: Aggregate) -> float | None:
    """Give the share of the window that was seen, where it is worth telling.

    It is rounded down, so that "partly seen" never reads as seen in full.
    """
    if figure.coverage >= 1 or figure.state in (State.OK, State.NO_DATA):
        return None
    return int(max(0.0, min(1.0, figure.coverage)) * 100) / 100


def named(gateway: str, head: Head, product: str) -> tuple[tuple[str, str], ...]:
    """Give the User Properties of a message: its id, the same on every platform, and the policy."""
    return (("id", f"{gateway}/{head.epoch}/{product}/{head.seq}"), ("policy", head.policy))


def stretches(losses: Sequence[Loss]) -> list[dict[str, int | str | None]]:
    """Give losses as plain values: which messages will never come, and why; a hundred at most."""
    return [
        {"why": one.why, "epoch": one.epoch, "from": one.first, "to": one.last, "n": one.count}
        for one in losses[:_MOST_LOSSES]
    ]


def lost(losses: Sequence[Loss]) -> int:
    """Give the number of messages that are known to be lost."""
    return sum(one.count for one in losses if one.count is not None)


def _parts(figures: Sequence[Aggregate], head: Head, write: WriteWindow, soft: int) -> Iterator[Message]:
    made = write(figures, head)
    if len(made.body) <= soft or len(figures) == 1:
        yield made
        return
    half = (len(figures) + 1) // 2
    first = list(_parts(figures[:half], head, write, soft))
    yield from first
    yield from _parts(figures[half:], _numbered(head, len(first)), write, soft)


def _numbered(head: Head, by: int) -> Head:
    return replace(head, seq=head.seq + by)
