"""Half an hour beside a camera: the gateway's totals, a person's tally, and what is published of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.cli import beside
from agent.cli.main import main
from agent.cli.published import publish
from agent.config.load import load
from agent.control import Control
from agent.core.clock import Instant
from agent.core.driver import CanTell
from agent.core.errors import ConfigError
from agent.core.measured import Measured
from agent.core.message import Head, Place
from agent.core.product import Route
from agent.core.sample import Quality, Sample
from agent.encodings.native import Native
from agent.tallies import Tallies
from tests.agent.test_tallies import NOON, Store
from tests.cli.conftest import SITE

Screen = pytest.CaptureFixture[str]
CAMERA = """
[link.square]
driver = "camera"
source = "rtsp://10.30.0.7/stream2"
model = "nanodet-g"
[link.square.lines.north-gate]
from = [0.5, 0.9]
to = [0.5, 0.1]
[link.square.lines.south-gate]
from = [0.2, 0.9]
to = [0.2, 0.1]
[product.people-flow]
from = ["square.north-gate.*"]
window = "15m"
statistics = ["sum"]
privacy = { mode = "suppress", k = 5 }
"""
TALLY = "[lines.north-gate]\nto_left = 22\nto_right = 20\n[lines.south-gate]\nto_left = 3\n"


class Gateway:
    """A gateway's socket with its real totals, whose time a test lets pass: five minutes at each look."""

    def __init__(self, folder: Path, *, blind: bool = False) -> None:
        self.now = 100.0
        self.tallies = Tallies(Store())
        self.path = folder / "control.sock"
        self._plan = load(folder)
        self._blind = blind

    async def answer(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Answer as the daemon does."""
        link = next(one for one in self._plan.links if one.name == wish["link"])
        if not wish.get("look"):
            return self.tallies.open(link, self._instant())
        self.now += 300
        cell = (self.now // 300 - 1) * 300 + 1.5
        quality = Quality.BAD if self._blind and cell == 601.5 else Quality.GOOD
        known = None if quality is Quality.BAD else 3.5
        samples = [
            Sample(one.name, known if ".north-gate." in one.name else 0.0, cell, quality)
            for one in link.driver.points()
        ]
        self.tallies.observe("square", samples, self._instant())
        return self.tallies.look("square", self._instant())

    def _instant(self) -> Instant:
        return Instant(self.now, NOON + self.now)


@contextmanager
def listening(gateway: Gateway) -> Iterator[None]:
    """Serve the real socket in a thread."""
    loop = asyncio.new_event_loop()
    control = Control(gateway.path, gateway.answer)

    async def serve() -> None:
        task = asyncio.ensure_future(control.run())
        await control.listening.wait()
        ready.set()
        await stop.wait()
        task.cancel()
        await asyncio.wait([task])

    ready, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(5)
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(beside, "_GLANCE", 0.0)
    monkeypatch.setattr(beside, "_LEAST", 0.0)
    (tmp_path / "site.toml").write_text(SITE.partition("[link")[0] + CAMERA, encoding="utf-8")
    (tmp_path / "counted.toml.txt").write_text(TALLY, encoding="utf-8")
    return tmp_path


def validate(site: Path, *more: str) -> int:
    words = ["validate", "square", "--config", str(site), "--socket", str(site / "control.sock")]
    return main([*words, *more])


def test_a_tally_beside_the_camera_is_compared_and_published(site: Path, capsys: Screen) -> None:
    expect = str(site / "counted.toml.txt")
    with listening(Gateway(site)):
        assert validate(site, "--expect", expect, "--json") == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["counts"]["north-gate"] == {"person_to_left": 21, "person_to_right": 21}
    assert found["accuracy"] == pytest.approx(1 - 5 / 45)
    assert "count who crosses from" in told.err
    assert "north-gate.person_to_left 21" in told.err
    assert "not kept of south-gate: fewer than 20 passages say too little" in told.err
    assert f"kept in {site}/site.d/measured-square.toml" in told.err
    plan = load(site)
    [product] = plan.products
    way = Route(recipient="city", product="people-flow", grant="g", purpose="planning", basis="", keep=3600)
    place = Place(city="vaasa", site="library", gateway="gw1")
    head = Head(epoch=1, seq=1, policy="p", boot_id="b")
    [birth] = Native(place).birth(product, way, head, "lid1")
    about = json.loads(birth.body)["points"]["square.north-gate.person_to_left"]
    assert about["method"] == "camera, line crossing"
    assert about["acc"] == [0.95, 0.84, 0.99, 40], "in whole per cents and tens"


def test_an_accuracy_ends_when_the_line_is_drawn_anew(site: Path) -> None:
    with listening(Gateway(site)):
        validate(site, "--expect", str(site / "counted.toml.txt"))
    file = site / "site.toml"
    file.write_text(file.read_text("utf-8").replace("[0.5, 0.9]", "[0.6, 0.9]"), encoding="utf-8")
    [link] = load(site).links
    assert [one.measured for one in link.driver.points()] == [None] * len(link.driver.points())
    assert isinstance(link.driver, CanTell)
    assert (
        "square.north-gate: its accuracy was measured of another drawing or model" in link.driver.facts()[0]
    )


def test_another_line_measured_later_leaves_the_first(site: Path) -> None:
    for text in (TALLY, "[lines.south-gate]\nto_left = 30\n"):
        (site / "counted.toml.txt").write_text(text, encoding="utf-8")
        with listening(Gateway(site)):
            assert validate(site, "--expect", str(site / "counted.toml.txt")) == 0
    text = (site / "site.d" / "measured-square.toml").read_text("utf-8")
    assert "[link.square.measured.north-gate]" in text
    assert "[link.square.measured.south-gate]\naccuracy = 0.0\n" in text


def test_without_a_tally_the_counts_alone_are_told(site: Path, capsys: Screen) -> None:
    with listening(Gateway(site)):
        assert validate(site) == 0
    told = capsys.readouterr()
    assert "north-gate  person_to_left       21" in told.out
    assert "Accuracy" not in told.out
    assert not (site / "site.d").exists()


def test_a_camera_that_was_not_seen_all_the_time_is_not_compared(site: Path, capsys: Screen) -> None:
    with listening(Gateway(site, blind=True)):
        assert validate(site, "--expect", str(site / "counted.toml.txt")) == 1
    assert "not all of the time was looked at the camera" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--every", "4"], "--every belongs to --clip"),
        (["--model", "x"], "--model belongs to --clip"),
        (["--expect", "/nowhere/at/all.toml"], "there is no folder /nowhere/at"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_half_an_hour_has_gone(
    site: Path, capsys: Screen, more: list[str], says: str
) -> None:
    assert validate(site, *more) == 2
    assert says in capsys.readouterr().err


def test_a_wrong_name_is_answered_with_the_nearest(site: Path, capsys: Screen) -> None:
    assert main(["validate", "sqare", "--config", str(site)]) == 2
    assert 'no camera is called "sqare"; did you mean "square"?' in capsys.readouterr().err


def test_without_a_gateway_nothing_can_be_opened(site: Path, capsys: Screen) -> None:
    assert validate(site) == 1
    assert "no gateway is running here" in capsys.readouterr().err


def test_a_person_is_asked_for_each_line_and_way_until_it_is_a_number(
    site: Path, capsys: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answers = iter(["22", "many", "-1", "20", "3", "0"])

    def answer(what: str) -> str:
        asked.append(what)
        return next(answers)

    monkeypatch.setattr("builtins.input", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    with listening(Gateway(site)):
        assert validate(site) == 0
    north = ["north-gate to_left: ", *["north-gate to_right: "] * 3]
    assert asked == [*north, "south-gate to_left: ", "south-gate to_right: "]
    told = capsys.readouterr()
    assert told.err.count("a number of passages, 0 or more\n") == 2
    assert "Accuracy" in told.out


def test_zones_beside_the_lines_are_not_compared_and_nothing_said_twice(site: Path, capsys: Screen) -> None:
    zone = "[link.square.zones.bench]\ncorners = [[0.1, 0.1], [0.2, 0.1], [0.2, 0.2]]\n"
    text = (site / "site.toml").read_text("utf-8").replace("[product", zone + "[product", 1)
    (site / "site.toml").write_text(text, "utf-8")
    with listening(Gateway(site)):
        assert validate(site, "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["counts"].keys() == {"north-gate", "south-gate"}
    lines = told.err.splitlines()
    assert len(set(lines)) == len(lines)


def test_somebody_elses_period_is_not_taken_for_ours(site: Path, capsys: Screen) -> None:
    class Stolen(Gateway):
        async def answer(self, wish: dict[str, Any]) -> dict[str, Any]:
            told = await super().answer(wish)
            return told | {"begin": told["begin"] + 60} if wish.get("look") else told

    with listening(Stolen(site)):
        assert validate(site) == 1
    assert "another period has begun meanwhile: somebody else counts" in capsys.readouterr().err


def test_a_result_that_cannot_be_kept_is_shown_to_be_written_by_hand(site: Path, capsys: Screen) -> None:
    expect = str(site / "counted.toml.txt")
    (site / "site.d").write_text("a file where the folder should be", "utf-8")
    with listening(Gateway(site)):
        assert validate(site, "--expect", expect) == 1
    said = capsys.readouterr().err
    assert "measured-square.toml cannot be written (" in said
    assert "[link.square.measured.north-gate]\naccuracy = " in said


def test_a_kept_result_that_is_damaged_is_said(site: Path) -> None:
    (site / "site.d").mkdir()
    (site / "site.d" / "measured-square.toml").write_text("[link\n", "utf-8")
    with pytest.raises(
        ConfigError, match=r"measured-square\.toml cannot be read .*; delete it and try again"
    ):
        publish(site, "square", {})


def test_a_configuration_of_one_file_gets_the_tables_to_copy(site: Path) -> None:
    with pytest.raises(ConfigError, match=r"is one file and has no site\.d; write this into it:"):
        publish(site / "site.toml", "square", {})


def test_the_camera_to_be_counted_has_to_be_named(site: Path, capsys: Screen) -> None:
    assert main(["validate", "--config", str(site)]) == 2
    assert "name the camera to be counted; cameras of this site: square" in capsys.readouterr().err


def test_a_tally_of_a_few_is_compared_and_not_kept(site: Path, capsys: Screen) -> None:
    (site / "few.txt").write_text("[lines.north-gate]\nto_left = 2\n", encoding="utf-8")
    with listening(Gateway(site)):
        assert validate(site, "--expect", str(site / "few.txt")) == 0
    said = capsys.readouterr()
    assert "Accuracy" in said.out
    assert "not kept of north-gate: fewer than 20 passages say too little" in said.err
    assert not (site / "site.d").exists()


def test_a_look_that_shows_nothing_new_says_nothing(site: Path, capsys: Screen) -> None:
    class Still(Gateway):
        last: dict[str, Any] | None = None

        async def answer(self, wish: dict[str, Any]) -> dict[str, Any]:
            if wish.get("look") and self.last is not None:
                told, self.last = self.last, None
                return told
            told = await super().answer(wish)
            self.last = told if wish.get("look") and not told["ended"] else None
            return told

    with listening(Still(site)):
        assert validate(site) == 0
    lines = [one for one in capsys.readouterr().err.splitlines() if one.startswith("until")]
    assert len(lines) == len(set(lines)) > 1


def test_a_result_whose_bounds_are_the_wrong_way_round_is_refused() -> None:
    with pytest.raises(ValueError, match='"low" lies above "high"'):
        Measured(accuracy=0.9, low=0.95, high=0.8, passages=40, on="2026-11-28", of="x")
