"""Running totals are open for half an hour, logged and listed; then they end by themselves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from agent.answers import Answers
from agent.core.clock import Clock, Instant
from agent.core.driver import Desk
from agent.core.errors import GatewayError
from agent.core.plan import Link, Plan
from agent.core.point import Kind, Point
from agent.core.sample import Emit, Quality, Sample
from agent.core.settings import decode_hook
from agent.core.ticks import ticks
from agent.outbox.ledger import saved
from agent.report.document import markdown
from agent.report.privacy import annex
from agent.tallies import KEY, Tallies, listed
from drivers.camera import Camera
from tests.agent.small_site import MeterLine, Site, plan
from tests.virtual import VirtualClock

NOON = 1_795_262_400.0
LINE = {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}
POINT = "square.gate.person_to_left"


COUNTED = "hall-meter.people"


class Doorway(MeterLine):
    """A line that counts one person each five minutes."""

    def points(self) -> Sequence[Point]:
        return [Point(name=COUNTED, kind=Kind.COUNT, every=300.0, cell=300.0, personal=True)]

    async def run(self, emit: Emit, clock: Clock, desk: Desk) -> None:
        del desk
        async for _ in ticks(clock, 300.0):
            emit([Sample(COUNTED, 1.0, clock.boot() - 150)])


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    one = Site(tmp_path, virtual, monkeypatch)
    whole = plan()
    counting = Link(name="hall", kind="meter-line", driver=Doorway(name="hall"))
    one.plan = replace(whole, links=(counting, *whole.links[1:]), products=(), routes=())
    return one


async def test_a_running_gateway_opens_them_and_the_annex_lists_them(site: Site) -> None:
    async with site.running():
        ask = Answers(site.gateway)
        told = await ask({"ask": "tally", "link": "hall"})
        await site.clock.sleep(told["end"] + 31 - told["now"])
        found = await ask({"ask": "tally", "link": "hall", "look": True})
        with pytest.raises(GatewayError, match='no link is called "hal"'):
            await ask({"ask": "tally", "link": "hal"})
    assert (found["ended"], found["counts"]) == (True, {COUNTED: 6})
    [period] = periods = listed(saved(site.folder, KEY))
    assert (period.link, period.end - period.begin) == ("hall", 1800)
    assert isinstance(site.plan, Plan)
    text = markdown(annex(site.plan, None, made="2026-03-02", software="1", tallies=periods))
    assert "| hall | 2026-03-02 08:05 | 2026-03-02 08:35 | 1 |" in text
    assert saved(site.folder / "nowhere", KEY) is None


class Store:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def save(self, product: str, state: object) -> None:
        self.kept[product] = state

    def saved(self, product: str) -> object | None:
        return self.kept.get(product)


def link(**more: Any) -> Link:  # noqa: ANN401
    table = {"source": "rtsp://10.30.0.7/2", "model": "m", "lines": LINE, **more}
    return Link(
        name="square",
        kind="camera",
        driver=replace(convert(table, Camera, dec_hook=decode_hook), name="square"),
    )


def at(seconds: float) -> Instant:
    """Give a moment after noon; boot time began then."""
    return Instant(seconds, NOON + seconds)


def sample(seconds: float, value: float | None, point: str = POINT) -> Sample:
    return Sample(point, value, seconds, Quality.GOOD if value is not None else Quality.BAD)


def test_what_comes_within_the_period_is_summed_and_nothing_else() -> None:
    tallies = Tallies(Store())
    told = tallies.open(link(), at(100))
    assert (told["begin"], told["end"]) == (NOON + 300, NOON + 2100), "it begins and ends with cells"
    for seconds, value in ((1.5, 50), (301.5, 3), (601.5, 4), (2101.5, 70)):
        both = [sample(seconds, value), sample(seconds, 0, "square.gate.person_to_right")]
        tallies.observe("square", both, at(seconds + 300))
    tallies.observe("yard", [sample(901.5, 9)], at(1200))
    tallies.observe("square", [sample(901.5, 9, "square.analysed")], at(1200))
    told = tallies.look("square", at(1200))
    assert told["counts"] == {POINT: 7, "square.gate.person_to_right": 0}
    assert not told["ended"]


def test_it_ends_by_itself_and_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    tallies = Tallies(Store())
    with caplog.at_level(logging.INFO):
        tallies.open(link(), at(100))
        tallies.tick(at(2129))
        assert not tallies.look("square", at(2129))["ended"], "the last samples have a moment to come"
        tallies.tick(at(2130))
    assert [one.message for one in caplog.records] == [
        "somebody counts beside link square: its running totals can be seen on this computer, for 33 min",
        "the running totals of link square have ended",
    ]
    assert tallies.look("square", at(2131))["ended"]
    tallies.observe("square", [sample(600, 5)], at(2132))
    assert tallies.look("square", at(2133))["counts"][POINT] is None, "nobody told of any cell"
    with pytest.raises(GatewayError, match="no running totals are open"):
        tallies.look("square", at(3000))


def test_whoever_comes_back_finds_the_same_period() -> None:
    store = Store()
    tallies = Tallies(store)
    first = tallies.open(link(), at(100))
    assert tallies.open(link(), at(900))["begin"] == first["begin"]
    assert tallies.open(link(), at(2200))["begin"] == NOON + 2400
    assert len(listed(store.kept[KEY])) == 2


def test_what_nobody_could_tell_is_unknown_and_not_zero() -> None:
    tallies = Tallies(Store())
    tallies.open(link(), at(0))
    tallies.observe("square", [sample(301.5, None), sample(480, 4)], at(601))
    assert tallies.look("square", at(602))["counts"][POINT] is None


def test_a_cell_of_which_nobody_told_makes_the_total_unknown() -> None:
    tallies = Tallies(Store())
    tallies.open(link(), at(0))
    tallies.observe("square", [sample(301.5, 4)], at(601))
    assert tallies.look("square", at(929))["counts"][POINT] == 4
    assert tallies.look("square", at(930))["counts"][POINT] is None


def test_every_period_is_listed_after_a_restart_too() -> None:
    store = Store()
    Tallies(store).open(link(), at(100))
    Tallies(store).open(link(), at(4000))
    [one, two] = listed(store.kept[KEY])
    assert (one.link, one.begin, one.end, one.points) == ("square", NOON + 300, NOON + 2100, 2)
    assert two.begin == NOON + 4200
    assert listed({"of": "another release"}) == []


def test_wide_cells_make_one_cell_of_it() -> None:
    told = Tallies(Store()).open(link(cell="1h"), at(100))
    assert told["end"] - told["begin"] == 3600


def test_a_link_that_counts_nobody_has_none() -> None:
    bays = {"taxi": {"corners": [[0, 0], [1, 0], [1, 1]]}}
    with pytest.raises(GatewayError, match="counts nobody"):
        Tallies(Store()).open(link(lines={}, bays=bays), at(0))
