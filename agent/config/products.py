"""Compiles products: which points enter, which steps they pass, what is published, and how it is protected.

It refuses a product with no way out, a statistic that fits none of its points, and personal points without
protection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from msgspec import Struct, to_builtins

from agent.config import tables
from agent.config.draft import Draft
from agent.config.hints import measure_hint, nearest
from agent.config.links import Links
from agent.config.protection import Guarding, Way
from agent.config.spans import Path
from agent.config.widths import width
from agent.core.duration import Duration
from agent.core.plan import Matched
from agent.core.point import Kind, Point
from agent.core.product import Product, Statistic
from agent.core.step import Step

FITS: Final[Mapping[Kind, tuple[Statistic, ...]]] = {
    Kind.GAUGE: ("mean", "min", "max", "last"),
    Kind.COUNTER: ("delta", "last"),
    Kind.COUNT: ("sum",),
    Kind.STATE: ("share", "last", "min", "max"),
}
WINDOW: Final = "window"
COMBINE: Final = "combine"
OF_THE_PRODUCT: Final = {
    WINDOW: ("the window is a key of the product, not a step", 'write window = "15m"'),
    COMBINE: ("combining is a key of the product, not a step", 'write combine = { name = "..." }'),
}
EVENTFUL: Final = ("threshold", "transition")
COMBINABLE: Final = ("sum", "delta", "mean")


class Placed(Struct, frozen=True):
    """A step, its name in TOML and where it stands; without the step itself when that has a fault."""

    use: str
    step: Step | None
    path: Path


def compile_products(draft: Draft, links: Links) -> tuple[Product, ...]:
    """Compile ``[product.*]`` and the ``[pipeline.*]`` that they share."""
    shared = {name: _pipeline(draft, name, table) for name, table in draft.named("pipeline")}
    made, used = [], []
    for name, table in draft.named("product"):
        made.append(_Product(draft, name, table, links).make(shared))
        used.append(table.get("pipeline"))
    for name in (one for one in shared if one not in used):
        draft.warn(("pipeline", name), f'no product uses pipeline "{name}"')
    return tuple(one for one in made if one is not None)


def _pipeline(draft: Draft, name: str, table: Mapping[str, Any]) -> list[Placed]:
    path: Path = ("pipeline", name)
    written = draft.settings(table, tables.Pipeline, draft.where(path))
    return _steps(draft, written.steps, (*path, "steps")) if written else [Placed("", None, path)]


def _steps(draft: Draft, written: Sequence[dict[str, Any]], path: Path) -> list[Placed]:
    return [_step(draft, table, (*path, index)) for index, table in enumerate(written)]


def _step(draft: Draft, table: Mapping[str, Any], path: Path) -> Placed:
    use = draft.word(table, "use", path)
    if use is None:
        return Placed("", None, path)
    if use in OF_THE_PRODUCT:
        draft.fault((*path, "use"), *OF_THE_PRODUCT[use])
        return Placed(use, None, path)
    kind = draft.plugin("step", use, (*path, "use"))
    made = kind and draft.settings(table, kind, draft.where(path), head=tables.StepHead)
    return Placed(use, cast("Step | None", made), path)


class _Product:
    """One product on its way."""

    def __init__(self, draft: Draft, name: str, table: Mapping[str, Any], links: Links) -> None:
        self._draft = draft
        self._name = name
        self._path: Path = ("product", name)
        self._before = len(draft.faults)
        # what is right is checked on although a key is wrong; nothing is said of what depends on that key
        self._written, self._bad = draft.salvage(table, tables.Product, self._path, {"from": ["?"]})
        self._links = links
        self._all_found = True

    def make(self, shared: Mapping[str, list[Placed]]) -> Product | None:
        """Give the compiled product; None, and faults noted, when there are any."""
        points = self._points()
        placed = self._placed(shared)
        seconds = self._window(placed)
        self._check_cells(points, seconds)
        published = self._published(points, placed)
        privacy = Guarding(self._draft, self._path, self._written, self._bad).compile(
            Way(points, tuple(one.step for one in placed), published), whole=self._all_found
        )
        if self._written.window and published is not None and self._all_found:
            self._check_statistics(published)
        if len(self._draft.faults) > self._before or published is None or not points:
            return None
        written = self._written
        return Product(
            id=self._name,
            points=points,
            published=published,
            steps=tuple(one.step for one in placed if one.step is not None),
            window=seconds,
            span=written.window,
            statistics=written.statistics,
            privacy=privacy,
            title=written.title,
            model=written.model,
        )

    def _fault(self, key: str, message: str, hint: str = "", *inside: str | int) -> None:
        path = (*self._path, key, *inside)
        self._draft.fault(path, message, hint)

    def _points(self) -> tuple[Point, ...]:
        found: dict[str, Point] = {}
        for index, wish in enumerate(() if "from" in self._bad else self._written.from_):
            matching = {name: one for name, one in self._meant(wish).items() if _matches(wish, one)}
            if not matching:
                self._all_found = False  # what else is said of its points would be half of the truth
                self._refuse_wish(index, wish)
            self._draft.matched.append(Matched(product=self._name, wish=_spelt(wish), points=tuple(matching)))
            found.update(matching)
        return tuple(found.values())

    def _meant(self, wish: str | tables.Select) -> Mapping[str, Point]:
        """Give the points among which *wish* chooses: one, those of its device, or all."""
        name = wish if isinstance(wish, str) else wish.name
        if "*" not in name:
            return {name: self._links.points[name]} if name in self._links.points else {}
        holder, dot, _ = name.partition(".")
        return self._links.points if not dot or "*" in holder else self._links.held.get(holder, {})

    def _refuse_wish(self, index: int, wish: str | tables.Select) -> None:
        """Note that nothing matches, unless the point may belong to what has faults of its own."""
        if not self._draft.is_whole:
            return
        if isinstance(wish, tables.Select):
            if not self._links.broken:
                self._fault("from", "no point is like that", "", index)
            return
        holder = wish.partition(".")[0]
        if holder in self._links.broken or ("*" in holder and self._links.broken):
            return
        known = [*self._links.points]
        if "*" not in holder and not any(one.startswith(f"{holder}.") for one in known):
            holders = {one.partition(".")[0] for one in known} | self._links.broken
            self._fault("from", f'no device is called "{holder}"', nearest(holder, holders), index)
            return
        within = [one for one in known if one.startswith(f"{holder}.")] or known
        what = f'no point matches "{wish}"' if "*" in wish else f'no point is called "{wish}"'
        self._fault("from", what, nearest(wish, within), index)

    def _placed(self, shared: Mapping[str, list[Placed]]) -> list[Placed]:
        placed = []
        name = self._written.pipeline
        if name and name not in shared:
            message = f'no pipeline is called "{name}"'
            self._draft.dangling((*self._path, "pipeline"), message, name, shared)
            placed.append(Placed("", None, (*self._path, "pipeline")))
        placed += shared.get(name, [])
        placed += _steps(self._draft, self._written.steps, (*self._path, "steps"))
        if self._written.window:
            placed.append(self._window_step())
        if self._written.combine is not None:
            placed.append(self._combine_step(self._written.combine))
        return placed

    def _combine_step(self, table: Mapping[str, Any]) -> Placed:
        """Make the step after the window."""
        path = (*self._path, COMBINE)
        if not self._written.window and "window" not in self._bad:
            self._draft.fault(path, '"combine" means nothing without a window', at_key=True)
        for index, one in enumerate(self._written.statistics):
            if one not in COMBINABLE:
                allowed = ", ".join(COMBINABLE)
                self._fault("statistics", f'"{one}" cannot be combined', f"it can be: {allowed}", index)
        kind = self._draft.plugin("step", COMBINE, path)
        made = kind and self._draft.settings(table, kind, self._draft.where(path))
        return Placed(COMBINE, cast("Step | None", made), path)

    def _window_step(self) -> Placed:
        """Make the last step of the product's own keys."""
        path = (*self._path, "window")
        written = self._written
        # "last" fits whatever else may be wrong here: missing statistics are noted elsewhere
        table: dict[str, Any] = {"length": written.window, "statistics": list(written.statistics) or ["last"]}
        if written.late is not None:
            table["late"] = str(written.late)
        if written.coverage is not None:
            table["coverage"] = written.coverage
        try:
            width(written.window)
        except ValueError as error:
            self._draft.fault(path, str(error), _window_hint(written.window))
            return Placed(WINDOW, None, path)
        kind = self._draft.plugin("step", WINDOW, path)
        keys = {"length": "window", "statistics": "statistics", "late": "late", "coverage": "coverage"}
        where = self._draft.where(self._path)
        made = kind and self._draft.settings(
            table, kind, lambda inside: where((keys[str(inside[0])], *inside[1:]) if inside else ("window",))
        )
        return Placed(WINDOW, cast("Step | None", made), path)

    def _window(self, placed: Sequence[Placed]) -> float:
        """Check that window and statistics go together; give the width in seconds, 0 for events alone."""
        written = self._written
        if written.window:
            if not written.statistics and "statistics" not in self._bad:
                self._draft.fault(self._path, 'missing key "statistics": a window needs some', at_key=True)
            try:
                return width(written.window)
            except ValueError:
                return 0.0  # has been noted where the step was made
        if "window" in self._bad:
            return 0.0
        for key, value in (("late", written.late), ("coverage", written.coverage)):
            if value is not None:
                self._draft.fault((*self._path, key), f'"{key}" means nothing without a window', at_key=True)
        if written.statistics:
            self._draft.fault(
                (*self._path, "statistics"), "statistics mean nothing without a window", at_key=True
            )
        is_unclear = not self._bad.isdisjoint({"steps", "pipeline"})
        if not is_unclear and all(one.step is not None and one.use not in EVENTFUL for one in placed):
            message = f'product "{self._name}" has no way out: samples themselves never leave'
            hint = f'write window = "15m", or use the step "{EVENTFUL[0]}" or "{EVENTFUL[1]}"'
            self._draft.fault(self._path, message, hint, at_key=True)
        return 0.0

    def _published(self, points: tuple[Point, ...], placed: Sequence[Placed]) -> tuple[Point, ...] | None:
        """Send the points' descriptions through the steps; None when a step is missing or cannot work."""
        if not points or any(one.step is None for one in placed):
            return None
        for one in placed:
            assert one.step is not None
            try:
                points = one.step.points(points)
            except ValueError as error:
                elsewhere = f' (in product "{self._name}")' if one.path[0] == "pipeline" else ""
                self._draft.fault(one.path, f"{error}{elsewhere}")
                return None
        return points

    def _check_statistics(self, published: Sequence[Point]) -> None:
        statistics = self._written.statistics
        kinds = {one.kind for one in published}
        for index, one in enumerate(statistics):
            if one in statistics[:index]:
                self._fault("statistics", f'"{one}" stands twice', "", index)
            elif not any(one in FITS[kind] for kind in kinds):
                able = " or ".join(kind for kind in Kind if one in FITS[kind])
                has = " and ".join(sorted(kinds))
                self._fault("statistics", f'"{one}" needs points of kind {able}; here: {has}', "", index)
        for point in published:
            if statistics and not any(one in FITS[point.kind] for one in statistics):
                fits = ", ".join(FITS[point.kind])
                message = f'none of the statistics fits "{point.name}", a {point.kind}'
                self._draft.fault((*self._path, "statistics"), message, f"it can have: {fits}")

    def _check_cells(self, points: Sequence[Point], seconds: float) -> None:
        """Note a window that would cut a stretch of time that comes summed up."""
        summed = [one for one in points if one.cell]
        if not summed or "window" in self._bad or "from" in self._bad:
            return
        if not seconds and not self._written.window:
            if any(one.personal for one in summed):
                message = f'"{summed[0].name}" is a sum over time: the product needs a window'
                self._draft.fault(self._path, message, 'write window = "15m"', at_key=True)
            return
        for one in summed:
            if seconds % one.cell:
                message = f'"{one.name}" comes by {one.cell:g} s: a window must be a whole number of that'
                self._fault("window", message)
                return


def _window_hint(text: str) -> str:
    """Give the width that somebody meant who wrote ``15`` or ``15 min``."""
    return f'did you mean "{text}m"?' if text.isdigit() else measure_hint(text, Duration)


def _spelt(wish: str | tables.Select) -> str:
    """Write a wish on one line, as it stands in the file."""
    if isinstance(wish, str):
        return wish
    given = to_builtins(wish, order="deterministic")
    keys = {key: one for key, one in given.items() if one and (key, one) != ("name", "*")}
    return ", ".join(
        f"{key} = {' '.join(one) if isinstance(one, list) else one}" for key, one in keys.items()
    )


def _matches(wish: str | tables.Select, point: Point) -> bool:
    if isinstance(wish, str):
        return _fits(wish, point.name)
    return (
        _fits(wish.name, point.name)
        and wish.quantity in ("", point.quantity)
        and wish.kind in (None, point.kind)
        and wish.scope in (None, point.scope)
        and set(wish.tags) <= set(point.tags)
    )


def _fits(pattern: str, name: str) -> bool:
    """Compare with a pattern in which only ``*`` is special and stands for any text."""
    if "*" not in pattern:
        return pattern == name
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
