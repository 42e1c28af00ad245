"""Metrics are what Prometheus's own parser understands, and tell nothing that was read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from agent.answers import Answers
from agent.core.plan import Plan
from agent.metrics import FAMILIES, text
from agent.vitals import Physician, Surroundings
from tests.agent.small_site import NETWORK, Meter, Site, plan
from tests.agent.test_trials import FOURTH, try_
from tests.cli.test_status import WELL, changed
from tests.virtual import VirtualClock

ROOT = Path(__file__).parent.parent.parent
ALL = Surroundings(
    ends=(("recipient", "city", "authority", 1.8e9),),
    free=8e9,
    wear=0.3,
    temperature=48.5,
    undervoltage=False,
)


@pytest.fixture
def site(tmp_path: Path, virtual: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Give a small site that is not running yet."""
    return Site(tmp_path, virtual, monkeypatch)


def values(said: str) -> dict[tuple[str, str], float]:
    """Give each sample by name and labels, as the strict parser reads them."""
    return {
        (one.name, " ".join(one.labels.values())): one.value
        for family in openmetrics(said)
        for one in family.samples
    }


async def test_the_parser_of_prometheus_reads_every_metric(site: Site) -> None:
    try_(site.folder, FOURTH, kept=True)
    async with site.running():
        await site.clock.sleep(130)
        site.outlets[0].figures = {"sent": 4, "accepted": 4, "refused": 0}
        answers = Answers(site.gateway, Physician(site.folder, lambda _plan, _state: ALL, folder=site.folder))
        said = (await answers({"ask": "metrics"}))["text"]
    assert {one.name for one in openmetrics(said)} == {one.name for one in FAMILIES}
    found = values(said)
    assert found["citygate_device_ok", "hall hall-meter"] == 1
    assert found["citygate_recipient_accepted_total", "city"] == 4
    assert found["citygate_route_ok", "city energy"] == 1
    assert found["citygate_product_records_total", "energy"] == 4
    assert found["citygate_certificate_end_timestamp_seconds", "city authority"] == 1.8e9
    assert found["citygate_temperature_celsius", ""] == 48.5


def test_the_older_form_is_understood_too() -> None:
    said = text(WELL, ALL, form="prometheus")
    found = {one.name: one for family in prometheus(said) for one in family.samples}
    assert found["citygate_link_runs_total"].value == 1
    assert found["citygate_release_info"].labels["place"] == "vaasa/library/gw1"
    assert "# EOF" not in said
    assert {family.type for family in prometheus(said)} == {"gauge", "counter"}


def test_what_a_computer_does_not_tell_is_left_out() -> None:
    said = text(WELL, Surroundings(), form="openmetrics")
    names = {name for name, _ in values(said)}
    assert not names & {"citygate_undervoltage", "citygate_card_wear_ratio", "citygate_temperature_celsius"}


def test_trouble_shows() -> None:
    bad = changed(
        fault="x",
        state="degraded",
        clock__synced=False,
        links__0__state="waiting",
        links__0__devices__0__state="silent",
        recipients__0__connected=False,
        recipients__0__queue={"n": 7, "oldest": "2026-11-21T19:00:00Z", "bytes": 900, "cap": 1},
        recipients__0__routes={"city.energy": "refused:0x87"},
    )
    found = values(text(bad, Surroundings(), form="openmetrics"))
    zero = ("online", "clock_synchronised", "link_up", "device_ok", "recipient_connected", "route_ok")
    assert {found[key] for key in found if key[0].removeprefix("citygate_") in zero} == {0}
    assert found["citygate_configuration_fault", ""] == 1
    assert found["citygate_queue_oldest_seconds", "city"] == 3600


def test_a_label_of_any_text_comes_back_as_it_was() -> None:
    odd = 'a "quoted" \\ back\nslash'
    found = values(text(changed(links__0__name=odd), Surroundings(), form="openmetrics"))
    assert found["citygate_link_up", odd] == 1


async def test_a_metric_tells_nothing_that_was_read(site: Site) -> None:
    NETWORK.setdefault("10.0.0.5", Meter()).energy = 73_129_400.0
    async with site.running():
        await site.clock.sleep(190)
        said = (await Answers(site.gateway)({"ask": "metrics"}))["text"]
    assert "7312942" not in said
    assert "7.31294" not in said


async def test_the_file_is_left_whole_and_told_once_if_it_cannot_be(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "prom" / "citygate.prom"
    site.plan = replace(plan(), metrics=str(place))
    assert isinstance(site.plan, Plan)
    async with site.running():
        await site.clock.sleep(95)
        assert sum("the metrics cannot be written" in one for one in caplog.messages) == 1
        place.parent.mkdir()
        await site.clock.sleep(35)
        found = list(prometheus(place.read_text()))
    assert {one.name for one in found} >= {"citygate_online", "citygate_link_runs"}
    assert [one.name for one in place.parent.iterdir()] == ["citygate.prom"]
    assert place.stat().st_mode & 0o777 == 0o644


def test_the_dashboard_names_only_metrics_that_exist() -> None:
    board = json.loads((ROOT / "config" / "grafana" / "citygate.json").read_text())
    asked = [one["expr"] for panel in board["panels"] for one in panel["targets"]]
    asked.append(board["templating"]["list"][1]["query"]["query"])
    named = set(re.findall(r"citygate_\w+", " ".join(asked)))
    suffix = {"gauge": "", "counter": "_total", "info": "_info"}
    assert named <= {one.name + suffix[one.kind] for one in FAMILIES}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_each_metric_stands_in_the_page() -> None:
    page = (ROOT / "docs" / "maintainer" / "metrics.md").read_text()
    suffix = {"gauge": "", "counter": "_total", "info": "_info"}
    rows = [f"| `{one.name}{suffix[one.kind]}` | {one.help} |" for one in FAMILIES]
    assert [row for row in page.splitlines() if row.startswith("| `citygate_")] == rows
