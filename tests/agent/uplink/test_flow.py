"""How much may be sent: window, rate, and the share of the backlog."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.flow import MOST, WINDOW, Flow


def drain(flow: Flow, seconds: float, *, live_each: float = 0.0) -> tuple[int, int]:
    """Send as much as is allowed, every answer coming at once; give live and backlog messages sent."""
    now = live = late = 0.0
    owed = 0.0
    while now < seconds:
        owed += live_each * 0.01
        while owed >= 1 and flow.room(now, 0):
            flow.sent(now, backlog=False)
            owed, live = owed - 1, live + 1
        for _ in range(flow.backlog_room(now, 0)):
            flow.sent(now, backlog=True)
            late += 1
        now += 0.01
    return int(live), int(late)


def answered(flow: Flow, count: int, seconds: float, *, now: float = 0.0, full: bool = True) -> float:
    """Have *count* answers come, each after *seconds*; give the moment of the last."""
    for _ in range(count):
        now += seconds / flow.window
        flow.answered(now, seconds, full=full)
    return now


def test_the_window_begins_small_or_with_what_the_broker_allows() -> None:
    assert Flow(0.0, 65535, 0.0).room(0.0, 0) == 4
    assert Flow(0.0, 3, 0.0).room(0.0, 0) == 3
    assert Flow(0.0, 3, 0.0).room(0.0, 2) == 1
    assert Flow(0.0, 3, 0.0).room(0.0, 5) == 0


@pytest.mark.parametrize(
    ("seconds", "window"), [(0.0002, 20), (0.02, 20), (0.06, 20), (0.15, 50), (0.3, 100), (0.9, 100)]
)
def test_it_grows_to_what_the_way_needs_and_no_further(seconds: float, window: int) -> None:
    flow = Flow(0.0, 65535, 0.0)
    answered(flow, 10_000, seconds)
    assert flow.window == window


def test_seven_rounds_are_enough_to_use_a_way_of_300_ms() -> None:
    flow = Flow(0.0, 65535, 0.0)
    assert answered(flow, 4 + 8 + 16 + 32 + 64, 0.3) < 7 * 0.3
    assert flow.window == MOST


def test_a_receive_maximum_is_never_exceeded() -> None:
    flow = Flow(0.0, 30, 0.0)
    answered(flow, 1000, 0.3)
    assert flow.window == 30


def test_it_does_not_grow_where_it_is_not_what_holds_us_up() -> None:
    flow = Flow(0.0, 65535, 0.0)
    answered(flow, 1000, 0.3, full=False)
    assert flow.window == 4


def test_on_a_thin_line_it_shrinks_until_messages_no_longer_queue() -> None:
    """Every message takes 0.7 s on the line: what is sent beside it only waits there."""
    flow, now = Flow(0.0, 65535, 0.0), 0.0
    flow.answered(now, 0.75, full=False)
    for _ in range(200):
        now += 0.7
        flow.answered(now, 0.05 + 0.7 * flow.window, full=True)
    assert flow.window in (1, 2)


def test_one_round_shrinks_it_once() -> None:
    flow = Flow(0.0, 65535, 0.0)
    now = answered(flow, 100, 0.01)
    for _ in range(20):
        flow.answered(now, 3.0, full=True)
    assert flow.window == 15


def test_a_way_that_became_longer_is_believed_after_ten_minutes() -> None:
    flow = Flow(0.0, 65535, 0.0)
    now = answered(flow, 100, 0.01)
    assert answered(flow, 1000, 0.2, now=now) < 20
    assert flow.window == WINDOW
    flow.answered(400.0, 0.2, full=True)
    flow.answered(800.0, 0.2, full=True)
    answered(flow, 1000, 0.2, now=800.0)
    assert flow.window == 67


def test_without_a_rate_only_the_window_limits() -> None:
    flow = Flow(0.0, 65535, 0.0)
    for _ in range(1000):
        flow.sent(0.0, backlog=True)
    assert flow.backlog_room(0.0, 0) == flow.window
    assert flow.wait(0.0) == 0.0


def test_a_backlog_drains_at_four_fifths_of_the_rate() -> None:
    _, late = drain(Flow(50.0, 65535, 0.0), 100.0)
    assert 0.95 * 4000 <= late <= 1.1 * 4000


def test_live_messages_never_wait_for_a_backlog() -> None:
    live, late = drain(Flow(50.0, 65535, 0.0), 100.0, live_each=10.0)
    assert live >= 998
    assert live + late <= 1.05 * 5000


def test_a_quota_halves_window_and_rate_and_they_grow_back_slowly() -> None:
    flow = Flow(50.0, 65535, 0.0)
    now = answered(flow, 100, 0.01)
    flow.halve()
    flow.halve()
    assert (flow.window, flow.rate) == (5, 12.5)
    answered(flow, 12, 0.01, now=now)
    assert flow.window == 7
    answered(flow, 1000, 0.01, now=now)
    for _ in range(500):
        flow.accepted()
    assert (flow.window, flow.rate) == (20, 50.0)


answers = st.tuples(st.booleans(), st.booleans(), st.floats(0.0, 60.0), st.floats(0.0, 400.0))


@given(st.lists(answers, max_size=200), st.integers(1, 65535), st.floats(0.0, 1000.0))
def test_window_and_rate_stay_within_their_bounds(
    said: list[tuple[bool, bool, float, float]], maximum: int, rate: float
) -> None:
    flow, now = Flow(rate, maximum, 0.0), 0.0
    for good, full, seconds, later in said:
        now += later
        flow.answered(now, seconds, full=full)
        (flow.accepted if good else flow.halve)()
        assert 1 <= flow.window <= min(MOST, maximum)
        assert flow.rate <= max(rate, 0.1)
