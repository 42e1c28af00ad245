"""`citygate why` names the first stage between device and broker that stops a point or a product."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from agent.answers import Answers
from agent.core.errors import GatewayError
from agent.core.plan import Plan, Reader
from agent.core.product import Mode, Privacy, Route
from agent.core.sample import Quality, Sample
from tests.agent.small_site import NETWORK, Meter, Site, link, plan, product, route
from tests.virtual import VirtualClock

POWER = "hall-meter.power"


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site that is not running yet."""
    return Site(tmp_path, virtual, monkeypatch)


async def ask(site: Site, name: str = POWER, recipient: str = "") -> dict[str, Any]:
    return await Answers(site.gateway)({"ask": "why", "name": name, "recipient": recipient})


async def end_of(site: Site, name: str = POWER, recipient: str = "") -> dict[str, Any]:
    """Give the last stage of the only way."""
    [way] = (await ask(site, name, recipient))["ways"]
    end: dict[str, Any] = way["stages"][-1]
    assert all(one["verdict"] != "stops" for one in way["stages"][:-1])
    return end


def guarded(privacy: Privacy) -> Plan:
    """Give the usual plan with a product under *privacy*."""
    return replace(plan(), products=(replace(product("energy", link("hall")), privacy=privacy),))


@pytest.mark.parametrize("name", [POWER, "energy"])
async def test_what_arrives_passes_every_stage(site: Site, name: str) -> None:
    async with site.running():
        await site.clock.sleep(130)
        found = await ask(site, name, "city")
    [way] = found["ways"]
    assert found["arrives"]
    assert way["product"] == "energy"
    assert {one["verdict"] for one in way["stages"]} == {"passes"}
    assert [one["name"] for one in way["stages"]][-5:] == ["gate", "grant", "outbox", "uplink", "broker"]


async def test_a_link_that_failed_stops_its_points(site: Site) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).state = "off"
    async with site.running():
        await site.clock.sleep(30)
        end = await end_of(site)
    assert (end["name"], end["verdict"]) == ("link", "stops")
    assert end["says"].startswith("link hall failed: nobody answers at 10.0.0.5; next try in ")


async def test_a_product_all_of_whose_links_failed_stops_there(site: Site) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).state = "off"
    async with site.running():
        await site.clock.sleep(3)
        end = await end_of(site, "energy")
    assert (end["name"], end["verdict"]) == ("link", "stops")


