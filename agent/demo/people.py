"""What is true of the demo's people on foot: who walks over the kerb in the clip was counted by hand.

The clip lasts as long as a window, and is played over and over: whenever a window begins, it holds each
passage once, unless its end cuts one in two. Nothing else about people may be told, and that only from k on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from agent.demo.verdict import Window

PEOPLE: Final = "people-flow"
CAMERA: Final = "camera"
RIGHT: Final = "street.kerb.person_to_right"
LEFT: Final = "street.kerb.person_to_left"
ANALYSED: Final = "street.analysed"
RATE: Final = "street.analysis_rate"
PASSAGES: Final = 2
"""A man in a suit, and one of whom only the legs are seen; both from left to right."""
_CUT: Final = 1  # a passage that a window's end cuts in two may be counted in either
_WITHHELD: Final = "suppressed"
_LOOKED_AT: Final = 0.9  # of the window
_LEAST_RATE: Final = 2.0  # pictures a second: fewer lose people on foot
_PROTECTION: Final = {"mode": "suppress", "k": 2}
_LINK: Final = "street"
_REFUSED: Final = frozenset({"disk:/tmp", "disk:/var/tmp", "bytes", "memfd", "exec", "udp", "unix-socket"})


class People:
    """Judges the product ``people-flow`` by the clip; *birth* is what the gateway has announced of it."""

    usual: frozenset[str] = frozenset({_WITHHELD})

    def __init__(self, birth: dict[str, Any] | None) -> None:
        self._birth = birth or {}

    def text(self, window: Window) -> str:
        """Write who walked which way."""
        right, left = (self._told(window, one) for one in (RIGHT, LEFT))
        return f"{right} to the right (truth {PASSAGES}), {left} to the left"

    def faults(self, window: Window, before: Window | None) -> Sequence[str]:
        """Name what is not true; a window needs no other to be judged."""
        del before
        said = []
        right = window.cell(RIGHT, "sum")
        if right is None:
            said.append(
                f"withheld to the right: below k, truth {PASSAGES}; the window's end may have cut one off"
            )
        elif abs(right - PASSAGES) > _CUT:
            said.append(f"{right} to the right, truth {PASSAGES}")
        if window.cell(LEFT, "sum") is not None or window.marks.get(LEFT) != _WITHHELD:
            said.append("nobody walks to the left, and a count below k is withheld, zero too")
        protection = self._birth.get("privacy") or {}
        if {key: protection.get(key) for key in _PROTECTION} != _PROTECTION:
            said.append(f"the birth announces the protection {protection}")
        cage = (self._birth.get("cages") or {}).get(_LINK) or {}
        if lacking := _REFUSED - {*cage.get("refused", ())}:
            said.append(f"the birth does not tell that these were refused: {', '.join(sorted(lacking))}")
        if not cage.get("sha256"):
            said.append("the birth does not tell by which model is counted")
        return said

    def cage(self) -> str:
        """Say what the birth tells of the cage around the pictures."""
        cage = (self._birth.get("cages") or {}).get(_LINK) or {}
        refused, worked = cage.get("refused", []), cage.get("worked", [])
        holes = f"; these worked: {', '.join(worked)}" if worked else ", and none worked"
        return (
            f"What sees the pictures tried to get out: {len(refused)} kinds of attempts were refused{holes}."
        )

    def _told(self, window: Window, point: str) -> str:
        count = window.cell(point, "sum")
        return window.marks.get(point, "nothing").replace("_", " ") if count is None else f"{count:.0f}"


class Looks:
    """Judges the product ``camera``: whether it was looked at, which is not whether anybody was there."""

    usual: frozenset[str] = frozenset()

    def text(self, window: Window) -> str:
        """Write for how much of the time, and how often, the picture was looked at."""
        share, rate = window.cell(ANALYSED, "mean"), window.cell(RATE, "mean")
        seen = "-" if share is None else f"{100 * share:.0f} %"
        return f"looked at for {seen} of it, {'-' if rate is None else f'{rate:.1f}'} pictures a second"

    def faults(self, window: Window, before: Window | None) -> Sequence[str]:
        """Name what is not as it should be."""
        del before
        share, rate = window.cell(ANALYSED, "mean"), window.cell(RATE, "mean")
        said = []
        if share is None or not _LOOKED_AT <= share <= 1:
            said.append(f"it was looked at for {share} of the window, {_LOOKED_AT} are needed")
        if rate is None or rate < _LEAST_RATE:
            said.append(f"{rate} pictures a second, {_LEAST_RATE} are needed")
        return said
