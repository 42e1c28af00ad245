"""The end of a right that only a broker enforces is told to its owner, with the list to put in place."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from agent.config.load import load
from agent.core.plan import Plan
from agent.policy.notice import Notices
from tests.agent.policy.test_acl import BEFORE, LIBRARY

WHILE = datetime(2027, 6, 30, 20, 59, tzinfo=UTC).timestamp()
AFTER = datetime(2027, 6, 30, 21, 1, tzinfo=UTC).timestamp()  # July has begun in Helsinki


def a_plan() -> Plan:
    return load(LIBRARY, today=BEFORE)


def told(plan: Plan, utc: float, recipient: str = "city") -> tuple[str, ...]:
    notices = Notices()
    notices.configure(plan)
    return notices.lines(recipient, utc)


def test_while_a_reader_may_read_nothing_is_told() -> None:
    assert told(a_plan(), WHILE) == ()


def test_after_its_last_day_the_broker_is_told_a_list_without_the_reader() -> None:
    lines = told(a_plan(), AFTER)
    assert "user city" in lines
    assert "user uni" not in lines


def test_only_the_broker_that_is_read_at_is_told() -> None:
    assert told(a_plan(), AFTER, "grid") == ()


def test_a_reload_without_the_grant_is_told_too() -> None:
    plan = a_plan()
    notices = Notices()
    notices.configure(plan)
    left = tuple(one for one in plan.grants if one.name != "study")
    notices.configure(replace(plan, grants=left, readers=()))
    assert "user city" in notices.lines("city", WHILE)
    assert "user uni" not in notices.lines("city", WHILE)


def test_a_reload_that_changes_nothing_for_readers_is_not_told() -> None:
    plan = a_plan()
    notices = Notices()
    notices.configure(plan)
    notices.configure(replace(plan, grants=tuple(one for one in plan.grants if one.name != "grid")))
    assert notices.lines("city", WHILE) == ()


def test_a_broker_for_which_no_list_can_be_written_is_told_none() -> None:
    plan = a_plan()
    city = replace(plan.recipients[0], username="no list/can hold+this")
    assert told(replace(plan, recipients=(city, *plan.recipients[1:])), AFTER) == ()


def test_a_list_that_is_too_long_for_a_status_says_where_it_can_be_had() -> None:
    plan = a_plan()
    names = tuple(f"product-{n:03d}-" + "x" * 50 for n in range(300))
    wide = tuple(
        replace(one, products=names) if one.name == "city-operations" else one for one in plan.grants
    )
    products = (*plan.products, *(replace(plan.products[0], id=one) for one in names))
    [line] = told(replace(plan, grants=wide, products=products), AFTER)
    assert line.startswith("# vaasa/library/gw1 at broker.vaasa.example:8883: policy ")
    assert line.endswith("too long for a status; run `citygate policy export`")
