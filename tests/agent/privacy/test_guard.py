"""Privacy at work in the flow: what waits survives what it may, and ends in the open when it must."""

from __future__ import annotations

import random
from datetime import UTC

import pytest
from msgspec.structs import replace

from agent.core.product import Privacy
from agent.core.record import Event
from agent.privacy.guard import taken_over
from agent.privacy.holding import Holding
from tests.agent.privacy.street import DOORS, FLATS, SEEN, Street, plan, product

HOLD = Privacy(mode="hold", k=5)
HELD = product("held", DOORS, HOLD)
FEW = product("few", SEEN, HOLD)
NOISE = Privacy(mode="dp", epsilon="1", sensitivity=2)
NOISY = product("noisy", DOORS, NOISE)
HOMES = product("homes", FLATS, Privacy(mode="min-sources"))


def test_small_counts_wait_and_leave_together() -> None:
    street = Street(plan(HELD))
    street.minute(**{"in": 3})
    street.minute(**{"in": 1})
    street.minute(**{"in": 2})
    street.wait(3)
    assert street.told("held") == [(0, 3, 6, "ok")]


def test_a_reload_that_leaves_the_product_alone_leaves_what_waits_alone() -> None:
    street = Street(plan(HELD))
    street.minute(**{"in": 3})
    street.wait(3)
    street.reload(plan(HELD, NOISY))
    street.minute()
    street.minute(**{"in": 9})
    street.wait(3)
    assert street.told("held") == [(0, 3, 12, "ok")]


def test_a_product_that_changes_or_goes_tells_what_waited_as_suppressed() -> None:
    for new in (plan(), plan(replace(HELD, privacy=Privacy(mode="hold", k=6)))):
        street = Street(plan(HELD))
        street.minute(**{"in": 3})
        street.wait(3)
        street.reload(new)
        assert street.told("held") == [(0, 1, None, "suppressed")]


def test_after_a_stop_counts_of_no_one_in_particular_go_on() -> None:
    street = Street(plan(HELD))
    street.minute(**{"in": 3})
    street.wait(3)
    street.stop()
    street.minute(**{"in": 3})
    street.wait(3)
    assert street.told("held") == [(0, 2, 6, "ok")]


def test_counts_of_people_are_never_written_down() -> None:
    street = Street(plan(FEW))
    street.minute(**{"in": 3})
    street.wait(3)
    assert "gate" in (street.saved("few") or {})  # type: ignore[operator]
    assert "3.0" not in street._kept["few"].partition('"gate"')[2].replace("1000", "")
    street.stop()
    assert street.told("few", "square.in") == [(0, 1, None, "suppressed")]
    assert '"gate"' not in street._kept["few"]


@pytest.mark.parametrize("made", [HELD, FEW], ids=["of-no-one", "of-people"])
def test_what_a_crash_costs_is_told_with_its_stretch_and_nothing_is_made_up(made: object) -> None:
    assert made in (HELD, FEW)
    name, point = ("held", "door.in") if made is HELD else ("few", "square.in")
    street = Street(plan(HELD if made is HELD else FEW))
    street.minute(**{"in": 3})
    street.wait(3)
    street.crash()
    street.minute()
    street.minute(**{"in": 9})
    street.wait(3)
    assert street.told(name, point) == [(1, 2, 9, "partial"), (0, 1, None, "no_data")]
    lost = street.of(name, point)[1]
    assert (lost["n"], lost["why"]) == (0, "crash")


def test_a_crash_is_told_even_after_a_second_one() -> None:
    street = Street(plan(HELD))
    street.minute(**{"in": 3})
    street.wait(3)
    street.crash()
    street.minute(**{"in": 2})  # nothing leaves yet: both doors wait again
    street.wait(3)
    street.crash()
    street.minute()
    street.minute(**{"in": 9, "out": 9})
    street.wait(3)
    lost = [one for one in street.of("held", "door.in") if one["state"] == "no_data"]
    assert [one["why"] for one in lost] == ["crash", "crash"]


