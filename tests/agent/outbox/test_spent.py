"""What noise costs is on the account: each release once, by day and policy, with its epsilon and S."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.cli.main import main
from agent.config.load import load
from agent.core.errors import OutboxError
from agent.core.message import Encoding
from agent.core.plan import Plan
from agent.core.record import Aggregate, Event
from agent.core.sample import Quality, Sample
from agent.flow import Flow
from agent.outbox.account import noise_table
from agent.outbox.outbox import FILE, Outbox
from agent.outbox.spent import Key, Spent, spending, spent
from agent.outbox.store import Store
from agent.registry import encoder
from tests.agent.outbox.scenes import TurnedClock, World
from tests.virtual import START

SITE = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[link.counter]
driver = "modbus-tcp"
host = "10.20.0.31"
[device.door]
link = "counter"
every = "1m"
[device.door.points]
in = {{ addr = 0, type = "u16", kind = "count", scope = "public" }}
out = {{ addr = 1, type = "u16", kind = "count", scope = "public" }}
[product.side]
from = ["door.*"]
window = "15m"
statistics = ["sum"]
privacy = {{ mode = "dp", epsilon = "{epsilon}" }}
[recipient.city]
broker = "mqtts://city.example"
party = "City"
[recipient.lab]
broker = "mqtts://lab.example"
party = "University"
"""
DAY_S = 86400.0
GRANT = """
[grant.{name}]
recipient = "{name}"
products = ["side"]
purpose = "planning"
basis = "public-task"
keep = "90d"
"""
DAY = datetime.fromtimestamp(START, UTC).date().isoformat()


