"""How much may be sent: window, rate, and the share of the backlog."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.flow import WINDOW, Flow


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


def test_the_window_is_twenty_or_what_the_broker_allows() -> None:
    assert Flow(0.0, 65535, 0.0).room(0.0, 0) == WINDOW == 20
    assert Flow(0.0, 5, 0.0).room(0.0, 0) == 5
    assert Flow(0.0, 5, 0.0).room(0.0, 4) == 1
    assert Flow(0.0, 5, 0.0).room(0.0, 6) == 0


def test_without_a_rate_only_the_window_limits() -> None:
    flow = Flow(0.0, 65535, 0.0)
    for _ in range(1000):
        flow.sent(0.0, backlog=True)
    assert flow.backlog_room(0.0, 0) == WINDOW
    assert flow.wait(0.0) == 0.0


def test_a_backlog_drains_at_four_fifths_of_the_rate() -> None:
    _, late = drain(Flow(50.0, 65535, 0.0), 100.0)
    assert 0.95 * 4000 <= late <= 1.1 * 4000


def test_live_messages_never_wait_for_a_backlog() -> None:
    live, late = drain(Flow(50.0, 65535, 0.0), 100.0, live_each=10.0)
    assert live >= 998
    assert live + late <= 1.05 * 5000


def test_a_quota_halves_window_and_rate_and_they_grow_back() -> None:
    flow = Flow(50.0, 65535, 0.0)
    flow.halve()
    flow.halve()
    assert (flow.window, flow.rate) == (5, 12.5)
    for _ in range(20):
        flow.accepted()
    assert 5 < flow.window < 20
    for _ in range(500):
        flow.accepted()
    assert (flow.window, flow.rate) == (20, 50.0)


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 65535), st.floats(0.0, 1000.0))
def test_window_and_rate_stay_within_their_bounds(answers: list[bool], maximum: int, rate: float) -> None:
    flow = Flow(rate, maximum, 0.0)
    for good in answers:
        (flow.accepted if good else flow.halve)()
        assert 1 <= flow.window <= min(WINDOW, maximum)
        assert flow.rate <= max(rate, 0.1)
