"""Compiles how a product is protected: its privacy mode, and whether its points may leave under it at all.

It refuses keys that mean nothing in the mode, homes and workplaces that are not combined with enough others,
counts of people without a mode for counts, and noise whose sensitivity has no bound. How far one passage can
change the figures is derived from the product's points, never typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from agent.config import tables
from agent.config.draft import Draft
from agent.config.spans import Path
from agent.config.widths import CALENDAR
from agent.core.point import FEW, Kind, Point, Scope
from agent.core.product import Mode, Privacy
from agent.core.step import CanWeigh, Step

COUNTING: Final = ("suppress", "hold", "dp")
KEYS: Final[Mapping[Mode, tuple[str, ...]]] = {
    "none": (),
    "suppress": ("k", "round"),
    "hold": ("k", "round", "longest"),
    "dp": ("epsilon", "round", "clamp"),
    "min-sources": ("min_sources", "max_share"),
}
PRESETS: Final[Mapping[str, Mapping[str, Any]]] = {
    "ons": {"mode": "suppress", "k": 10, "round": 5},
    "15/15": {"mode": "min-sources", "min_sources": 15, "max_share": 0.15},
}
_COUNTED: Final = ("sum", "delta")
_MIX: Final = 'write combine = { name = "all.NAME" } and privacy = { mode = "min-sources" }'
_COUNT: Final = 'write privacy = { mode = "suppress", k = 5 }'


class Way(Struct, frozen=True):
    """A product's points as they enter, the steps they pass, and what is published; None: with faults."""

    points: tuple[Point, ...]
    steps: tuple[Step | None, ...]
    published: tuple[Point, ...] | None