async def test_a_silent_device_stops_its_points(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = "silent"
        await site.clock.sleep(60)
        end = await end_of(site)
    assert (end["name"], end["verdict"]) == ("device", "stops")
    assert "hall-meter is silent for" in end["says"]
    assert "is the device on?" in end["act"]


async def test_a_bad_point_of_a_good_device_is_named_with_its_reason(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        now = site.clock.boot()
        NETWORK["10.0.0.5"].lies = (Sample(POWER, None, now, Quality.BAD, "illegal_address"),)
        await site.clock.sleep(8)
        end, whole = await end_of(site), await ask(site, "energy")
    assert (end["name"], end["verdict"]) == ("sample", "stops")
    assert end["says"].startswith(f"{POWER} is bad: illegal address")
    assert "no such register" in end["act"]
    assert "1 of 2 points have values" in whole["ways"][0]["stages"][0]["says"]


async def test_what_is_blind_is_doubted_and_says_what_to_do(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(125)
        site.gateway.desks["hall"].figures["trouble"] = "look from less far above"
        now = site.clock.boot()
        NETWORK["10.0.0.5"].lies = (Sample(POWER, 1.0, now, Quality.UNCERTAIN, "blind"),)
        await site.clock.sleep(6)
        [way] = (await ask(site))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "sample"]
    assert (stage["verdict"], stage["says"]) == ("doubtful", f"{POWER} is uncertain: blind")
    assert stage["act"] == "look from less far above"


async def test_a_point_that_no_product_names_never_leaves(site: Site) -> None:
    site.plan = replace(plan(), products=(), routes=())
    async with site.running():
        await site.clock.sleep(35)
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("product", f"no product names {POWER}, so it never leaves")


async def test_samples_wait_for_the_clock(site: Site) -> None:
    site.clock.synced = False
    site.plan = plan(wait=600)
    async with site.running():
        await site.clock.sleep(130)
        assert (await end_of(site))["name"] == "clock"


async def test_before_a_window_has_closed_its_end_is_told(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        end = await end_of(site)
    assert end["says"] == "no window of 1m has closed yet; the present one ends at 08:01:00 UTC"


async def test_a_window_without_data_says_why(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = "silent"
        await site.clock.sleep(300)
        NETWORK["10.0.0.5"].state = "well"
        await site.clock.sleep(12)
        [way] = (await ask(site))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "window"]
    assert (stage["verdict"], stage["says"]) == ("doubtful", "the last window had no data: no reply")


@pytest.mark.parametrize(
    ("mode", "verdict", "says"),
    [
        ("suppress", "doubtful", "withheld by mode suppress (k = 9000)"),
        ("hold", "stops", "mode hold holds the counts until there are enough of them (k = 9000)"),
    ],
)
async def test_small_counts_are_withheld_or_held(site: Site, mode: Mode, verdict: str, says: str) -> None:
    site.plan = guarded(Privacy(mode=mode, k=9000))
    async with site.running():
        await site.clock.sleep(190)
        [way] = (await ask(site))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "privacy"]
    assert stage["verdict"] == verdict
    assert says in stage["says"]


async def test_counts_without_a_cage_stay_here(site: Site) -> None:
    [city] = plan().recipients
    site.plan = replace(plan(), recipients=(replace(city, host="broker.example"),))
    async with site.running():
        await site.clock.sleep(130)
        site.gateway.flow.gate.unconfined.add("energy")
        assert (await end_of(site))["name"] == "gate"


async def test_without_a_grant_nothing_leaves(site: Site) -> None:
    site.plan = replace(plan(), routes=())
    async with site.running():
        await site.clock.sleep(130)
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("grant", "no grant shares energy with city")


async def test_a_grant_that_has_ended_is_named_with_its_day(site: Site) -> None:
    ended: Route = replace(route("energy"), until=date(2026, 3, 1))
    site.plan = replace(plan(), routes=(ended,))
    async with site.running():
        await site.clock.sleep(130)
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("grant", "grant ops ended on 2026-03-01")


@pytest.mark.parametrize("ends", [(), ("energy",), ("energy", "power")])
async def test_an_uplink_is_told_which_of_its_grants_have_ended(site: Site, ends: tuple[str, ...]) -> None:
    both = ("energy", "power")
    last = {one: date(2026, 3, 1) if one in ends else None for one in both}
    site.plan = replace(
        plan(),
        products=tuple(product(one, link("hall")) for one in both),
        routes=tuple(replace(route(one), until=last[one]) for one in both),
    )
    async with site.running():
        await site.clock.sleep(130)
        [outlet] = site.outlets
        assert outlet.desk.expired() == {f"city.{one}" for one in ends}


async def test_a_broker_that_is_away_stops_it_and_nothing_is_lost(site: Site) -> None:
    site.city.away = True
    async with site.running():
        await site.clock.sleep(310)
        found = await ask(site)
    [way] = found["ways"]
    assert way["stages"][-1]["name"] == "uplink"
    assert "the broker at 127.0.0.1:1883 is away" in way["stages"][-1]["says"]
    assert "messages wait for city, the oldest for" in way["stages"][-2]["says"]
    assert not found["arrives"]


@pytest.mark.parametrize(
    ("word", "says", "act"),
    [
        ("held", "nobody has subscribed", "start the subscriber"),
        ("refused:0x87", "the broker refuses it: not authorised", "citygate policy export"),
        ("refused:0x95", "larger than the broker allows", "it waits here"),
    ],
)
async def test_a_route_that_the_broker_does_not_take_is_named(
    site: Site, word: str, says: str, act: str
) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.outlets[0].word = word
        end = await end_of(site)
    assert end["name"] == "broker"
    assert says in end["says"]
    assert act in end["act"]


async def test_a_twin_with_our_name_is_told(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.outlets[0].connected = False
        site.outlets[0].figures = {"stopped": "another client uses our client id"}
        assert (await end_of(site))["says"] == "another client uses our client id"


@pytest.mark.parametrize(
    ("name", "recipient", "sentence"),
    [
        ("hall-meter.powr", "", 'did you mean "hall-meter.power"'),
        ("energi", "", 'did you mean "energy"'),
        ("energy", "citi", 'no recipient is called "citi"; did you mean "city"'),
        ("energy", "press", "press reads at the broker of city"),
    ],
)
async def test_a_wrong_name_is_answered_with_the_nearest(
    site: Site, name: str, recipient: str, sentence: str
) -> None:
    site.plan = replace(plan(), readers=(Reader(name="press", via="city", username="press"),))
    async with site.running():
        with pytest.raises(GatewayError, match=sentence):
            await ask(site, name, recipient)


async def test_a_link_that_runs_again_and_gives_nothing_good_is_doubted(site: Site) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).state = "off"
    async with site.running():
        await site.clock.sleep(30)
        NETWORK["10.0.0.5"].state = "hung"
        await site.clock.sleep(40)
        [way] = (await ask(site))["ways"]
    first = way["stages"][0]
    assert (first["name"], first["verdict"]) == ("link", "doubtful")
    assert first["says"] == "link hall runs again, but has given nothing good yet"


async def test_a_link_that_does_not_run_is_said(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        gone = site.gateway.supervisor.lives.pop("link hall")
        end = await end_of(site)
        site.gateway.supervisor.lives["link hall"] = gone
    assert (end["name"], end["says"]) == ("link", "link hall does not run")
    assert end["act"] == "journalctl -u citygate -n 50"


async def test_a_device_that_answers_rubbish_stops_its_points_with_the_reason(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        NETWORK["10.0.0.5"].state = "faulty"
        await site.clock.sleep(30)
        end = await end_of(site)
    assert (end["name"], end["verdict"]) == ("device", "stops")
    assert end["says"] == "hall-meter answers, but gives no good value: open loop"


@pytest.mark.parametrize(
    ("every", "says", "act"),
    [
        (10.0, "hall-meter has not answered yet, asked for ", "wait 10 s; then `citygate read hall-meter`"),
        (
            0.0,
            "hall-meter has told nothing yet; it tells only changes",
            "nothing, if it may have had nothing",
        ),
    ],
)
async def test_a_device_that_was_never_heard_is_waited_for(
    site: Site, every: float, says: str, act: str
) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).state = "hung"
    hall = link("hall", every=every)
    site.plan = replace(plan(), links=(hall,), products=(product("energy", hall),))
    async with site.running():
        await site.clock.sleep(8)
        stages = (await ask(site))["ways"][0]["stages"]
    [stage] = [one for one in stages if one["name"] == "device"]
    assert stage["verdict"] == "doubtful"
    assert stage["says"].startswith(says)
    assert stage["act"].startswith(act)


async def test_a_point_that_is_not_read_although_its_device_answers_is_named(site: Site) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).lies = (Sample("hall-meter.energy", 1.0, 0.0),)
    async with site.running():
        await site.clock.sleep(35)
        end = await end_of(site)
        assert (end["name"], end["says"]) == ("sample", f"{POWER} has not been read since the start")
        assert end["act"] == f"wait 10 s; then `citygate read {POWER}`"
        NETWORK["10.0.0.5"].lies = ()
        await site.clock.sleep(20)
        NETWORK["10.0.0.5"].lies = (Sample("hall-meter.energy", 1.0, site.clock.boot()),)
        await site.clock.sleep(60)
        end = await end_of(site)
    assert end["name"] == "sample"
    assert end["says"].endswith(" old, and due every 10 s")
    assert end["act"] == f"citygate read {POWER}"


async def test_a_product_that_has_not_begun_is_said(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(35)
        work = site.gateway.flow.works.pop("energy")
        end = await end_of(site)
        site.gateway.flow.works["energy"] = work
    assert (end["name"], end["says"]) == ("product", "energy has not begun")


async def test_events_may_not_have_happened_yet(site: Site) -> None:
    site.plan = replace(plan(), products=(replace(plan().products[0], window=0.0, span=""),))
    async with site.running():
        await site.clock.sleep(35)
        [way] = (await ask(site))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "window"]
    assert stage["verdict"] == "doubtful"
    assert stage["says"] == "nothing has happened yet that energy tells as an event"


async def test_a_product_that_told_events_alone_passes_by_their_number(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.gateway.flow.works["energy"].made.clear()
        [way] = (await ask(site, "energy"))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "window"]
    assert stage["verdict"] == "passes"
    assert stage["says"].startswith("energy has made ")
    assert stage["says"].endswith(" records")


async def test_of_a_window_of_a_day_no_end_is_foretold(site: Site) -> None:
    site.plan = replace(plan(), products=(replace(plan().products[0], window=86400.0, span="day"),))
    async with site.running():
        await site.clock.sleep(35)
        end = await end_of(site)
    assert (end["says"], end["act"]) == ("no window of day has closed yet", "wait for one window of day")


async def test_counts_that_are_enough_pass_their_privacy(site: Site) -> None:
    site.plan = guarded(Privacy(mode="suppress", k=2))
    async with site.running():
        await site.clock.sleep(190)
        [way] = (await ask(site))["ways"]
    [stage] = [one for one in way["stages"] if one["name"] == "privacy"]
    assert (stage["verdict"], stage["says"]) == ("passes", "mode suppress lets the last figures leave")


async def test_a_disk_that_fails_is_doubted_while_messages_wait_in_memory(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.gateway.outbox._keeper.trouble = "no room on the disk"
        [way] = (await ask(site))["ways"]
        site.gateway.outbox._keeper.trouble = ""
    [stage] = [one for one in way["stages"] if one["name"] == "outbox"]
    assert stage["verdict"] == "doubtful"
    assert stage["says"] == "the disk under the outbox fails, messages wait in memory: no room on the disk"
    assert stage["act"] == "df -h /var/lib/citygate"


async def test_an_uplink_that_is_on_its_way_is_waited_for(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.outlets[0].connected = False
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("uplink", "not connected to 127.0.0.1:1883 yet")
    assert end["act"] == "wait some seconds"


async def test_a_route_of_which_no_more_is_known_is_left_to_status(site: Site) -> None:
    async with site.running():
        await site.clock.sleep(130)
        site.outlets[0].word = "waiting"
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("broker", "the route is waiting")
    assert end["act"] == "`citygate status` tells more"


async def test_without_any_recipient_it_is_for_the_city_to_decide(site: Site) -> None:
    site.plan = replace(plan(), routes=(), recipients=())
    async with site.running():
        await site.clock.sleep(130)
        end = await end_of(site)
    assert (end["name"], end["says"]) == ("grant", "no grant shares energy with anybody")
    assert "for the city to decide" in end["act"]
