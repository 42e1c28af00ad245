"""Whoever chose a window that withholds most of the day is told so; a quiet night is no reason."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from agent.core.product import Privacy
from agent.core.record import Aggregate, State
from agent.privacy.share import Share
from tests.agent.privacy.street import DOORS, Street, plan, product

HELSINKI = ZoneInfo("Europe/Helsinki")
NOON = datetime(2026, 6, 30, 10, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 6, 30, 0, tzinfo=UTC).timestamp()  # three in the morning at the site


def figures(start: float, state: State, count: int, width: float = 900.0) -> list[Aggregate]:
    return [Aggregate("door.in", start, width, None, (None,), state)] * count


def test_the_share_is_of_what_was_told_by_day() -> None:
    share = Share(HELSINKI)
    share.note([*figures(NOON, State.OK, 20), *figures(NOON, State.SUPPRESSED, 20)])
    share.note([*figures(NIGHT, State.SUPPRESSED, 70), *figures(NOON, State.NO_DATA, 100)])
    assert share.withheld == 0.5


def test_six_hours_of_a_night_are_night() -> None:
    share = Share(HELSINKI)
    share.note(figures(NIGHT - 2 * 3600, State.SUPPRESSED, 24, 6 * 3600.0))  # from one to seven at the site
    assert share.withheld is None


def test_whole_days_count_whenever_they_begin() -> None:
    share = Share(HELSINKI)
    share.note(figures(NIGHT, State.SUPPRESSED, 24, 86400.0))
    assert share.withheld == 1.0


def test_of_a_few_figures_nothing_is_said() -> None:
    share = Share(HELSINKI)
    share.note(figures(NOON, State.SUPPRESSED, 23))
    assert share.withheld is None


def test_only_the_latest_figures_count() -> None:
    share = Share(HELSINKI)
    share.note([*figures(NOON, State.SUPPRESSED, 1000), *figures(NOON, State.OK, 750)])
    assert share.withheld == 0.25


def test_a_gate_knows_it_of_its_products_and_begins_anew_with_another_window() -> None:
    flow = product("flow", DOORS, Privacy(mode="suppress", k=5))
    street = Street(plan(flow))
    for n in range(15):
        street.minute(**{"in": 9 if n % 3 else 1, "out": 9})
    assert street.flow.withheld("flow") is not None
    assert 0.1 < (street.flow.withheld("flow") or 0) < 0.3
    street.reload(plan(product("flow", DOORS, Privacy(mode="suppress", k=9))))
    assert street.flow.withheld("flow") is None
