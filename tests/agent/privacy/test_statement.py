"""What is said of a mode is what it does, in words that a city may repeat."""

from __future__ import annotations

import pytest

from agent.core.product import Privacy
from agent.privacy.statement import adds_up, claim, label
from tests.agent.privacy.street import DOORS, FLATS, product

COVERS = "every published count covers at least {} passages (not persons)"
HALF = Privacy(mode="dp", epsilon="1/2", sensitivity=2, round=5, clamp=True)
THIRD = Privacy(mode="dp", epsilon="1/3", sensitivity=2)
MODES = [
    (
        Privacy(mode="suppress", k=10, round=5),
        "suppress k=10 round 5",
        COVERS.format(10) + ", told in multiples of 5; a smaller one, zero too, is withheld, and it is told"
        " that it was",
    ),
    (
        Privacy(mode="hold", k=5, longest="week"),
        "hold k=5 to the week's end",
        COVERS.format(5) + "; a smaller one waits for the next windows, at most to the end of the site's"
        " week, where it is told as suppressed",
    ),
    (
        HALF,
        "dp epsilon=1/2 S=2 round 5",
        "epsilon 1/2 for one passage, m times that for somebody who passes m times; one passage changes the"
        " 2 figures of a window by at most 2 in all (S, derived from 2 counts); noise of scale 4: standard"
        " deviation 5.64, 95 of 100 within 12 either way; rounded to multiples of 5 after the noise; below"
        " zero told as zero, which adds 2 to an empty window on average",
    ),
    (
        Privacy(mode="min-sources", min_sources=15, max_share=0.145),
        "min-sources 15, share 0.145",
        "every figure is over at least 15 devices, none of which has more than 14.5% of it; else it is"
        " withheld",
    ),
    (Privacy(), "none", ""),
]


@pytest.mark.parametrize(("privacy", "short", "long"), MODES, ids=[one.mode for one, *_ in MODES])
def test_each_mode_says_what_it_does_and_with_which_numbers(privacy: Privacy, short: str, long: str) -> None:
    assert (label(privacy), claim(product("flow", DOORS, privacy))) == (short, long)


def test_one_figure_is_not_called_figures() -> None:
    alone = Privacy(mode="dp", epsilon="1", sensitivity=1)
    assert "changes the 1 figure of a window" in claim(product("flow", DOORS[:1], alone))


def test_a_figure_of_one_home_is_said_to_be_one_although_no_mode_is_at_work() -> None:
    assert claim(product("bills", FLATS, Privacy())) == (
        "each figure is the total of one home or workplace over a whole month"
    )


def test_what_one_passage_loses_by_several_products_is_added_up_exactly() -> None:
    plain, half, third = (
        product(name, DOORS, mode) for name, mode in (("plain", Privacy()), ("a", HALF), ("b", THIRD))
    )
    assert adds_up([half, plain, third]) == (
        "one passage that a, b all count loses at most epsilon 5/6 together"
    )
    assert adds_up([half, plain]) == adds_up([plain, plain]) == ""
