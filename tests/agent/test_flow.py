"""The way of the data: what is held for the clock, what goes where, and what is kept of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from agent.core.clock import Instant
from agent.core.plan import Plan, Recipient
from agent.core.product import Privacy
from agent.core.rate import Rate
from agent.core.record import Aggregate
from agent.core.sample import Sample
from agent.flow import PACES, Flow
from agent.gate import Cleared
from pipelines.threshold import Threshold
from tests.agent.privacy.street import DOORS, plan, product
from tests.virtual import START

IN, OUT = DOORS
PLAIN = Privacy()
COUNTS = product("counts", DOORS, PLAIN)
LATER = START + 1_000_000.0  # what the clock says before it is right


class Kept:
    """What a flow has given away, and what it remembers."""

    def __init__(self) -> None:
        self.put_: list[Cleared] = []
        self.spent: list[Cleared] = []
        self.lost: list[tuple[str, str, float, float]] = []
        self.memory: dict[str, object] = {}

    def put(self, cleared: Cleared) -> None:
        self.put_.append(cleared)

    def spend(self, cleared: Cleared) -> None:
        self.spent.append(cleared)

    def save(self, product: str, state: object) -> None:
        self.memory[product] = state

    def lose(self, route: str, why: str, begin: float, end: float) -> None:
        self.lost.append((route, why, begin, end))

    def saved(self, product: str) -> object | None:
        return self.memory.get(product)

    def figures(self, product: str) -> list[tuple[str, float, int | None, tuple[float | None, ...]]]:
        """Give point, start, number of samples and values of what left of a product."""
        return [
            (one.point, one.start - START, one.n, one.values)
            for cleared in self.put_
            if cleared.product.id == product
            for one in cleared.records
            if isinstance(one, Aggregate)
        ]


def at(boot: float, *, utc: float | None = None, synced: bool = True) -> Instant:
    """Give the moment *boot* seconds after the start, by the right clock or by another one."""
    return Instant(1000.0 + boot, START + boot if utc is None else utc, synced)


def passed(point: str, boot: float, value: float = 1.0, *, unconfined: bool = False) -> Sample:
    return Sample(point, value, 1000.0 + boot, unconfined=unconfined)


def started(kept: Kept, made: Plan) -> Flow:
    flow = Flow(kept)
    flow.configure(made)
    flow.open = True
    flow.begin(made.products, at(0))
    return flow


# --- before the clock is right ------------------------------------------------------------------------


@pytest.mark.parametrize("synced", [True, False])
def test_what_came_before_the_clock_was_right_is_told_by_the_right_clock(
    caplog: pytest.LogCaptureFixture, *, synced: bool
) -> None:
    kept = Kept()
    flow, made = Flow(kept), plan(COUNTS)
    flow.configure(made)
    flow.begin(made.products, at(0, utc=LATER, synced=False))
    flow.begin([], at(20, utc=LATER, synced=False))
    for boot in (0, 30, 59):
        flow.feed([passed("door.in", boot), passed("door.else", boot)], at(boot, utc=LATER, synced=False))
    assert (flow.open, kept.put_, flow._held[0].point, len(flow._held)) == (False, [], "door.in", 3)
    flow.release(at(60, synced=synced))
    assert flow.open
    flow.feed([passed("door.in", 61)], at(61))
    flow.tick(at(62))
    assert kept.figures("counts") == [("door.in", 0.0, 3, (3.0,)), ("door.out", 0.0, 0, (None,))]
    said = [one for one in caplog.records if "clock" in one.getMessage().lower()]
    assert bool(said) is not synced, "that hours may be wrong is said where they may be"


def test_a_product_that_goes_before_the_clock_is_right_is_not_started() -> None:
    kept = Kept()
    flow, other = Flow(kept), product("other", (IN,), PLAIN)
    flow.configure(plan(COUNTS, other))
    flow.begin([COUNTS, other], at(0, utc=LATER, synced=False))
    flow.end(["counts"])
    flow.configure(plan(other))
    flow.release(at(60))
    assert set(flow.works) == {"other"}


# --- where it goes ------------------------------------------------------------------------------------


def test_a_point_of_several_products_goes_to_each_whatever_else_they_have() -> None:
    kept = Kept()
    alone, both = product("alone", (IN,), PLAIN), product("both", (OUT, IN), PLAIN)
    flow = started(kept, plan(alone, both))
    for boot in (10, 20):
        flow.feed([passed("door.in", boot), passed("door.out", boot, 5.0)], at(boot))
    flow.tick(at(62))
    assert [one[3] for one in kept.figures("alone")] == [(2.0,)]
    assert [(one[0], one[3]) for one in kept.figures("both")] == [("door.out", (10.0,)), ("door.in", (2.0,))]


def test_what_no_cage_was_around_stays_on_this_computer_with_all_its_product(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Kept()
    made = plan(COUNTS)
    here = Recipient(name="here", host="127.0.0.1", port=1883, encoding="native")
    made = replace(
        made,
        recipients=(here, replace(here, name="city", host="broker.vaasa.example")),
        routes=(*made.routes, replace(made.routes[0], recipient="here")),
    )
    flow = started(kept, made)
    flow.feed([passed("door.in", 10)], at(10))
    flow.tick(at(62))
    assert [one.route.recipient for one in kept.put_] == ["city", "here"]
    for boot in (70, 80):
        flow.feed([passed("door.in", boot, unconfined=True)], at(boot))
    flow.tick(at(122))
    assert [one.route.recipient for one in kept.put_[2:]] == ["here"]
    assert len(caplog.records) == 1, "said once"


# --- what is accounted for ----------------------------------------------------------------------------


def test_noise_is_spent_once_however_many_get_it() -> None:
    kept = Kept()
    made = plan(product("counts", DOORS, Privacy(mode="dp", epsilon="1", sensitivity=2)))
    flow = started(kept, replace(made, routes=(*made.routes, replace(made.routes[0], recipient="lab"))))
    for boot in range(1, 125):
        flow.tick(at(boot))
    assert [one.route.recipient for one in kept.put_] == ["city", "lab"] * 2
    assert [one.route.recipient for one in kept.spent] == ["city"] * 2


def test_what_a_clock_set_back_costs_is_declared_for_the_routes_of_the_product_alone() -> None:
    kept = Kept()
    made = plan(COUNTS, product("other", (IN,), PLAIN, window="5m", seconds=300.0))
    flow = started(kept, made)
    for boot in range(1, 125):
        flow.tick(at(boot))
    flow.set_back(at(125, utc=START + 30))
    assert kept.lost == [("city.counts", "clock", START + 30, START + 120)]


def test_how_far_a_rate_is_used_up_survives_a_restart() -> None:
    kept = Kept()
    alarms = replace(
        COUNTS, steps=(Threshold(above=5.0, hysteresis=1.0),), window=0.0, span="", statistics=()
    )
    made = plan(alarms)
    made = replace(made, routes=(replace(made.routes[0], rate=Rate(1, 86400.0)),))
    for _ in range(2):
        flow = started(kept, made)
        flow.feed([passed("door.in", 10, 1.0), passed("door.in", 20, 9.0)], at(20))
        assert len(kept.put_) == 1
    assert PACES in kept.memory
    other = Kept()
    other.memory[PACES] = ["nonsense"]
    started(other, made).feed([passed("door.in", 10, 9.0)], at(10))
    assert len(other.put_) == 1