class Door:
    """A door whose counts leave with noise, over several runs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = TurnedClock(START)

    async def open(self, *to: str, epsilon: str = "1/2") -> None:
        text = SITE.format(epsilon=epsilon) + "".join(GRANT.format(name=one) for one in to)
        (self.folder / "site.toml").write_text(text, "utf-8")
        plan = load(self.folder)
        self.outbox = await Outbox.open(
            self.folder, cap=8 << 20, keep=2 * 86400.0, clock=self.clock, boxed=False
        )
        self.flow = Flow(self.outbox)
        self.flow.open = True
        self.apply(plan)

    def apply(self, plan: Plan) -> None:
        encodings: dict[str, Encoding] = {one.name: encoder(one, plan.place) for one in plan.recipients}
        self.outbox.configure(plan, encodings)
        self.flow.configure(plan)
        self.flow.begin(plan.products, self.clock.now())

    def minutes(self, count: int, *, heard: bool = True) -> None:
        for _ in range(count):
            self.clock.turn(60.0)
            quality, why = (Quality.GOOD, "") if heard else (Quality.BAD, "no_reply")
            value = 1.0 if heard else None
            names = ("door.in", "door.out")
            self.flow.feed(
                [Sample(one, value, self.clock.at, quality, why) for one in names], self.clock.now()
            )
            self.flow.tick(self.clock.now())

    async def close(self) -> list[tuple[str, str, int, int]]:
        self.flow.end(list(self.flow.works), stopping=True)
        await self.outbox.close()
        return [(one.point, one.epsilon, one.sensitivity, one.releases) for one in self.spent()]

    def spent(self) -> list[Spent]:
        return spent(self.folder / FILE)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path)


async def test_each_window_of_a_count_is_one_release(door: Door) -> None:
    await door.open("city")
    door.minutes(62)
    assert await door.close() == [("door.in", "1/2", 2, 4), ("door.out", "1/2", 2, 4)]
    assert {(one.day, one.product) for one in door.spent()} == {(DAY, "side")}


async def test_two_recipients_of_one_window_are_one_release(door: Door) -> None:
    await door.open("city", "lab")
    door.minutes(62)
    assert [count for *_, count in await door.close()] == [4, 4]


async def test_what_nobody_gets_was_not_released(door: Door) -> None:
    await door.open()
    door.minutes(62)
    assert await door.close() == []


async def test_a_device_that_told_nothing_was_not_released(door: Door) -> None:
    await door.open("city")
    door.minutes(45, heard=False)
    door.minutes(17)
    assert [count for *_, count in await door.close()] == [1, 1]


def test_what_tells_nothing_leaves_no_line_in_the_account(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(epsilon="1/2") + GRANT.format(name="city"), "utf-8")
    [product] = load(tmp_path).products
    withheld = Aggregate("door.in", START, 900.0, None, (None,))
    event = Event("door.in", "threshold", "info", START, 1.0, "", "")
    assert list(spending(product, [withheld, event], "p1")) == []
    told = replace(withheld, values=(7.0,))
    [(key, count)] = spending(product, [told, event], "p1").items()
    assert (key, count) == (Key(DAY, "p1", "side", "door.in", "1/2", 2), 1)


async def test_runs_and_policies_of_a_day_are_told_apart_and_added_up(door: Door) -> None:
    for epsilon in ("1/2", "1/2", "1"):
        await door.open("city", epsilon=epsilon)
        door.minutes(17)
        await door.close()
    found = [(one.epsilon, one.releases) for one in door.spent() if one.point == "door.in"]
    assert sorted(found) == [("1", 1), ("1/2", 2)]
    assert len({one.policy for one in door.spent()}) == 2


async def test_a_commit_that_failed_is_not_counted_twice(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    await door.open("city")
    door.minutes(17)
    committed: Callable[..., object] = Store._commit
    failures = iter(range(1))

    def fail(store: Store, work: object) -> object:
        if next(failures, None) is not None:
            raise OutboxError("the disk does not answer")
        return committed(store, work)

    monkeypatch.setattr(Store, "_commit", fail)
    await door.outbox.flush()
    assert door.spent() == []
    assert [count for *_, count in await door.close()] == [1, 1]


async def test_a_damaged_file_keeps_its_account(door: Door) -> None:
    await door.open("city")
    door.minutes(62)
    before = await door.close()
    (door.folder / "outbox.damaged").write_text("found")
    await door.open("city")
    await door.outbox.close()
    assert [(one.point, one.epsilon, one.sensitivity, one.releases) for one in door.spent()] == before


async def test_the_account_goes_with_the_roots_of_its_day(tmp_path: Path) -> None:
    world = World(tmp_path, keep=DAY_S)
    await world.start()
    for day in ("2026-11-22", "2027-12-30"):
        world.outbox._books.spent[Key(day, "3b683cb786f6", "side", "door.in", "1/2", 2)] += 96
        for _ in range(80):
            world.clock.turn(60.0)
            world.window()
        await world.flush()
        await world.deliver()
        world.clock.turn(2 * DAY_S)
        await world.flush()
        world.clock.turn(401 * DAY_S)
    assert [(one.day, one.releases) for one in spent(tmp_path / FILE)] == [("2027-12-30", 96)]
    await world.outbox.close()


async def test_it_is_shown_by_day_and_says_what_it_means(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    await door.open("city")
    door.minutes(62)
    await door.close()
    words = ("--state", str(door.folder), "--config", str(door.folder))
    assert main(["ledger", "privacy", *words]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[2:] for line in shown.splitlines() if DAY in line] == [
        ["side", "door.in", "1/2", "2", "4"],
        ["side", "door.out", "1/2", "2", "4"],
    ]
    assert "it loses at most epsilon, however many windows a day has" in shown
    assert main(["ledger", "privacy", "--json", "--product", "side", "--since", DAY, *words]) == 0
    assert [one["releases"] for one in json.loads(capsys.readouterr().out)] == [4, 4]
    assert main(["ledger", "privacy", "--until", "2026-01-01", *words]) == 0
    assert "no count was released with noise" in capsys.readouterr().err
    assert main(["ledger", "export", "--form", "page", *words]) == 0
    page = capsys.readouterr().out
    assert "\n".join(noise_table(door.spent())) in page


def test_a_ledger_of_an_older_release_has_no_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.outbox import schema

    monkeypatch.setattr(schema, "VERSION", 1)
    schema.connect(tmp_path / FILE).close()
    assert spent(tmp_path / FILE) == []
