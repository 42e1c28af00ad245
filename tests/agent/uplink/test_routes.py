"""A route in trouble is tried again, patiently, and says what troubles it."""

from __future__ import annotations

import pytest

from agent.uplink.reasons import Action, action, meaning
from agent.uplink.routes import Routes
from agent.uplink.timing import Timing

NAME = "city.energy"


def routes() -> Routes:
    made = Routes(Timing())
    made.configure([NAME, "city.people"])
    return made


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (0x00, Action.ACCEPT),
        (0x10, Action.HOLD),
        (0x80, Action.RETRY),
        (0x83, Action.RETRY),
        (0x87, Action.PARK),
        (0x90, Action.PARK),
        (0x91, Action.RETRY),
        (0x97, Action.SLOW),
        (0x99, Action.PARK),
    ],
)
def test_every_answer_has_its_consequence(reason: int, expected: Action) -> None:
    assert action(reason) is expected


def test_nobody_subscribed_is_no_trouble_for_what_is_retained_or_where_that_was_chosen() -> None:
    assert action(0x10, retained=True) is Action.ACCEPT
    assert action(0x10, hold=False) is Action.ACCEPT


def test_every_reason_can_be_said_in_words() -> None:
    assert all(f"(0x{reason:02x})" in meaning(reason) for reason in range(256))


def test_holding_waits_five_seconds_then_longer_up_to_a_minute() -> None:
    made, now, waits = routes(), 0.0, []
    made.refused(NAME, Action.HOLD, 0x10, now)
    for _ in range(6):
        due = made.next_probe()
        assert due is not None
        waits.append(due - now)
        now = due
        assert made.probes(now) == [NAME]
        made.probing(NAME)
        made.refused(NAME, Action.HOLD, 0x10, now)
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]


def test_a_parked_route_is_probed_every_quarter_of_an_hour() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    assert made.probes(899.0) == []
    assert made.probes(900.0) == [NAME]
    made.probing(NAME)
    assert made.probes(900.0) == []
    made.refused(NAME, Action.PARK, 0x87, 900.0)
    assert made.next_probe() == 1800.0


def test_a_new_connection_probes_at_once() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    made.connected(10.0)
    assert made.probes(10.0) == [NAME]


def test_messages_that_were_under_way_together_count_once() -> None:
    made = routes()
    assert made.refused(NAME, Action.HOLD, 0x10, 0.0)
    assert not any(made.refused(NAME, Action.HOLD, 0x10, 0.1) for _ in range(19))
    assert made.next_probe() == 5.0


def test_an_accepted_message_ends_the_trouble_and_says_so_once() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    assert made.words() == {NAME: "refused:0x87", "city.people": "ok"}
    assert made.blocked() == {NAME}
    assert made.accepted(NAME)
    assert not made.accepted(NAME)
    assert made.words()[NAME] == "ok"


def test_slowing_down_is_no_trouble_to_report() -> None:
    made = routes()
    assert not made.refused(NAME, Action.SLOW, 0x97, 0.0)
    assert made.words()[NAME] == "ok"
    assert made.blocked() == {NAME}
    assert not made.accepted(NAME)
    assert made.blocked() == {NAME}


def test_with_nothing_to_probe_time_does_not_bring_a_probe_but_the_next_message_does() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    made.idle(NAME)
    assert made.next_probe() is None
    assert made.probes(900.0) == [NAME]


def test_a_grant_that_ended_shows_before_anything_else() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    assert made.words(frozenset({NAME}))[NAME] == "expired"


def test_a_route_that_is_gone_takes_its_trouble_along() -> None:
    made = routes()
    made.refused(NAME, Action.PARK, 0x87, 0.0)
    made.configure(["city.people"])
    assert made.blocked() == frozenset()
    assert made.words() == {"city.people": "ok"}
