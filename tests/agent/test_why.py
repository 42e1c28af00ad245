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
