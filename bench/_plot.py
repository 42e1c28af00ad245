"""Draws cost curves as one SVG: a row for each curve, a panel for each measure. Pure, without a library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log10
from typing import Final

from bench._curve import CPU, MEASURES, RSS, Measure, Step, fitted

_WIDE, _HIGH = 200, 120  # of a panel's inside
_LEFT, _TOP, _APART, _BELOW = 64, 40, 70, 62
_SHOWN: Final = MEASURES[:4]
_LINED: Final = (CPU, RSS)
_STYLE: Final = (
    "text{font:11px sans-serif;fill:#333}.t{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
    ".a{stroke:#999;fill:none}.f{stroke:#c60;stroke-dasharray:4 3}.c{stroke:#06c;fill:none}.p{fill:#06c}"
)


def drawn(curves: Mapping[str, Sequence[Step]]) -> str:
    """Draw *curves*, by the thing whose number grows."""
    wide = _LEFT + len(_SHOWN) * (_WIDE + _APART)
    high = _TOP + len(curves) * (_HIGH + _BELOW)
    size = f'width="{wide}" height="{high}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {wide} {high}">',
        f"<style>{_STYLE}</style>",
        f'<rect {size} fill="#fff"/>',
    ]
    for row, (thing, steps) in enumerate(curves.items()):
        for column, measure in enumerate(_SHOWN):
            at = (_LEFT + column * (_WIDE + _APART), _TOP + row * (_HIGH + _BELOW))
            lines += [f'<g transform="translate({at[0]} {at[1]})">', *_panel(thing, steps, measure), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _panel(thing: str, steps: Sequence[Step], measure: Measure) -> Iterator[str]:
    most, top = steps[-1].size, _round_up(max(measure.of(one) for one in steps))

    def place(size: float, value: float) -> str:
        return f"{_WIDE * size / most:.1f},{_HIGH * (1 - value / top):.1f}"

    yield f'<text class="t" y="-10">{measure.what}, {measure.unit}</text>'
    yield f'<path class="a" d="M0,0V{_HIGH}H{_WIDE}"/>'
    yield f'<text class="e" x="-5" y="{_HIGH + 4}">0</text><text class="e" x="-5" y="4">{top:g}</text>'
    yield f'<text class="e" x="{_WIDE}" y="{_HIGH + 15}">{most}</text>'
    yield f'<text class="m" x="{_WIDE / 2:g}" y="{_HIGH + 15}">{thing}s</text>'
    if measure in _LINED:
        along = fitted(steps, measure)
        yield f'<polyline class="f" points="{place(0, along.start)} {place(most, along.at(most))}"/>'
    yield f'<polyline class="c" points="{" ".join(place(one.size, measure.of(one)) for one in steps)}"/>'
    for one in steps:
        x, y = place(one.size, measure.of(one)).split(",")
        yield f'<circle class="p" cx="{x}" cy="{y}" r="2.5"/>'


def _round_up(value: float) -> float:
    """Give the next number of one or two digits for the end of an axis."""
    if value <= 0:
        return 1.0
    step = 10.0 ** floor(log10(value)) / 2
    return ceil(value / step) * step
