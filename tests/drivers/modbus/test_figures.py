"""What a link counts about itself is what happened, whatever a maintainer reads into it."""

from __future__ import annotations

import pytest

from drivers.modbus.figures import NOISE_HINT, Figures
from drivers.modbus.frames import Tally

Desk = dict[str, float | str]


def test_a_link_that_has_done_nothing_says_so_and_a_restart_counts_on() -> None:
    desk: Desk = {}
    Figures(desk)
    assert desk == {
        "requests": 0, "timeouts": 0, "exceptions": 0, "stale_dropped": 0, "overruns": 0, "connected": "no"
    }  # fmt: skip
    Figures(desk).timed_out()
    again = Figures(desk)
    again.timed_out()
    again.connected(up=True)
    assert (desk["timeouts"], desk["connected"]) == (2, "yes")
    again.connected(up=False)
    assert desk["connected"] == "no"


def test_how_much_of_the_time_the_line_is_held_is_told_each_half_minute() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    for now in range(1, 31):
        assert "line_use_percent" not in desk
        figures.asked(float(now), 0.2468)  # the first began at 0.7532
    assert desk["requests"] == 30
    figures.asked(30.7532, 0.1)
    assert desk["line_use_percent"] == round(100 * (30 * 0.2468 + 0.1) / 30, 1) == 25.0
    for now in range(31, 61):
        figures.asked(float(now), 0.75)
    figures.asked(60.7532, 0.0)
    assert desk["line_use_percent"] == 75.0, "of the second half minute alone"


def test_a_link_that_asked_first_as_the_clock_began_is_measured_like_others() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    figures.asked(0.0, 0.0)
    figures.asked(20.0, 0.0)
    figures.asked(30.0, 6.0)
    assert desk["line_use_percent"] == 20.0


def test_the_times_of_replies_are_those_of_the_latest() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    figures.answered(0.0123456, 0)
    assert (desk["rtt_ms"], desk["rtt_p99_ms"]) == (12.346, 12.346), "at once, with the first"
    for n in range(15):
        figures.answered(1.0 + n, 0)
    assert desk["rtt_ms"] == 12.346, "then each sixteenth"
    figures.answered(0.5, 0)
    assert (desk["rtt_ms"], desk["rtt_p99_ms"]) == (7000.0, 14000.0)
    for n in range(256):
        figures.answered(n / 1000, 0)
    assert (desk["rtt_ms"], desk["rtt_p99_ms"]) == (127.0, 252.0)


def test_the_oldest_of_the_replies_is_the_one_that_goes() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    for _ in range(256):
        figures.answered(0.001, 0)
    for _ in range(129):
        figures.answered(1.0, 0)
    assert desk["rtt_ms"] == 1000.0, "129 of the latest 256"
    other: Desk = {}
    figures = Figures(other)
    for _ in range(256):
        figures.answered(0.001, 0)
    for _ in range(113):
        figures.answered(1.0, 0)
    assert other["rtt_ms"] == 1.0


def test_what_devices_refuse_is_counted_in_all_and_by_its_code() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    for code in (2, 2, 6, 0):
        figures.answered(0.01, code)
    assert (desk["exceptions"], desk["exception_2"], desk["exception_6"]) == (3, 2, 1)
    assert "exception_0" not in desk


def test_what_frames_drop_is_counted_once() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    tally = Tally(stale=1, foreign=2, crc_errors=3, noise=4, echoes=5)
    figures.dropped(tally)
    figures.dropped(tally)
    tally.stale, tally.foreign, tally.crc_errors, tally.noise, tally.echoes = 11, 22, 33, 44, 55
    figures.dropped(tally)
    told = [desk[name] for name in ("stale_dropped", "foreign_frames", "crc_errors", "noise_bytes", "echoes")]
    assert told == [11, 22, 33, 44, 55]


@pytest.mark.parametrize(
    ("noise", "requests", "hinted"),
    [
        (20, 99, True),
        (20, 100, False),
        (21, 100, True),
        (19, 1, False),
        (201, 1000, True),
        (200, 1000, False),
    ],
)
def test_the_wiring_is_hinted_at_from_twenty_stray_bytes_in_a_hundred_requests_on(
    noise: int, requests: int, *, hinted: bool
) -> None:
    desk: Desk = {"requests": requests}
    figures = Figures(desk)
    figures.dropped(Tally(noise=noise))
    assert desk["hint"] == (NOISE_HINT if hinted else "")


def test_a_line_that_drops_whole_frames_alone_is_not_said_to_be_noisy() -> None:
    desk: Desk = {"requests": 1}
    Figures(desk).dropped(Tally(stale=50))
    assert (desk["hint"], desk["stale_dropped"]) == ("", 50)
    assert "noise_bytes" not in desk


def test_what_is_read_too_seldom_or_left_in_peace_is_counted_and_named() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    figures.quarantined()
    figures.quarantined()
    figures.overran(3)
    figures.overran(4)
    figures.shed(2.5, 7)
    figures.overload(["a", "b"])
    figures.silent(["c"])
    figures.planned(123.456, 98.765)
    assert (desk["quarantines"], desk["overruns"], desk["shed_2.5s"]) == (2, 7, 7)
    assert (desk["overload"], desk["silent"]) == ("a, b", "c")
    assert (desk["plan_ms"], desk["ideal_ms"]) == (123.5, 98.8)


@pytest.mark.parametrize(("many", "end"), [(8, "p7"), (9, "p7 and 1 more"), (11, "p7 and 3 more")])
def test_of_the_points_that_are_lacking_eight_are_named_and_the_rest_counted(many: int, end: str) -> None:
    desk: Desk = {}
    Figures(desk).lacking([f"p{n}" for n in range(many)], 5)
    assert desk["lacking"] == ", ".join(f"p{n}" for n in range(7)) + ", " + end
    assert desk["learnt"] == 5


def test_a_late_reply_is_counted_once() -> None:
    desk: Desk = {}
    figures = Figures(desk)
    figures.late()
    assert desk["late_replies"] == 1