def test_files_that_changed_while_it_was_stopped_do_not_let_a_small_count_out() -> None:
    for privacy in (Privacy(), Privacy(mode="suppress", k=5), NOISE):
        street = Street(plan(HELD))
        street.minute(**{"in": 3})
        street.wait(3)
        street.restart_with(plan(replace(HELD, privacy=privacy)))
        street.minute(**{"in": 9})
        street.wait(3)
        assert (0, 1, None, "suppressed") in street.told("held")


def test_homes_leave_together_and_never_with_what_each_of_them_gave() -> None:
    street = Street(plan(HOMES))
    street.minute()
    street.minute()
    street.minute(flat_1=40.0)
    street.minute(flat_1=None, flat_2=None)
    street.wait(3)
    rows = street.of("homes")
    assert {one["point"] for one in rows} == {"flats.energy"}
    assert [one["state"] for one in rows[1:3]] == ["ok", "suppressed"], "one home had most of it"
    assert rows[1]["value"] == pytest.approx(6 * 0.6)


# --- noise ---------------------------------------------------------------------------------------------


def test_noise_is_drawn_only_in_seconds_in_which_its_product_tells_nothing() -> None:
    drawn: list[tuple[float, str]] = []
    rng = random.Random(3)
    street: Street | None = None

    def below(most: int) -> int:
        drawn.append((street.t, street.phase) if street else (0.0, "start"))
        return rng.randrange(most)

    street = Street(plan(NOISY), below)
    for _ in range(5):
        street.minute(**{"in": 3})
    street.jump(180)  # so that one more window closes in the second after the first has left
    street.wait(20)
    told = {one["t"] for one in street.of("noisy")}
    assert len(told) == 8
    assert told.isdisjoint(t for t, _ in drawn)
    assert {phase for _, phase in drawn} == {"start", "tick"}
    # and what was drawn lay ready long before the window ended
    assert all(any(0 < t - one <= 2 for one in told) for t, phase in drawn if phase == "tick")


def test_when_a_window_leaves_does_not_depend_on_its_noise() -> None:
    moments = set()
    for seed in range(20):
        street = Street(plan(NOISY), random.Random(seed).randrange)
        for _ in range(3):
            street.minute(**{"in": 3})
        moments.add(tuple(one["t"] for one in street.of("noisy")))
    assert len(moments) == 1


def test_no_noise_is_used_twice() -> None:
    street = Street(plan(NOISY))
    for _ in range(12):
        street.minute(**{"in": 3})
    for point in ("door.in", "door.out"):
        assert len({one["value"] for one in street.of("noisy", point)}) > 2


def test_after_a_standstill_each_window_still_has_noise_of_its_own() -> None:
    street = Street(plan(NOISY))
    street.minute(**{"in": 3})
    street.jump(300)
    street.poll(**{"in": 4})
    street.wait(20)
    rows = street.of("noisy", "door.in")
    assert [one["start"] for one in rows] == sorted({one["start"] for one in rows})
    assert len(rows) == 6
    assert len({one["t"] for one in rows}) == 6, "one slot at a time: each waits for noise"


def test_windows_that_wait_for_noise_leave_before_the_end() -> None:
    street = Street(plan(NOISY))
    street.minute(**{"in": 3})
    street.jump(300)
    street.poll(**{"in": 4})
    street.wait(2)
    street.stop()
    assert len(street.of("noisy", "door.in")) == 6


def test_two_recipients_get_the_same_noise() -> None:
    both = plan(NOISY)
    both = replace(both, routes=(*both.routes, replace(both.routes[0], recipient="university")))
    street = Street(both)
    for _ in range(4):
        street.minute(**{"in": 3})
    rows = street.of("noisy", "door.in")
    first, second = rows[0::2], rows[1::2]
    assert [one["value"] for one in first] == [one["value"] for one in second]
    assert any(one["value"] != 3 for one in rows)


def test_cells_that_cannot_be_read_are_lost_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert taken_over(HELD, [{"point": "gate.in"}]) == ([], [])
    [line] = caplog.records
    assert line.__dict__["fields"]["PRODUCT"] == "held"


def test_an_event_of_a_product_that_holds_its_counts_has_no_way_out() -> None:
    event = Event("door.in", "threshold", "warning", 0.0, 1.0, "1", "above")
    held = product("flow", DOORS, Privacy(mode="hold", k=5))
    assert Holding(held, UTC, []).protect([event]) == []
