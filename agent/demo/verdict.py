"""Judges what left: each window beside the truth of its product, and the demo as a whole.

What is true of a product is told by a judge of its own; here stands what holds for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from msgspec import Struct

from agent.demo.books import Books

WANTED: Final = 3
_LONG: Final = 10.0  # seconds of a window of which few fit into a demo
_NOT_OK: Final = {"partial": "seen in part", "no_data": "no data"}


class Window(Struct, frozen=True, kw_only=True):
    """One batch message as a consumer reads it: cells by point and column, and each point's unit."""

    product: str
    epoch: int
    seq: int
    start: float
    width: float
    cells: Mapping[str, Mapping[str, Any]]
    units: Mapping[str, str]
    marks: Mapping[str, str] = {}  # the word of each point that is not simply ok

    @property
    def end(self) -> float:
        """Where it ends, in UTC seconds."""
        return self.start + self.width

    def follows(self, other: Window | None) -> bool:
        """Say whether nothing lies between *other* and this one."""
        return other is not None and (self.epoch, self.seq) == (other.epoch, other.seq + 1)

    def cell(self, point: str, column: str) -> Any:  # noqa: ANN401 - a number, None, or what must not be there
        """Give one figure; None if there is none."""
        return self.cells.get(point, {}).get(column)


class Judge(Protocol):
    """Knows the truth of one product; ``usual`` are words that a point may have without a fault."""

    @property
    def usual(self) -> frozenset[str]:
        """Give those words."""
        ...

    def text(self, window: Window) -> str:
        """Write the figures of *window*, and the truth where it is worth a look."""
        ...

    def faults(self, window: Window, before: Window | None) -> Sequence[str]:
        """Name what is not true in *window*; *before* is the message before it, None where one is missing."""
        ...


class Judged(Struct, frozen=True, kw_only=True):
    """One window beside the truth; ``faults`` are sentences, none when all agrees."""

    window: Window
    text: str
    faults: tuple[str, ...]


def judge(books: Books, judges: Mapping[str, Judge]) -> list[Judged]:
    """Judge each batch message of a product that has a judge, in order of arrival."""
    judged: list[Judged] = []
    newest: dict[str, Window] = {}
    for product, batch in books.batches:
        if product not in judges:
            continue
        window = window_of(product, batch, books.births.get(product, {}))
        before = newest.get(product)
        newest[product] = window
        words = sorted({*window.marks.values()} - judges[product].usual)
        faults = [_NOT_OK.get(word, f"it is {word}") for word in words]
        if not faults:
            faults += judges[product].faults(window, before if window.follows(before) else None)
        judged.append(Judged(window=window, text=judges[product].text(window), faults=tuple(faults)))
    return judged


def window_of(product: str, batch: dict[str, Any], birth: dict[str, Any]) -> Window:
    """Read one batch message with the help of its product's birth."""
    cells = {row[0]: dict(zip(batch["c"], row, strict=False)) for row in batch["r"]}
    return Window(
        product=product,
        epoch=batch["e"],
        seq=batch["s"],
        start=datetime.fromisoformat(batch["t"]).timestamp(),
        width=float(batch["w"]),
        cells=cells,
        units={point: one.get("u", "1") for point, one in birth.get("points", {}).items()},
        marks={point: one["q"] for point, one in batch.get("x", {}).items() if point in cells},
    )


def longest_run(judged: Sequence[Judged], product: str) -> int:
    """Count the longest run of a product's messages, numbered without a hole, whose figures all agree."""
    best = run = 0
    before: Judged | None = None
    for one in judged:
        if one.window.product != product:
            continue
        follows = one.window.follows(before.window if before else None)
        run = 0 if one.faults else run + 1 if follows else 1
        best, before = max(best, run), one
    return best


def missing(books: Books, judged: Sequence[Judged], products: Sequence[str]) -> list[str]:
    """Say what the demo was to show and did not; nothing: all is well."""
    said = [f"a message broke the schema: {one}" for one in books.faults[:3]]
    said += [f'no birth of the product "{one}" arrived' for one in products if one not in books.births]
    if books.holes:
        said.append(f"{books.holes} numbered messages never arrived and no gap declared them")
    for product in products:
        if lack := _lack([one for one in judged if one.window.product == product], product):
            said.append(lack)
            said += [
                f"{product}, window {clock(one.window.start)}: {fault}"
                for one in judged
                if one.window.product == product
                for fault in one.faults
            ][:6]
    return said


def _lack(judged: Sequence[Judged], product: str) -> str:
    """Say what one product lacks: three messages in a row that agree with the truth.

    Of long windows, that most of those that were seen whole agree: few fit into a demo.
    """
    whole = [one for one in judged if not _NOT_OK.keys() & {*one.window.marks.values()}]
    if judged and judged[0].window.width >= _LONG:
        agreeing = sum(not one.faults for one in judged)
        if agreeing >= max(1, -(-len(whole) // 2)):
            return ""
        return f"{agreeing} of {len(whole)} whole windows of {product} agree with the truth"
    if (run := longest_run(judged, product)) < WANTED:
        return f"{run} consecutive messages of {product} agree with the truth, {WANTED} are needed"
    return ""


def clock(utc: float) -> str:
    """Write a time of day as this computer's owner reads it."""
    return datetime.fromtimestamp(utc).astimezone().strftime("%H:%M:%S")