class Guarding:
    """The protection of one product on its way."""

    def __init__(self, draft: Draft, path: Path, written: tables.Product, bad: frozenset[str]) -> None:
        self._draft = draft
        self._path = path
        self._written = written
        self._bad = bad
        table = draft.tables["product"][path[-1]].get("privacy")
        self._table: Mapping[str, Any] = table if isinstance(table, dict) else {}

    def compile(self, way: Way, *, whole: bool) -> Privacy:
        """Give the protection, and note what is wrong with it; *whole*: all points are known."""
        if "privacy" in self._bad:
            return Privacy()
        chosen = self._chosen()
        privacy = self._privacy(chosen)
        if self._is_refused(privacy, way):
            return privacy  # whatever else is wrong with it
        if privacy.mode in COUNTING:
            self._check_counts(privacy, way, whole=whole)
        if privacy.mode == "min-sources":
            self._check_sources(privacy, way, whole=whole)
        if privacy.mode == "none":
            self._warn_of_bare_counts(way)
        return self._weighed(privacy, way) if privacy.mode == "dp" else privacy

    # --- the keys -----------------------------------------------------------------------------------------

    def _chosen(self) -> dict[str, Any]:
        """Give the keys that count: those written, or a preset's."""
        written = self._written.privacy
        given = {key: value for key in self._table if (value := getattr(written, key)) is not None}
        preset = given.pop("preset", "")
        if preset:
            for key in given:
                message = f'preset "{preset}" says "{key}" itself'
                self._fault(message, "leave one of the two out", key, at_key=True)
            return dict(PRESETS[preset])
        mode: Mode = given.setdefault("mode", "none")
        for key in [one for one in given if one != "mode" and one not in KEYS[mode]]:
            if mode == "dp" and key == "k":
                message = '"dp" compares no true count with anything: "k" means nothing there'
            else:
                message = f'"{key}" means nothing with mode "{mode}"'
            fitting = [one for one, keys in KEYS.items() if key in keys]
            own = f"its keys: {', '.join(KEYS[mode])}" if KEYS[mode] else ""
            hint = own or f'write mode = "{fitting[0]}"'
            self._fault(message, hint, key, at_key=True)
            del given[key]
        return given

    def _privacy(self, chosen: Mapping[str, Any]) -> Privacy:
        if chosen["mode"] == "dp":
            from agent.privacy.epsilon import exact_epsilon

            try:
                chosen = {**chosen, "epsilon": str(exact_epsilon(chosen.get("epsilon", 1.0)))}
            except ValueError as error:
                self._fault(str(error), "", "epsilon")
                chosen = {**chosen, "epsilon": "1"}
        privacy = Privacy(**chosen)
        if privacy.mode in ("suppress", "hold") and privacy.round and privacy.k % privacy.round:
            # 7 passages told as 5 would be told as fewer than k
            above = (privacy.k // privacy.round + 1) * privacy.round
            message = f"k = {privacy.k} is no multiple of {privacy.round}: it would be told as less"
            self._fault(message, f"write k = {above}", "round")
        return privacy

    # --- the points ---------------------------------------------------------------------------------------

    def _is_refused(self, privacy: Privacy, way: Way) -> bool:
        """Note a point that tells of few people and does not leave as it must, if there is one."""
        for point in way.points:
            objection = self._of_few if point.scope in FEW else self._of_people
            if found := objection(privacy, point, way):
                at_privacy = (*self._path, "privacy")
                self._draft.fault(at_privacy if self._table else self._path, *found, at_key=True)
                return True
        return False

    def _of_few(self, privacy: Privacy, point: Point, way: Way) -> tuple[str, str] | None:
        """Say what speaks against a point of a home or a workplace, with a hint."""
        if self._is_monthly(privacy, point, way):
            return None
        if privacy.mode == "min-sources":
            if not point.counts:
                return None
            return f'"{point.name}" counts passages: enough devices are not enough people', "leave it out"
        whom = "one home" if point.scope is Scope.HOUSEHOLD else "few people at work"
        month = ", or as a month's total" if point.kind is Kind.COUNTER else ""
        return f'"{point.name}" tells about {whom}: it leaves combined with others{month}', _MIX

    def _of_people(self, privacy: Privacy, point: Point, _: Way) -> tuple[str, str] | None:
        """Say what speaks against a count of people in a public place, with a hint."""
        if not point.personal or privacy.mode in COUNTING:
            return None
        if privacy.mode == "min-sources":
            return f'"{point.name}" counts people: "min-sources" is for meters', _COUNT
        return f'"{point.name}" is personal: the product needs a privacy mode', _COUNT

    def _warn_of_bare_counts(self, way: Way) -> None:
        """Ask about counts that leave as they are: nobody but the city knows whether they count people."""
        bare = [one for one in way.published or () if one.kind is Kind.COUNT and one.unit == "1"]
        for point in bare[:1]:
            text = f'"{point.name}" counts and leaves unprotected; if it counts people, {_COUNT}'
            self._draft.warn(self._path, text)

    def _is_monthly(self, privacy: Privacy, point: Point, way: Way) -> bool:
        """Say whether a meter's figures are totals of months and nothing else: no step may tell more."""
        written = self._written
        plain = privacy.mode == "none" and point.kind is Kind.COUNTER
        alone = len(way.steps) == 1
        return plain and alone and written.window == "month" and written.statistics == ("delta",)

    def _check_counts(self, privacy: Privacy, way: Way, *, whole: bool) -> None:
        written, mode = self._written, privacy.mode
        if not written.window and "window" not in self._bad:
            message = "events cannot be suppressed: a protected product needs a window"
            self._draft.fault((*self._path, "privacy"), message, at_key=True)
        if mode == "hold" and written.window in CALENDAR:
            message = f'"hold" merges windows of a day; "{written.window}" is too long for it'
            self._fault(message, 'write a shorter window, or mode = "suppress"', "mode")
        verb = "cannot carry noise" if mode == "dp" else "cannot be suppressed"
        for index, one in enumerate(written.statistics):
            if one not in _COUNTED:
                allowed = " and ".join(_COUNTED)
                path = (*self._path, "statistics", index)
                self._draft.fault(path, f'"{one}" {verb}; only {allowed} can')
        if way.published is not None and whole:
            odd = [one for one in way.published if one.kind is Kind.COUNTER and not one.counts]
            for point in odd[:1]:
                message = f'"{mode}" is for counts: "{point.name}" is measured in {point.unit}'
                self._fault(message, 'homes and workplaces have mode "min-sources"', "mode")
            if made := self._made(way):
                message = f'"{made}" is computed: nobody can say how many passages are behind it'
                self._fault(message, "combine adds counts", "mode")

    def _check_sources(self, privacy: Privacy, way: Way, *, whole: bool) -> None:
        if self._written.combine is None:
            message = 'mode "min-sources" is for a figure over several devices'
            self._fault(message, 'write combine = { name = "all.NAME" } into the product', "mode")
            return
        if not way.points or not whole:
            return
        devices = {point.source for point in way.points}
        if len(devices) < privacy.min_sources:
            message = f"{len(devices)} devices: fewer than the {privacy.min_sources} that are needed"
            self._fault(message, "nothing would ever be told", "min_sources")
        elif privacy.max_share * len(devices) < 1:
            message = f"one of {len(devices)} devices always has more than {privacy.max_share:g} of the whole"
            self._fault(message, "nothing would ever be told", "max_share")
        made = self._made(way)
        if made:
            message = f'"{made}" is computed: it hides whose figure it is'
            self._fault(message, "combine what the devices tell themselves", "mode")

    def _made(self, way: Way) -> str:
        """Name a point that a step before the window made; empty when there is none."""
        points, own = way.points, {point.name for point in way.points}
        for step in way.steps[: -1 if self._written.combine is None else -2]:
            if step is None:
                return ""
            try:
                points = step.points(points)
            except ValueError:
                return ""  # has been noted
        return next((point.name for point in points if point.name not in own), "")

    # --- how far one passage reaches ----------------------------------------------------------------------

    def _weighed(self, privacy: Privacy, way: Way) -> Privacy:
        """Derive the sensitivity: a passage may touch every point once, and what the steps make of it."""
        for point in way.points:
            if point.every <= 0 and point.counts:
                message = f'"{point.name}" is sent on change only: its silence would tell that nobody passed'
                self._fault(message, "noise needs counts that are told regularly", "mode")
                return privacy
        weights: Mapping[str, int] = {point.name: 1 for point in way.points}
        for step in way.steps:
            if not isinstance(step, CanWeigh):
                if step is not None:
                    use = type(step).__name__.lower()
                    message = f'how far one passage reaches is not known after the step "{use}"'
                    self._fault(message, "noise is added to counts as they come", "mode")
                return privacy
            try:
                weights = step.weigh(weights)
            except ValueError as error:
                message, _, hint = str(error).partition("; ")
                self._draft.fault((*self._path, "combine"), message, hint)
                return privacy
        return Privacy(
            mode="dp",
            round=privacy.round,
            epsilon=privacy.epsilon,
            clamp=privacy.clamp,
            sensitivity=max(1, sum(weights.values())),
        )

    def _fault(self, message: str, hint: str, key: str, *, at_key: bool = False) -> None:
        """Note a fault at *key* of the privacy table, or at the table where that key is not written."""
        path: Path = (*self._path, "privacy")
        if key in self._table:
            self._draft.fault((*path, key), message, hint, at_key=at_key)
        elif "preset" in self._table:
            self._draft.fault((*path, "preset"), message, hint)
        else:
            self._draft.fault(path, message, hint, at_key=True)
