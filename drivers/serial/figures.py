"""What a listening link counts about itself, laid open on its desk for ``citygate status``."""

from __future__ import annotations

from drivers.serial.hear import Counts


class Figures:
    """Counters of one link; they live on the desk's dict, so they survive a restart of the link."""

    def __init__(self, figures: dict[str, float | str]) -> None:
        self._figures = figures
        self._before = {name: self._number(name) for name in (*Counts.__struct_fields__, "unmatched")}
        self._unmatched = 0
        self._last: float | None = None
        figures.update(self._before)
        figures["last_frame_age"] = "never"
        figures["connected"] = "no"
        figures.pop("hint", None)

    def connected(self, *, up: bool) -> None:
        """Note whether the line is open."""
        self._figures["connected"] = "yes" if up else "no"

    def low_latency(self, *, on: bool) -> None:
        """Note whether the adapter hands bytes on at once."""
        self._figures["low_latency"] = "yes" if on else "no"

    def seen(self, counts: Counts) -> None:
        """Show what the parser has seen."""
        for name in Counts.__struct_fields__:
            self._figures[name] = self._before[name] + getattr(counts, name)

    def unmatched(self) -> None:
        """Count a whole frame that no device knew."""
        self._unmatched += 1
        self._figures["unmatched"] = self._before["unmatched"] + self._unmatched

    def heard(self, at: float) -> None:
        """Note that a device spoke."""
        self._last = at

    def hint(self, text: str) -> None:
        """Show what a technician should look at; empty: all is well."""
        if text:
            self._figures["hint"] = text
        else:
            self._figures.pop("hint", None)

    def age(self, now: float) -> None:
        """Show how long ago a device spoke last."""
        if self._last is not None:
            self._figures["last_frame_age"] = round(max(0.0, now - self._last), 1)

    def _number(self, name: str) -> int:
        before = self._figures.get(name, 0)
        return before if isinstance(before, int) else 0
