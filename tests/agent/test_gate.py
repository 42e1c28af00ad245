"""Default deny: nothing leaves without a product and a grant, and only the gate can say otherwise."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.point import Kind, Point, Scope
from agent.core.product import Privacy, Product, Route
from agent.core.rate import Rate
from agent.core.record import Aggregate, Event, State
from agent.gate import Cleared, Gate

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC).timestamp()
NOW = Instant(1000.0, NOON)
HELSINKI = ZoneInfo("Europe/Helsinki")
DOOR = Point(name="door.in", kind=Kind.COUNT, scope=Scope.PUBLIC)
FLOW = Product(
    id="flow",
    points=(),
    published=(),
    steps=(),
    window=900.0,
    span="15m",
    statistics=("sum",),
    privacy=Privacy(mode="suppress", k=5),
)
OPEN = Route(recipient="city", product="flow", grant="g", purpose="operations", basis="public-task", keep=9e6)
FIGURE = Aggregate("door.in", NOON - 900, 900.0, 4, (12.0,))


def test_without_a_grant_nothing_leaves() -> None:
    assert Gate([FLOW], [], UTC).clear("flow", [FIGURE], NOW) == []


def test_a_record_leaves_once_for_each_route_of_its_product() -> None:
    others = replace(OPEN, recipient="university"), replace(OPEN, product="energy")
    cleared = Gate([FLOW], [OPEN, *others], UTC).clear("flow", [FIGURE], NOW)
    assert [one.route.id for one in cleared] == ["city.flow", "university.flow"]
    assert all(one.records == (FIGURE,) for one in cleared)


def test_privacy_comes_before_any_route() -> None:
    (cleared,) = Gate([FLOW], [OPEN], UTC).clear("flow", [replace(FIGURE, values=(3.0,))], NOW)
    (record,) = cleared.records
    assert isinstance(record, Aggregate)
    assert (record.values, record.n, record.state) == ((None,), None, State.SUPPRESSED)


def test_a_product_that_changes_is_judged_by_its_new_terms_at_once() -> None:
    gate = Gate([FLOW], [OPEN], UTC)
    gate.configure([replace(FLOW, privacy=Privacy(mode="suppress", k=20))], [OPEN], UTC)
    (cleared,) = gate.clear("flow", [FIGURE], NOW)
    assert [one.state for one in cleared.records if isinstance(one, Aggregate)] == [State.SUPPRESSED]


def test_how_each_point_was_told_last_is_known_as_long_as_its_product_stays_as_it_is() -> None:
    gate = Gate([FLOW], [OPEN], UTC)
    gate.clear("flow", [FIGURE], NOW)
    gate.clear("flow", [replace(FIGURE, values=(3.0,))], NOW)
    assert gate.told == {"flow": {"door.in": "suppressed"}}
    gate.configure([FLOW], [OPEN, replace(OPEN, recipient="university")], UTC)
    assert gate.told == {"flow": {"door.in": "suppressed"}}
    gate.configure([replace(FLOW, privacy=Privacy(mode="suppress", k=2))], [OPEN], UTC)
    assert gate.told == {}


def test_an_event_of_a_protected_product_has_no_way_out() -> None:
    event = Event("door.in", "threshold", "warning", NOON, 9.0, "1", "nine at once")
    assert Gate([FLOW], [OPEN], UTC).clear("flow", [event], NOW) == []
    free = replace(FLOW, privacy=Privacy())
    (cleared,) = Gate([free], [OPEN], UTC).clear("flow", [event], NOW)
    assert cleared.records == (event,)


@pytest.mark.parametrize(
    ("utc", "leaves"),
    [
        (datetime(2026, 6, 30, 20, 59, 59, tzinfo=UTC), True),  # 23:59:59 in Helsinki
        (datetime(2026, 6, 30, 21, 0, 0, tzinfo=UTC), False),  # midnight in Helsinki
    ],
)
def test_a_grant_ends_with_its_last_day_at_the_site(utc: datetime, *, leaves: bool) -> None:
    route = replace(OPEN, until=date(2026, 6, 30))
    gate = Gate([FLOW], [route], HELSINKI)
    assert bool(gate.clear("flow", [FIGURE], Instant(1000.0, utc.timestamp()))) is leaves


def test_what_waits_when_a_grant_ends_does_not_leave() -> None:
    held = replace(FLOW, points=(DOOR,), published=(DOOR,), privacy=Privacy(mode="hold", k=5))
    gate = Gate([held], [replace(OPEN, until=date(2026, 6, 30))], UTC)
    last = datetime(2026, 6, 30, 23, 30, tzinfo=UTC).timestamp()
    small = replace(FIGURE, start=last, values=(3.0,))
    assert gate.clear("flow", [small], Instant(1000.0, last + 902)) == []
    after = Instant(1900.0, last + 1802)
    assert gate.clear("flow", [replace(small, start=last + 900, values=(9.0,))], after) == []
    assert gate.finish("flow", after, stopping=False) == []


def test_an_unknown_product_is_a_bug_and_not_a_way_out() -> None:
    with pytest.raises(KeyError):
        Gate([FLOW], [OPEN], UTC).clear("floww", [FIGURE], NOW)


def test_nobody_but_the_gate_can_clear_a_record() -> None:
    with pytest.raises(PermissionError):
        Cleared(OPEN, FLOW, [FIGURE], object())


def test_what_no_cage_was_around_leaves_for_loopback_alone() -> None:
    here, there = OPEN, replace(OPEN, recipient="elsewhere")
    gate = Gate([FLOW], [here, there], UTC, local={"city"})
    assert [one.unconfined for one in gate.clear("flow", [FIGURE], NOW)] == [False, False]
    gate.unconfined.add("flow")
    cleared = gate.clear("flow", [FIGURE], NOW)
    # and it bears the mark, by which the outbox keeps it back if the broker moves before it is sent
    assert [(one.route.recipient, one.unconfined) for one in cleared] == [("city", True)]
    gate.configure([FLOW], [here, there], UTC)  # the city's broker is not on this computer any more
    assert gate.clear("flow", [FIGURE], NOW) == []


ALARM = Event("door.in", "threshold", "warning", NOON, 9.0, "1", "nine at once")
BARE = replace(FLOW, privacy=Privacy())


def test_events_leave_no_more_often_than_the_rate_of_their_grant() -> None:
    slow, free = replace(OPEN, rate=Rate(2, 3600.0)), replace(OPEN, recipient="lab")
    gate = Gate([BARE], [slow, free], UTC)
    left = [[one.route.recipient for one in gate.clear("flow", [ALARM], NOW)] for _ in range(4)]
    assert left == [["city", "lab"], ["city", "lab"], ["lab"], ["lab"]]
    assert gate.clear("flow", [ALARM], Instant(5000.0, NOON + 3600.0))[0].route == slow


def test_windows_are_not_counted_against_a_rate_that_they_keep_by_their_width() -> None:
    gate = Gate([BARE], [replace(OPEN, rate=Rate(4, 3600.0))], UTC)
    left = [gate.clear("flow", [replace(FIGURE, start=NOON + 900.0 * n)], NOW) for n in range(9)]
    assert all(left)


def test_what_a_rate_kept_back_is_told_once_its_stretch_is_over_or_its_grant() -> None:
    slow = replace(OPEN, rate=Rate(1, 3600.0))
    gate = Gate([BARE], [slow], UTC)
    for n in range(3):
        gate.clear("flow", [ALARM], Instant(1000.0 + n, NOON + n))
    assert gate.stayed(Instant(1100.0, NOON + 100.0)) == []
    later = Instant(4600.0, NOON + 3600.0)
    assert gate.stayed(later) == [("city.flow", 2, NOON + 1.0, NOON + 2.0)]
    assert gate.stayed(later) == []
    gate.clear("flow", [ALARM, ALARM], later)
    gate.configure([BARE], [], UTC)
    assert gate.stayed(later) == [("city.flow", 1, later.utc, later.utc)]
