"""Whatever is decided, read, reloaded or cut off: nothing leaves that no policy in force lets out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agent.town import (
    BOILER,
    DOORS,
    FLATS,
    KEEPS,
    PARTIES,
    PEOPLE,
    RATES,
    SECONDS,
    Grant,
    Policy,
    Product,
    Town,
    judge,
    unsent,
)

NAMES = ["p0", "p1", "p2"]
COUNTING = st.sampled_from(["suppress", "suppress", "hold", "dp"])
THRESHOLDS = st.sampled_from([2, 5, 10, 12])
door = st.builds(
    Product, st.sampled_from(["door.in", "door.*"]), st.sampled_from([*SECONDS]), COUNTING, THRESHOLDS
)
people = st.builds(Product, st.just("square.gate.*"), st.sampled_from([*SECONDS]), COUNTING, THRESHOLDS)
homes = st.builds(
    Product, st.just("flat-*"), st.sampled_from(["5m", "15m", "1h"]), st.just("min-sources"), st.just(5)
)
alarms = st.builds(Product, st.just(BOILER), st.just("1m"), st.just("events"), st.just(5))
wild = st.builds(
    Product,
    st.sampled_from(["door.in", "door.*", "square.gate.*", "flat-*", "flat-1.energy"]),
    st.sampled_from([*SECONDS]),
    st.sampled_from(["none", "suppress", "hold", "dp", "min-sources"]),
    THRESHOLDS,
)
PURPOSES = st.sampled_from(["operations", "operations", "operations", "study"])
OFTEN = st.sampled_from(["", "", *RATES])
DAYS = st.none() | st.integers(0, 2)
whats = st.builds(
    Grant,
    st.sampled_from([*PARTIES]),
    st.sampled_from(NAMES),
    PURPOSES,
    st.just(True),
    DAYS,
    st.sampled_from([*KEEPS]),
    OFTEN,
)
anything = st.builds(
    Grant,
    st.sampled_from([*PARTIES]),
    st.sampled_from(NAMES),
    PURPOSES,
    st.booleans(),
    DAYS,
    st.sampled_from([*KEEPS]),
    OFTEN,
)


def named(*found: Product) -> dict[str, Product]:
    return dict(zip(NAMES, found, strict=True))


sensible = st.builds(
    Policy,
    st.builds(named, door, people, homes | door | alarms),
    st.lists(whats, min_size=2, max_size=5, unique_by=lambda one: (one.recipient, one.product)).map(tuple),
)
careless = st.builds(
    Policy,
    st.builds(named, door | wild, people | wild, homes | wild | alarms),
    st.lists(anything, min_size=1, max_size=5).map(tuple),
)
policies = st.one_of(sensible, sensible, careless)
HAPPENS = st.one_of(
    st.tuples(st.just("hours"), st.integers(10, 65), st.integers(0, 12)),
    st.tuples(st.just("hours"), st.integers(1, 65), st.integers(0, 2)),
    st.tuples(st.just("alone"), st.integers(65, 130)),
    st.tuples(st.just("deliver"), st.sampled_from(["city", "office"])),
    st.tuples(st.just("decide"), policies),
    st.tuples(st.just("later"), st.sampled_from([700.0, 4000.0, 40000.0, 90000.0])),
    st.tuples(st.sampled_from(["stop", "crash", "house"])),
)


async def live(town: Town, first: Policy, happens: list[tuple[Any, ...]]) -> None:
    await town.start()
    await town.decide(Policy({}, ()))
    await town.decide(first)
    for what, *how in happens:
        match what:
            case "hours":
                await _hours(town, *how)
            case "alone":
                await _alone(town, *how)
            case "deliver":
                await town.deliver(*how)
            case "decide":
                await town.decide(*how)
            case "later":
                town.later(*how)
            case "house":
                await town.house()
            case _:
                await town.stop(clean=what == "stop")
                await town.start()
    town.later(1200.0)
    for recipient in ("city", "office"):  # the lab never comes
        await town.deliver(recipient)
    await town.house()
    await town.house()
    await town.stop(clean=True)


async def _hours(town: Town, minutes: int, count: int) -> None:
    for n in range(minutes):
        counts = {name: float(count * (n % 3 == 0)) for name in (*DOORS, *PEOPLE)}
        town.minute(counts | {FLATS[0]: 3.0 * count, BOILER: 99.0 * (n % 2)})
    await town.house()


async def _alone(town: Town, minutes: int) -> None:
    """Let four homes of six be heard, one fewer than a figure needs."""
    town.minute({}, heard=4)
    begun = town.clock.utc
    for _ in range(minutes):
        town.minute({}, heard=4)
    town.alone.append((begun, town.clock.utc))
    await town.house()


def lived(first: Policy, happens: list[tuple[Any, ...]]) -> Town:
    with TemporaryDirectory() as name:
        town = Town(Path(name))
        asyncio.run(live(town, first, happens))
        judge(town)
        assert unsent(town.folder, "lab", town.clock.utc) == []
    return town


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies, st.lists(HAPPENS, min_size=3, max_size=10))
def test_nothing_leaves_that_no_policy_in_force_lets_out(
    first: Policy, happens: list[tuple[Any, ...]]
) -> None:
    lived(first, happens)


@pytest.mark.long
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policies, st.lists(HAPPENS, min_size=3, max_size=16))
def test_in_very_many_towns_nothing_leaves_that_no_policy_in_force_lets_out(
    first: Policy, happens: list[tuple[Any, ...]]
) -> None:
    lived(first, happens)


DOOR = Product("door.in", "5m", "hold", 12)
CROWD = Product("square.gate.*", "15m", "suppress", 5)
ALL_HOMES = Product("flat-*", "5m", "min-sources", 5)
CITY = ("city", "city", "city")


def decided(*found: Product, who: tuple[str, str, str] = CITY, purpose: str = "operations") -> Policy:
    gave = [Grant(one, name, purpose, True, None, "2d") for one, name in zip(who, NAMES, strict=True)]
    return Policy(named(*found), tuple(gave))


@pytest.mark.parametrize(
    "careless",
    [
        pytest.param(decided(DOOR, Product("square.gate.*", "1m", "suppress", 5), ALL_HOMES), id="too fine"),
        pytest.param(decided(DOOR, Product("square.gate.*", "15m", "none", 5), ALL_HOMES), id="bare people"),
        pytest.param(decided(DOOR, CROWD, Product("flat-1.energy", "1h", "none", 5)), id="one home"),
        pytest.param(decided(DOOR, Product("door.*", "1h", "suppress", 5), CROWD), id="twice to one"),
        pytest.param(
            decided(DOOR, Product("door.*", "1h", "suppress", 5), CROWD, who=("city", "office", "city")),
            id="twice to one party",
        ),
        pytest.param(decided(DOOR, CROWD, ALL_HOMES, purpose="study"), id="beyond the purpose"),
    ],
)
def test_a_town_that_decides_carelessly_goes_on_with_what_it_had(careless: Policy) -> None:
    town = lived(careless, [("hours", 65, 2), ("hours", 65, 8), ("deliver", "city")])
    assert town.refused == 1
    assert town.left == []


def test_a_town_in_which_few_homes_are_heard_tells_nothing_of_them() -> None:
    town = lived(decided(DOOR, CROWD, ALL_HOMES), [("alone", 60), ("deliver", "city")])
    told = [one for one in town.left if one.row.route == "city.p2" and one.row.kind == "batch"]
    assert len(told) >= 12
    assert town.refused == 0


def test_a_town_that_decides_well_lets_out_what_it_should() -> None:
    people = Product("square.gate.*", "15m", "suppress", 5)
    homes = Product("flat-*", "1h", "min-sources", 5)
    door = Product("door.in", "5m", "hold", 12)
    gave = [Grant("city", name, "operations", True, None, "2d") for name in ("p0", "p1", "p2")]
    town = lived(
        Policy({"p0": people, "p1": homes, "p2": door}, tuple(gave)),
        [("hours", 65, 2), ("hours", 65, 0), ("deliver", "city")],
    )
    assert town.refused == 0
    routes = {one.row.route for one in town.left if one.row.kind == "batch"}
    assert routes == {"city.p0", "city.p1", "city.p2"}


def test_a_town_that_is_told_of_alarms_is_told_no_more_often_than_it_decided() -> None:
    alarms = Product(BOILER, "1m", "events", 5)
    gave = (
        Grant("city", "p2", "operations", True, None, "2d", "4/h"),
        Grant("lab", "p2", "operations", True, None, "2d"),
    )
    happens = [("hours", 65, 2), ("stop",), ("hours", 65, 2), ("crash",), ("hours", 65, 2), ("house",)]
    town = lived(Policy({"p2": alarms}, gave), [*happens, ("deliver", "city"), ("deliver", "lab")])
    assert town.refused == 0
    events = {name: [x for x in town.left if x.row.route == f"{name}.p2" and x.row.kind == "event"]
              for name in ("city", "lab")}  # fmt: skip
    assert 12 <= len(events["city"]) <= 16
    assert len(events["lab"]) > 150
    gaps = [one.row for one in town.left if one.row.route == "city.p2" and one.row.kind == "gap"]
    assert any(lost["why"] == "rate" for row in gaps for lost in json.loads(row.body)["lost"])
