"""The whole gateway in one process on virtual time: meters in, messages out, and everything between real."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.answers import Answers, _within_patience
from agent.app import Daemon
from agent.core.attested import Attested
from agent.core.driver import Reading
from agent.core.errors import ConfigError, GatewayError, OutboxError
from agent.core.plan import Edition, Grant, Link, OutboxPlan, Plan, Recipient
from agent.core.point import Point
from agent.core.sample import Sample
from agent.flow import _paces
from agent.outbox.heads import compare
from agent.outbox.port import Inline
from agent.policy.edition import admit
from agent.reach import VARIABLE
from tests.agent.small_site import NETWORK, Meter, MuteLine, Site, link, plan, product, route
from tests.virtual import VirtualClock


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site that is not running yet."""
    return Site(tmp_path, virtual, monkeypatch)


async def test_what_is_measured_reaches_the_city_in_windows(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(310)
    starts = [start for start, _ in site.city.figures("hall-meter.power")]
    assert starts[:5] == [f"2026-03-02T08:0{minute}:00Z" for minute in range(5)]
    assert all(found["mean"] == 50.0 for _, found in site.city.figures("hall-meter.power"))
    assert [found["delta"] for _, found in site.city.figures("hall-meter.energy")][1:5] == [6.0] * 4


async def test_the_first_message_opens_the_route_and_none_is_missing(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(310)
    assert [row.kind for row in site.city.rows][:2] == ["start", "batch"]
    assert [row.seq for row in site.city.rows] == list(range(1, len(site.city.rows) + 1))


async def test_nothing_leaves_without_a_grant(site: Site) -> None:
    site.plan = replace(plan(), routes=())
    async with site.running():
        await site.clock.sleep(310)
    assert site.city.rows == []


async def test_a_clean_stop_hands_the_open_window_over(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(145)
    async with site.running():
        await site.clock.sleep(160)
    assert site.city.bodies("gap") == []
    assert site.city.bodies("start")[1]["prev"]["clean"] is True
    counted = [found["delta"] for _, found in site.city.figures("hall-meter.energy")]
    starts = [start for start, _ in site.city.figures("hall-meter.energy")]
    assert starts == [f"2026-03-02T08:0{minute}:00Z" for minute in range(len(starts))]
    assert sum(value or 0 for value in counted) >= NETWORK["10.0.0.5"].energy - 7


@pytest.mark.parametrize("replaced", [True, False])
async def test_a_meter_replaced_while_the_gateway_is_down_is_told_apart(site: Site, replaced: bool) -> None:
    meter = NETWORK.setdefault("10.0.0.5", Meter())
    meter.number, meter.energy = "aa01", 5000.0
    async with site.running():
        await site.clock.sleep(145)
    meter.number, meter.energy = ("bb02", 70_000.0) if replaced else ("aa01", meter.energy + 60)
    async with site.running():
        await site.clock.sleep(160)
    figures = [found for _, found in site.city.figures("hall-meter.energy")]
    deltas = [one["delta"] for one in figures if one["delta"] is not None]
    assert max(deltas) == (6 if replaced else 67)
    sent = json.dumps(site.city.bodies("batch"))
    assert ("new_meter" in sent) is replaced
    assert "bb02" not in sent


async def test_what_a_driver_noted_is_there_after_a_restart(site: Site) -> None:
    for _ in range(2):
        async with site.running():
            await site.clock.sleep(5)
    assert NETWORK["10.0.0.5"].notes == [None, {"runs": 1}]


async def test_a_stop_takes_links_first_and_says_goodbye(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(61.5)
    assert site.city.goodbyes == 1
    assert site.told[-2] == {"STOPPING": "1", "STATUS": "handing over"}
    assert sum("READY" in words for words in site.told) == 1


async def test_what_is_still_live_at_the_stop_is_sent_before_the_end(site: Site) -> None:
    async with site.running():
        site.city.busy = True
        await site.clock.sleep(905)
        site.city.busy = False
    assert len(site.city.bodies("batch")) == 15


async def test_a_broker_that_takes_nothing_does_not_delay_the_stop_for_long(site: Site) -> None:
    async with site.running():
        site.city.busy = True
        await site.clock.sleep(905)
        before = site.clock.boot()
    assert 5 <= site.clock.boot() - before < 6


async def test_a_broker_that_is_away_gets_everything_later(site: Site) -> None:
    site.city.away = True
    async with site.running():
        await site.clock.sleep(1805)
        assert site.city.rows == []
        assert site.gateway.outbox.queue("city").n == 31
        site.city.away = False
        await site.clock.sleep(120)
        assert len(site.city.bodies("batch")) >= 31
        assert site.gateway.outbox.queue("city").n == 0


# --- reload ----------------------------------------------------------------------------------------------


async def test_a_reload_of_the_same_plan_touches_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with site.running():
        await site.clock.sleep(100)
        work = site.gateway.flow.works["energy"]
        await site.reload(plan())
        assert site.gateway.flow.works["energy"] is work
        await site.clock.sleep(200)
    assert NETWORK["10.0.0.5"].runs == 1
    assert site.city.runs == 1
    assert site.outlets[0].configured == 1
    assert "reloaded: nothing changed" in caplog.messages
    assert [words for words in site.told if "RELOADING" in words]
    assert sum("READY" in words for words in site.told) == 2


async def test_only_the_link_that_changed_is_restarted(site: Site) -> None:
    old = replace(plan(), links=(link("hall"), link("roof", "10.0.0.7")))
    site.plan = old
    async with site.running():
        await site.clock.sleep(100)
        work = site.gateway.flow.works["energy"]
        await site.reload(replace(old, links=(link("hall"), link("roof", "10.0.0.8"))))
        await site.clock.sleep(100)
        assert site.gateway.flow.works["energy"] is work
    assert (NETWORK["10.0.0.5"].runs, NETWORK["10.0.0.7"].runs, NETWORK["10.0.0.8"].runs) == (1, 1, 1)
    polls = NETWORK["10.0.0.7"].polls
    assert polls == 11


async def test_a_faulty_plan_changes_nothing_and_is_told(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.running():
        answers = _answers(site)
        await site.clock.sleep(100)
        await site.reload(ConfigError('site.toml:3:1: unknown key "hots"'))
        assert answers.status()["fault"] == 'site.toml:3:1: unknown key "hots"'
        assert answers.status()["sentence"].startswith("polling 1/1 devices")
        await site.clock.sleep(100)
        assert site.told[-1]["STATUS"].startswith("the new configuration has faults; ")
        await site.reload(plan())
        assert answers.status()["fault"] == ""
    assert NETWORK["10.0.0.5"].runs == 1
    assert 'unknown key "hots"' in caplog.text


async def test_an_older_edition_of_the_policy_is_refused_and_the_gateway_keeps_the_newer(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    def edition(number: int) -> Plan:
        made = Edition(city="vaasa", number=number, signer="dpo@vaasa.example", digest=f"{number:064x}")
        grant = Grant(name="ops", recipient="city", products=(), purpose="operations", basis="", keep=1e6)
        return replace(plan(), grants=(grant,), edition=made, policy=f"{number:012x}")

    admit(edition(7), site.folder)
    site.plan = edition(7)
    async with site.running():
        await site.reload(edition(6))
        assert site.gateway.plan == edition(7)
        assert "number 7 has been in force here" in caplog.text
        await site.reload(edition(8))
        assert site.gateway.plan == edition(8)


async def test_the_head_that_a_witness_gets_is_that_of_the_ledger_on_disk(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(200.0)
        head = site.gateway._head("city")
        assert head is not None
        (site.folder / "heads").write_bytes(head.body + b"\n")
        found = compare(site.folder / "outbox.db", [site.folder / "heads"])
        assert (found.confirmed, found.faults) == (1, ())
        assert json.loads(head.body)["policy"] == plan().policy


async def test_a_changed_product_goes_on_with_what_it_remembers(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(121.5)
        hall = link("hall")
        longer = product("energy", hall, window="2m", seconds=120)
        await site.reload(replace(plan(), products=(longer,), policy="fedcba987654"))
        await site.clock.sleep(250)
    widths = [body["w"] for body in site.city.bodies("batch")]
    assert widths == sorted(widths)
    assert {60, 120} == set(widths)
    assert NETWORK["10.0.0.5"].runs == 1
    deltas = [found["delta"] for _, found in site.city.figures("hall-meter.energy")]
    assert deltas[-1] == 12.0


async def test_a_withdrawn_grant_stops_its_route_only(site: Site) -> None:
    hall = link("hall")
    both = replace(
        plan(),
        products=(product("energy", hall), product("extra", hall)),
        routes=(route("energy"), route("extra")),
    )
    site.plan = both
    async with site.running():
        await site.clock.sleep(125)
        await site.reload(replace(both, routes=(route("energy"),), policy="fedcba987654"))
        await site.clock.sleep(180)
    batches = [row.route for row in site.city.rows if row.kind == "batch"]
    assert batches.count("city.extra") == 2
    assert batches.count("city.energy") == 5
    assert site.outlets[0].configured == 2
    assert site.city.runs == 1


async def test_a_recipient_that_is_gone_is_left_in_order(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(125)
        await site.reload(replace(plan(), recipients=(), routes=(), policy="fedcba987654"))
        assert site.city.goodbyes == 1
        assert site.gateway.uplinks == {}
        assert site.outlets[0].routes == []  # told before the end, so that no birth stays at the broker
        await site.clock.sleep(200)
    assert len(site.city.bodies("batch")) == 2


async def test_a_stop_that_comes_with_a_reload_follows_it(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(100)
        assert site.daemon is not None
        site.plan = replace(plan(), links=(link("hall"), link("roof", "10.0.0.7")))
        site.daemon.orders.put_nowait("reload")
    async with site.running():
        await site.clock.sleep(100)
    assert site.city.bodies("start")[1]["prev"]["clean"] is True
    assert site.city.bodies("gap") == []


async def test_a_stop_during_the_wait_for_the_clock_leaves_no_window_of_a_wrong_hour(site: Site) -> None:
    site.plan, site.clock.synced = plan(wait=300), False
    site.clock.step(-365 * 86400)
    async with site.running():
        await site.clock.sleep(145)
    site.clock.step(365 * 86400)
    site.clock.synced = True
    async with site.running():
        await site.clock.sleep(125)
    starts = [body["t"] for body in site.city.bodies("batch")]
    assert starts == ["2026-03-02T08:02:00Z", "2026-03-02T08:03:00Z"]


# --- the clock -------------------------------------------------------------------------------------------


async def test_windows_wait_for_the_clock_and_then_have_the_right_hour(site: Site) -> None:
    site.plan, site.clock.synced = plan(wait=120), False
    site.clock.step(-365 * 86400)
    async with site.running():
        await site.clock.sleep(95)
        assert _answers(site).status()["clock"]["waiting"] is True
        assert NETWORK["10.0.0.5"].polls == 10
        site.clock.step(365 * 86400)
        site.clock.synced = True
        await site.clock.sleep(100)
    figures = site.city.figures("hall-meter.energy")
    assert [start for start, _ in figures][:2] == ["2026-03-02T08:00:00Z", "2026-03-02T08:01:00Z"]
    assert figures[1][1]["n"] == 6
    assert not any("tq" in body for body in site.city.bodies("batch"))


async def test_without_a_clock_windows_leave_marked_and_their_time_is_told_later(site: Site) -> None:
    site.plan, site.clock.synced = plan(wait=120), False
    async with site.running():
        await site.clock.sleep(300)
        assert all(body["tq"] for body in site.city.bodies("batch"))
        assert site.city.bodies("batch")
        site.clock.synced = True
        await site.clock.sleep(10)
    told = site.city.bodies("time")
    assert len(told) == 1
    assert told[0]["offset"] == pytest.approx(site.clock.offset)


async def test_hours_that_come_twice_are_declared(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async with site.running():
        await site.clock.sleep(605)
        site.clock.step(-300)
        await site.clock.sleep(600)
    gaps = site.city.bodies("gap")
    assert [loss["why"] for gap in gaps for loss in gap["lost"]] == ["clock"]
    starts = [start for start, _ in site.city.figures("hall-meter.power")]
    assert len(starts) == len(set(starts))
    assert "the time of day was set back by 5 min" in caplog.messages


async def test_a_small_step_back_within_a_window_costs_nothing(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(650)
        site.clock.step(-20)
        await site.clock.sleep(300)
    assert site.city.bodies("gap") == []


async def test_after_a_jump_ahead_and_back_only_what_was_published_is_declared(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(605)
        site.clock.step(86400)
        await site.clock.sleep(120)
        site.clock.step(-86400)
        await site.clock.sleep(600)
    (loss,) = (loss for gap in site.city.bodies("gap") for loss in gap["lost"])
    assert loss["why"] == "clock"
    assert loss["t"][0][:11] == loss["t"][1][:11] == "2026-03-03T"
    starts = [start for start, _ in site.city.figures("hall-meter.power")]
    assert len(starts) == len(set(starts))


# --- trouble ---------------------------------------------------------------------------------------------


async def test_a_meter_that_is_off_is_found_again(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "agent")
    async with site.running():
        await site.clock.sleep(100)
        caplog.clear()
        NETWORK["10.0.0.5"].state = "off"
        await site.clock.sleep(400)
        status = _answers(site).status()
        NETWORK["10.0.0.5"].state = "well"
        await site.clock.sleep(100)
        assert _answers(site).status()["sentence"].startswith("polling 1/1 devices")
    assert status["sentence"].startswith("polling 0/1 devices")
    assert status["state"] == "degraded"
    assert status["links"][0]["why"] == "nobody answers at 10.0.0.5"
    told = [text for text in caplog.messages if text.startswith(("link", "hall-meter"))]
    assert len(told) == 2
    assert told[0].startswith("link hall failed: nobody answers at 10.0.0.5; next try in")
    assert told[1].startswith("link hall works again after")


async def test_windows_without_data_say_so(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(60)
        NETWORK["10.0.0.5"].state = "silent"
        await site.clock.sleep(185)
    body = site.city.bodies("batch")[2]
    assert body["x"]["hall-meter.power"]["q"] == "no_data"


async def test_a_driver_that_lies_harms_neither_the_figures_nor_the_status(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(60)
        now = site.clock.boot()
        NETWORK["10.0.0.5"].lies = (
            Sample("hall-meter.power", math.nan, now),
            Sample("hall-meter.power", math.inf, now),
            Sample("hall-meter.power", 50.0, now + 86000),
            Sample("hall-meter.power", 50.0, math.nan),
            Sample("hall-meter.power", 50.0, -1e9),
            Sample("roof-meter.power", 50.0, now),
        )
        await site.clock.sleep(185)
        answers = _answers(site)
        assert json.dumps([answers.status(), await answers({"ask": "read", "points": []})], allow_nan=False)
        assert set(site.gateway.health.newest) == {"hall-meter.power", "hall-meter.energy"}
        NETWORK["10.0.0.5"].lies = ()
        await site.clock.sleep(120)
    powers = [found for _, found in site.city.figures("hall-meter.power")]
    assert {found["mean"] for found in powers} <= {50.0, None}
    energies = [found["delta"] for _, found in site.city.figures("hall-meter.energy")]
    assert energies[1:4] == [6.0] * 3
    assert site.city.bodies("batch")[2]["x"]["hall-meter.power"]["why"] == "clock"


@pytest.mark.parametrize(("host", "leaves"), [("127.0.0.1", True), ("10.9.0.9", False)])
async def test_what_no_cage_was_around_stays_on_this_computer(
    site: Site, host: str, *, leaves: bool, caplog: pytest.LogCaptureFixture
) -> None:
    site.plan = replace(plan(), recipients=(Recipient(name="city", host=host, port=1883),))
    async with site.running():
        await site.clock.sleep(30)
        mark = Sample("hall-meter.power", 50.0, site.clock.boot(), unconfined=True)
        NETWORK["10.0.0.5"].lies = (mark,)
        await site.clock.sleep(15)
        NETWORK["10.0.0.5"].lies = ()  # one was enough, for good
        await site.clock.sleep(300)
        await site.reload(replace(site.plan, timezone="Europe/Stockholm"))
        await site.clock.sleep(120)
    assert bool(site.city.bodies("batch")) is leaves
    assert caplog.text.count("it goes to loopback only") == 1


async def test_what_no_cage_was_around_does_not_follow_its_recipient_elsewhere(site: Site) -> None:
    site.city.away = True
    async with site.running():
        await site.clock.sleep(30)
        NETWORK["10.0.0.5"].lies = (Sample("hall-meter.power", 50.0, site.clock.boot(), unconfined=True),)
        await site.clock.sleep(300)
        site.city.away = False
        await site.reload(replace(plan(), recipients=(Recipient(name="city", host="10.9.0.9", port=1883),)))
        await site.clock.sleep(180)
    NETWORK["10.0.0.5"].lies = ()
    site.plan = replace(plan(), recipients=(Recipient(name="city", host="10.9.0.9", port=1883),))
    async with site.running():
        await site.clock.sleep(130)
    # the window that was open at the stop is not handed over either: nobody would know what went into it
    told = {one["why"] for body in site.city.bodies("gap") for one in body["lost"]}
    assert told == {"unconfined", "stopped"}
    assert {body["e"] for body in site.city.bodies("batch")} == {2}


async def test_a_million_samples_at_once_before_the_clock_is_right_are_no_matter(site: Site) -> None:
    site.plan, site.clock.synced = plan(wait=120), False
    async with site.running():
        await site.clock.sleep(15)
        sample = Sample("hall-meter.power", 50.0, site.clock.boot())
        NETWORK["10.0.0.5"].lies = (sample,) * 1_000_000
        await site.clock.sleep(10)
        NETWORK["10.0.0.5"].lies = ()
        assert site.gateway.flow.open
        await site.clock.sleep(60)
    assert site.city.figures("hall-meter.power")[0][1]["mean"] == 50.0


async def test_a_link_that_will_not_end_has_no_say_any_more(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(100)
        meter = NETWORK["10.0.0.5"]
        meter.state, meter.clings = "hung", True
        await site.clock.sleep(10)
        old = site.gateway._intakes["hall"]
        await site.reload(replace(plan(), links=(link("hall", "10.0.0.6"),)))
        await site.clock.sleep(11)
        meter.state, meter.clings = "well", False
        intake = site.gateway._intakes["hall"]
        assert not intake.closed
        assert old.closed
        site.gateway._emit_for("hall", old)([Sample("hall-meter.power", 999.0, site.clock.boot())])
        assert site.gateway.health.newest["hall-meter.power"].value == 50.0
        await site.clock.sleep(60)
        assert NETWORK["10.0.0.6"].runs == 1
    assert all(found["mean"] == 50.0 for _, found in site.city.figures("hall-meter.power"))


async def test_a_link_that_will_not_end_keeps_nothing_from_being_handed_over(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(100)
        NETWORK["10.0.0.5"].state, NETWORK["10.0.0.5"].clings = "hung", True
        await site.clock.sleep(30)
        before = site.clock.boot()
    assert site.clock.boot() - before < 60
    assert site.daemon is not None
    assert site.daemon.stuck == ["link hall"]
    NETWORK["10.0.0.5"].state = "well"
    async with site.running():
        await site.clock.sleep(100)
    assert site.city.bodies("gap") == []
    assert site.city.bodies("start")[1]["prev"]["clean"] is True


async def test_a_link_that_hangs_is_started_again(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    async with site.running():
        await site.clock.sleep(100)
        NETWORK["10.0.0.5"].state = "hung"
        await site.clock.sleep(60)
        NETWORK["10.0.0.5"].state = "well"
        await site.clock.sleep(60)
        assert NETWORK["10.0.0.5"].runs == 2
    assert "link hall failed: nothing came of it for" in caplog.text


async def test_the_watchdog_is_fed_while_all_advances(site: Site) -> None:
    site.environment["WATCHDOG_USEC"] = "60000000"
    async with site.running():
        await site.clock.sleep(600)
    assert 39 <= sum("WATCHDOG" in words for words in site.told) <= 42


async def test_the_watchdog_starves_when_a_link_cannot_even_be_cancelled(site: Site) -> None:
    site.environment["WATCHDOG_USEC"] = "60000000"
    async with site.running():
        await site.clock.sleep(100)
        NETWORK["10.0.0.5"].state, NETWORK["10.0.0.5"].clings = "hung", True
        await site.clock.sleep(200)
        fed = len([words for words in site.told if "WATCHDOG" in words])
        assert _answers(site).status()["hanging"] == ["link hall"]
        await site.clock.sleep(600)
        assert len([words for words in site.told if "WATCHDOG" in words]) == fed
        NETWORK["10.0.0.5"].clings = False


async def test_the_watchdog_starves_when_the_disk_does_not_answer(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.environment["WATCHDOG_USEC"] = "60000000"
    async with site.running():
        await site.clock.sleep(100)
        answer = asyncio.Future[object]()
        with monkeypatch.context() as stalled:
            stalled.setattr(Inline, "submit", lambda *_: answer)
            await site.clock.sleep(200)
            fed = len([words for words in site.told if "WATCHDOG" in words])
            await site.clock.sleep(300)
            assert _answers(site).status()["hanging"] == ["outbox"]
            assert len([words for words in site.told if "WATCHDOG" in words]) == fed
        answer.set_exception(OutboxError("the card is gone"))
        await site.clock.sleep(60)
        assert _answers(site).status()["hanging"] == []


async def test_a_broken_service_ends_the_process_and_the_next_one_declares_the_crash(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_run() -> None:
        async with site.running():
            await site.clock.sleep(130)
            monkeypatch.setattr(site.gateway, "tick", _broken)
            await site.ended()

    with pytest.raises(GatewayError, match="ticker crashed 5 times"):
        await broken_run()
    site.gateway.outbox._store.abandon()  # as the end of the process does
    async with site.running():
        await site.clock.sleep(120)
    losses = [loss for gap in site.city.bodies("gap") for loss in gap["lost"]]
    assert [loss["why"] for loss in losses] == ["crash"]


def _broken(now: object) -> None:
    raise ZeroDivisionError(now)


async def test_a_damaged_outbox_is_saved_at_the_start_and_more_time_is_asked_for_it(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
    file = site.folder / "outbox.db"
    with file.open("r+b") as damaged:
        damaged.truncate(file.stat().st_size - 4096 - 100)
    site.told.clear()
    async with site.running():
        await site.clock.sleep(130)
    words = [next(iter(one.items())) for one in site.told]
    ready = [key for key, _ in words].index("READY")
    assert "EXTEND_TIMEOUT_USEC" in [key for key, _ in words[:ready]]
    assert ("STATUS", "saving what a damaged outbox holds: 0% looked at") in words[:ready]
    assert site.city.bodies("batch")[-1]["t"] > "2026-03-02T08:02"


async def test_what_was_proven_of_a_cage_goes_with_the_products_of_its_link_alone(site: Site) -> None:
    site.plan = replace(plan(), links=(link("hall"), link("yard", "10.0.0.6")))
    seen = [
        replace(product("people"), points=(Point(name=f"{one}.in", unit="1"),)) for one in ("hall", "yard")
    ]
    cage = Attested(refused=("exec",), worked=(), unconfined=False, model="nanodet-g", sha256="0" * 64)
    async with site.running():
        cages = site.outlets[0].desk.cages
        assert [cages(one) for one in seen] == [(), ()]
        site.gateway.desks["yard"].attested = cage
        assert [cages(one) for one in seen] == [(), (("yard", cage),)]


async def test_a_second_gateway_on_the_same_outbox_is_refused(site: Site) -> None:
    async def second() -> None:
        assert site.daemon is not None
        assert isinstance(site.plan, Plan)
        await Daemon(site.folder, state=site.folder, socket=site.folder / "2", world=site.world).run(
            site.plan
        )

    async with site.running():
        await site.clock.sleep(10)
        with pytest.raises(GatewayError, match=r"another gateway uses .*outbox\.db; stop it first"):
            await second()


# --- questions -------------------------------------------------------------------------------------------


def _answers(site: Site) -> Answers:
    assert site.daemon is not None
    assert site.daemon.answers is not None
    return site.daemon.answers


async def test_the_status_tells_everything_at_a_glance(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        status = await _answers(site)({"ask": "status"})
    assert status["sentence"] == "polling 1/1 devices; uplink city ok; queue 0"
    assert status["place"] == "vaasa/library/gw1"
    assert status["state"] == "online"
    device = status["links"][0]["devices"][0]
    assert (device["name"], device["state"], device["points"]) == ("hall-meter", "ok", 2)
    assert status["recipients"][0]["connected"] is True
    assert status["recipients"][0]["routes"] == {"city.energy": "ok"}
    assert status["products"][0]["records"] == 4
    assert status["lag_ms"] < 1
    assert 1 < status["rss_mb"] < 500


async def test_the_sentence_tells_what_the_broker_refuses(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(30)
        site.outlets[0].word = "refused:0x87"
        assert site.gateway.sentence() == "polling 1/1 devices; uplink city refused:0x87; queue 0"
        site.city.away = True
        site.outlets[0].connected = False
        assert site.gateway.sentence() == "polling 1/1 devices; uplink city away; queue 0"


async def test_values_are_read_through_the_running_link(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        answer = await _answers(site)({"ask": "read", "points": ["hall-meter.power"]})
        everything = await _answers(site)({"ask": "read", "points": []})
    assert answer["readings"] == [
        {
            "point": "hall-meter.power",
            "value": 50.0,
            "unit": "kW",
            "quality": "good",
            "why": "",
            "age": 0.0,
            "raw": "4248 0000",
        }
    ]
    assert [one["point"] for one in everything["readings"]] == ["hall-meter.power", "hall-meter.energy"]
    assert NETWORK["10.0.0.5"].runs == 1


async def test_a_probe_is_answered_by_the_running_link(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        links = (await _answers(site)({"ask": "links"}))["links"]
        answer = await _answers(site)({"ask": "probe", "link": "hall", "question": {"register": 7}})
    assert links == [
        {"name": "hall", "probes": True, "settings": {"driver": "meter-line", "host": "10.0.0.5"}}
    ]
    assert answer == {"heard": {"register": 7}}
    assert NETWORK["10.0.0.5"].runs == 1


@pytest.mark.parametrize(
    ("state", "link", "question", "sentence"),
    [
        ("deaf", "hall", {}, "had no time for a probe within 15 s"),
        ("off", "hall", {}, "link hall is not connected now"),
        ("well", "hal", {}, 'did you mean "hall"'),
        ("well", None, {}, 'a probe has "link"'),
        ("well", "hall", [], 'a probe has "link"'),
    ],
)
async def test_a_probe_that_cannot_be_asked_says_why(
    site: Site, state: str, link: object, question: object, sentence: str
) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = state
        await site.clock.sleep(6)
        with pytest.raises(GatewayError, match=sentence):
            await _answers(site)({"ask": "probe", "link": link, "question": question})


async def test_no_more_than_four_probes_wait_and_those_given_up_make_room(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = "deaf"
        desk = site.gateway.desks["hall"]
        await site.clock.sleep(1)
        waiting = [desk.probe({"number": number}) for number in range(4)]
        with pytest.raises(GatewayError, match="others look around on link hall"):
            await _answers(site)({"ask": "probe", "link": "hall", "question": {}})
        for one in waiting:
            one.cancel()


async def test_a_driver_without_probes_says_so(site: Site) -> None:
    site.plan = replace(plan(), links=(Link(name="hall", kind="mute-line", driver=MuteLine(name="hall")),))
    async with site.running():
        await site.clock.sleep(35)
        with pytest.raises(GatewayError, match="the driver of link hall answers no probes"):
            await _answers(site)({"ask": "probe", "link": "hall", "question": {}})


async def test_a_link_that_fails_while_it_is_asked_costs_no_other_its_answer() -> None:
    failed, gone, good = (asyncio.Future[Sequence[Reading]]() for _ in range(3))
    failed.set_exception(GatewayError("the line is cut"))
    gone.cancel()
    good.set_result([reading := Reading(Sample("hall-meter.power", 50.0, 1.0), "4248 0000")])
    assert await _within_patience([failed, gone, good]) == {"hall-meter.power": reading}


@pytest.mark.parametrize("state", ["deaf", "off"])
async def test_what_cannot_be_read_now_is_told_with_its_age(site: Site, state: str) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = state
        await site.clock.sleep(6)
        answer = await _answers(site)({"ask": "read", "points": ["hall-meter"]})
    ages = [one["age"] for one in answer["readings"]]
    assert all(age >= 10.0 or state == "deaf" for age in ages)
    assert [one["raw"] for one in answer["readings"]] == ["", ""]


async def test_deaf_links_together_take_no_longer_than_one(site: Site) -> None:
    lines = tuple(link(name, f"10.0.0.{at}") for at, name in enumerate(("hall", "roof", "yard")))
    site.plan = replace(plan(), links=lines)
    async with site.running():
        await site.clock.sleep(35)
        for one in ("10.0.0.0", "10.0.0.1", "10.0.0.2"):
            NETWORK[one].state = "deaf"
        before = site.clock.boot()
        answer = await _answers(site)({"ask": "read", "points": []})
        assert site.clock.boot() - before < 16
    assert len(answer["readings"]) == 6


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"ask": "read", "points": ["hall-meter.powr"]}, 'did you mean "hall-meter.power"'),
        ({"ask": "read", "points": "hall"}, '"points" is a list of names'),
        ({"ask": "stop"}, "nobody knows this question"),
        ({}, "nobody knows this question"),
    ],
)
async def test_a_question_that_cannot_be_answered_says_why(
    site: Site, wish: dict[str, Any], sentence: str
) -> None:
    async with site.running():
        with pytest.raises(GatewayError, match=sentence):
            await _answers(site)(wish)


async def test_more_wishes_than_a_link_can_serve_are_turned_away_with_a_sentence(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        desk = site.gateway.desks["hall"]
        wishes = [desk.wish(()) for _ in range(16)]
        with pytest.raises(GatewayError, match="hall has enough to read already; ask again in a moment"):
            await Answers(site.gateway)({"ask": "read", "points": ["hall-meter"]})
        await site.clock.sleep(5)
        assert all(one.done() for one in wishes)


async def test_a_question_whose_words_are_no_texts_is_refused(site: Site) -> None:
    async with site.running():
        for wish in ({"name": 5}, {"name": "energy", "recipient": ["city"]}):
            with pytest.raises(GatewayError, match='"name" and "recipient" are texts'):
                await Answers(site.gateway)({"ask": "why", **wish})


async def test_what_waits_for_the_next_start_and_what_the_fence_keeps_away_is_told(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "10.0.0.0/8")
    [city] = plan().recipients
    site.plan = replace(plan(), recipients=(replace(city, host="broker.example"),))
    async with site.running():
        await site.clock.sleep(35)
        assert "recipient city: broker.example is outside the fence of citygate.service" in caplog.text
        await site.reload(replace(plan(), outbox=OutboxPlan(cap=10**9)))
        assert "the new [outbox] takes effect when the gateway is started again" in caplog.text
        assert site.gateway._head("nobody") is None


async def test_rates_that_an_older_run_kept_in_another_form_have_used_nothing(site: Site) -> None:
    assert _paces({"city.energy": "many"}) == {}
    assert _paces(None) == {}
