"""The figures of links are told in words, and only where there is something to tell."""

from __future__ import annotations

from agent.cli.figures import in_words
from agent.core.driver import Desk
from drivers.modbus.figures import NOISE_HINT, Figures
from drivers.modbus.frames import Tally
from drivers.serial.figures import Figures as SerialFigures
from drivers.serial.hear import Counts


async def test_every_figure_of_a_modbus_link_has_its_words() -> None:
    desk = Desk()
    figures = Figures(desk.figures)
    for now in (10.0, 60.0):
        figures.asked(now, 5.0)
    for code in (0, 1, 2, 3, 4, 5, 6, 10, 11, 99):
        figures.answered(0.0125, code)
    figures.connected(up=True)
    figures.timed_out()
    figures.dropped(Tally(stale=1, foreign=2, crc_errors=3, noise=400, echoes=5))
    figures.quarantined()
    figures.overran(6)
    figures.shed(60.0, 7)
    figures.overload(["attic"])
    figures.silent(["cellar"])
    figures.planned(41.2, 40.0)
    figures.lacking([f"meter.p{i}" for i in range(10)], 3)
    told = list(in_words(desk.figures))
    assert len(told) == len(desk.figures)
    assert [one for one in told if "_" in one] == []
    assert told[:3] == ["2 requests", "without reply: 1", "refused or failed by devices: 9"]
    for words in (
        "connected",
        "replies in 12.5 ms",
        "line in use 18.2 %",
        "exception 2 (no such address): 1",
        "exception 99 (of its own): 1",
        "late or strange replies dropped: 1",
        "noise: 400 bytes",
        "polls of every 60s put off: 7",
        "silent, asked rarely: cellar",
        "stretches not read across: 3",
        f"hint: {NOISE_HINT}",
    ):
        assert words in told
    (lacking,) = [one for one in told if "not given" in one]
    assert lacking.endswith("meter.p7 and 2 more")


async def test_every_figure_of_a_listening_link_has_its_words() -> None:
    desk = Desk()
    figures = SerialFigures(desk.figures)
    figures.connected(up=False)
    figures.low_latency(on=False)
    figures.seen(Counts(1, 2, 3, 4))
    figures.unmatched()
    figures.heard(10.0)
    figures.age(12.5)
    figures.hint("turn the plug round")
    told = list(in_words(desk.figures))
    assert len(told) == len(desk.figures)
    assert [one for one in told if "_" in one] == []
    assert "last frame 2.5 s ago" in told
    assert "not connected" in told


def test_what_never_happened_is_not_told() -> None:
    assert list(in_words({"timeouts": 0, "silent": "", "connected": "yes", "low_latency": "yes"})) == [
        "connected"
    ]


def test_a_figure_that_nobody_knows_keeps_its_name() -> None:
    assert list(in_words({"sun_spots": 3, "mood": "fair"})) == ["sun spots 3", "mood fair"]


def test_what_was_never_heard_is_said_and_a_yes_in_words() -> None:
    assert list(in_words({"last_frame_age": "never"})) == ["nothing heard yet"]
