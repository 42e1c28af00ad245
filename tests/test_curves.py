"""Cost curves: the line through them, their table and plot, and the site that is made larger."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from agent.config.load import load
from bench._cost_page import renewed, steps_of
from bench._curve import CPU, RSS, Step, fitted, foretold, line, read, rounded, table, told
from bench._growing import Arrivals, Scale, lay
from bench._plot import drawn
from bench.curves import CURVES, Curve

SVG = "{http://www.w3.org/2000/svg}"


def steps(*cpu: float) -> Sequence[Step]:
    return [Step(size, value, 30.0 + size, 1.5, 12.0) for size, value in enumerate(cpu, 1)]


def test_the_line_of_least_squares_goes_through_what_is_straight() -> None:
    found = line([(0, 3.0), (10, 5.0), (20, 7.0)])
    assert (found.start, found.slope, found.fit) == pytest.approx((3.0, 0.2, 1.0))
    assert found.at(100) == pytest.approx(23.0)


def test_a_curve_that_bends_costs_more_than_its_small_end_foretells() -> None:
    bent = steps(1.0, 2.0, 3.0, 5.0, 8.0, 13.0)
    assert foretold(bent, CPU) == pytest.approx(6.0)
    assert fitted(bent, CPU).fit < 0.95
    assert foretold(bent, RSS) == pytest.approx(36.0)
    assert "the last row is 2.17 of what the first 3 foretell" in told("link", bent)


def test_a_table_gives_back_the_steps_that_it_was_made_of() -> None:
    plain = rounded(steps(1.234, 2.345))
    assert read(f"text\n\n{table('link', plain)}\n\nmore 1 | 2\n") == plain
    assert "pictures" not in table("link", plain)
    seeing = rounded([Step(1, 20.0, 150.0, 1.0, 2.0, 4.97), Step(2, 40.0, 160.0, 1.0, 2.0, 4.95)])
    assert read(table("camera", seeing)) == seeing


def test_a_page_takes_new_figures_and_keeps_its_words() -> None:
    begins = [
        f"<!-- cost of a {thing}; `python -m bench._cost_page` writes it -->" for thing in ("link", "camera")
    ]
    page = "".join(f"before\n{one}\nold\n<!-- end of the curve -->\nafter\n" for one in begins)
    new = {"link": rounded(steps(1.0, 2.0)), "camera": rounded(steps(20.0, 40.0, 60.0))}
    made = renewed(page, new)
    assert "old" not in made
    assert made.count("before\n") == made.count("\nafter\n") == 2
    assert steps_of(made) == new
    assert renewed(made, new) == made


def test_a_plot_has_a_panel_for_each_measure_and_a_dot_for_each_step() -> None:
    found = Xml.fromstring(drawn({"link": steps(1.0, 2.0, 3.0), "camera": steps(20.0, 41.0)}))  # noqa: S314
    panels = found.findall(f"{SVG}g")
    assert [len(panel.findall(f"{SVG}circle")) for panel in panels] == [3] * 4 + [2] * 4
    first = panels[0].findall(f"{SVG}circle")
    assert [one.get("cx") for one in first] == ["66.7", "133.3", "200.0"]
    assert [one.get("cy") for one in first] == ["80.0", "40.0", "0.0"]


@pytest.mark.parametrize("curve", CURVES[:3], ids=lambda curve: curve.thing)
def test_the_site_of_a_curve_grows_in_its_direction_alone(tmp_path: Path, curve: Curve) -> None:
    small, large = (sizes(tmp_path, curve.scale(size)) for size in (2, 3))
    assert (small.pop(curve.thing), large.pop(curve.thing)) == (2, 3)
    assert small == large


def sizes(folder: Path, scale: Scale) -> dict[str, int]:
    ports = range(5000, 5000 + scale.links)
    plan = load(lay(folder, scale, list(ports), [1883 + one for one in range(scale.recipients)]).config)
    points = sum(len(one.points) for one in plan.products)
    return {
        "point": points // len(plan.links),
        "link": len(plan.links),
        "recipient": len(plan.recipients),
        "product": len(plan.products),
    }


def test_no_product_has_more_points_than_one_message_can_describe() -> None:
    assert [len(one) for one in Scale(links=250).published().values()] == [1000, 1000, 500]


def test_a_window_is_noted_with_its_end_and_with_how_often_pictures_were_looked_at() -> None:
    city = Arrivals()
    city.batch({"k": "birth"})
    city.batch({
        "k": "batch", "t": "2026-11-21T20:00:00Z", "w": 5, "c": ["p", "n", "mean"],
        "r": [["c0.analysis_rate", 1, 4.9], ["c1.analysis_rate", 0, None], ["d0.r1", 5, 7]],
    })  # fmt: skip
    [(ended, at)] = city.windows_at
    assert ended == 1795291205.0
    assert at > 0
    assert city.rates == {1795291200.0: [4.9, 0.0]}
