"""What is written for council, catalogue and contract is what the compiled policy says, byte for byte."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.cli.main import main
from agent.config.load import load
from agent.core.plan import Plan
from agent.policy.compare import changes
from agent.policy.council import HEADS, cells, page, sheet
from agent.policy.deals import deals
from agent.policy.linked import agreements, catalogue, period

LIBRARY = Path(__file__).parents[2] / "cases" / "policy" / "library"
DAY = date(2027, 1, 1)
EXPECTED = LIBRARY / "expected"


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load(LIBRARY, today=DAY)


def test_every_export_is_what_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policy", "export", str(tmp_path), "--config", str(LIBRARY), "--date", "2027-01-01"]) == 0
    names = sorted(path.name for path in EXPECTED.iterdir())
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    told = capsys.readouterr().out
    assert [one for one in names if one not in told] == []
    for name in names:
        assert (tmp_path / name).read_bytes() == (EXPECTED / name).read_bytes(), name


def test_a_reader_at_anothers_broker_is_enforced_by_that_broker(plan: Plan) -> None:
    by = {(one.recipient, one.product): one.enforced_by for one in deals(plan, DAY)}
    assert by[("university", "visitors")] == "broker"
    assert by[("city", "visitors")] == "gateway"
    assert {route.recipient for route in plan.routes} == {"city", "grid"}


def test_what_has_ended_is_in_the_table_and_in_no_catalogue(plan: Plan) -> None:
    found = deals(plan, date(2028, 1, 1))
    assert [one.grant for one in found if one.ended] == ["study", "grid"]
    assert "2027-06-30 (ended)" in page(plan, found)
    [city] = agreements(plan, found)
    assert city["assignee"] == "City of Vaasa"
    titles = [
        one["dct:title"]
        for data in catalogue(plan, found)["dcat:dataset"]
        for one in data["dcat:distribution"]
    ]
    assert titles == ["visitors for city", "energy for city"]


def test_text_of_the_policy_breaks_neither_page_nor_sheet(plan: Plan) -> None:
    nasty = "=1+1 | a\nb <script>"
    city = replace(plan.recipients[0], party=nasty)
    plan = replace(plan, recipients=(city, *plan.recipients[1:]))
    found = deals(plan, DAY)
    rows = [one for one in page(plan, found).splitlines() if one.startswith("| ")]
    assert len(rows) == 2 + len(found)
    assert "<script>" not in page(plan, found)
    parties = [row["party"] for row in csv.DictReader(io.StringIO(sheet(plan, found)))]
    assert parties[0] == "'" + nasty


def test_a_plan_that_shares_nothing_says_so(plan: Plan) -> None:
    bare = replace(plan, grants=(), routes=())
    assert "Nothing leaves" in page(bare, deals(bare, DAY))


def test_an_obligation_to_delete_and_an_end_stand_in_each_agreement(plan: Plan) -> None:
    text = json.dumps(agreements(plan, deals(plan, DAY)))
    assert text.count("odrl:delete") == len(deals(plan, DAY))
    assert "P400D" in text
    assert '"2027-06-30"' in text
    assert "https://w3id.org/dpv#ResearchAndDevelopment" in text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(900, "PT15M"), (86400 * 400, "P400D"), (5400, "PT90M"), (3600, "PT1H"), (2.5, "PT2.5S")],
)
def test_a_stretch_of_time_is_written_in_its_largest_whole_unit(seconds: float, text: str) -> None:
    assert period(seconds) == text


def test_equal_policies_differ_in_nothing(plan: Plan) -> None:
    assert changes(plan, plan, deals(plan, DAY), deals(plan, DAY)) == []


def test_what_is_new_gone_and_on_other_terms_is_told_in_sentences(tmp_path: Path, plan: Plan) -> None:
    text = (LIBRARY / "sharing.toml").read_text("utf-8")
    text = text.replace('keep = "400d"', 'keep = "30d"').replace('from = ["door.*"]', 'from = ["door.in"]')
    text = text[: text.index("[grant.grid]")] + text[text.index("[grant.grid]") :].replace(
        "open-data", "planning"
    )
    text = text.replace(
        'recipient = "university"\nproducts = ["visitors"]', 'recipient = "university"\nproducts = ["energy"]'
    )
    text = text.replace('finest = "15m"\nk = 5\n', "")
    (tmp_path / "sharing.toml").write_text(text, "utf-8")
    (tmp_path / "site.toml").write_text((LIBRARY / "site.toml").read_text("utf-8"), "utf-8")
    after = load(tmp_path, today=DAY)
    told = changes(plan, after, deals(plan, DAY), deals(after, DAY))
    assert "~ city / visitors: kept for 400 d -> 30 d" in told
    assert "~ city / visitors: points without door.out" in told
    assert "~ grid / energy: purpose open-data -> planning" in told
    assert [one.split(":")[0] for one in told if one[0] in "+-"] == [
        "- university gets visitors",
        "+ university gets energy",
    ]


def test_every_row_has_a_cell_for_every_head(plan: Plan) -> None:
    assert {len(cells(one)) for one in deals(plan, DAY)} == {len(HEADS)}


def test_who_decides_and_what_stands_behind_the_terms_is_told_when_it_changes(plan: Plan) -> None:
    found = deals(plan, DAY)
    other = replace(plan, owner="City of Espoo", dpo="", policy="ffffffffffff")
    assert changes(plan, other, found, found) == [
        "~ owner: City of Vaasa -> City of Espoo",
        "~ dpo: dpo@vaasa.example -> nothing",
    ]
    behind = "~ what leaves is the same; steps, purposes or recipients' settings behind it differ"
    assert changes(plan, replace(plan, policy="ffffffffffff"), found, found) == [behind]
    asked = deals(
        replace(plan, recipients=tuple(replace(x, commands=("replay",)) for x in plan.recipients)), DAY
    )
    assert "~ grid / energy: may ask for nothing -> replay" in changes(plan, plan, found, asked)


def test_a_page_promises_nothing_that_no_deal_has(plan: Plan) -> None:
    bare = replace(plan, grants=tuple(one for one in plan.grants if one.name == "grid"), readers=())
    text = page(bare, deals(bare, DAY))
    assert "energy" in text
    assert "## What protected figures promise" not in text
    assert "enforced by broker" not in text
    assert "## What protected figures promise" in page(plan, deals(plan, DAY))


def test_a_catalogue_says_only_what_is_known(plan: Plan) -> None:
    events = replace(
        plan.products[0], window=0.0, span="", statistics=(), model="https://models.example/doors"
    )
    nobody = replace(
        plan, contact="", place=replace(plan.place, location=None), products=(events, *plan.products[1:])
    )
    [doors, energy] = catalogue(nobody, deals(nobody, DAY))["dcat:dataset"]
    assert doors["dct:conformsTo"] == "https://models.example/doors"
    assert doors["dct:description"].startswith("events of door.")
    assert "dcat:temporalResolution" not in doors
    assert energy["dcat:temporalResolution"]["@value"] == "PT15M"
    assert not {"dcat:contactPoint", "dct:spatial"} & {*doors, *energy}
    for contact, key, value in (
        ("data@vaasa.example", "vcard:hasEmail", {"@id": "mailto:data@vaasa.example"}),
        ("https://vaasa.example/data", "vcard:hasURL", {"@id": "https://vaasa.example/data"}),
        ("+358 6 325 1111", "vcard:note", "+358 6 325 1111"),
    ):
        told = replace(plan, contact=contact)
        [first, *_] = catalogue(told, deals(told, DAY))["dcat:dataset"]
        assert first["dcat:contactPoint"][key] == value
