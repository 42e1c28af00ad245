"""In its years a gateway gets bundles and renewals, keeps its secrets, goes forward, and ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.sight import What
from agent.outbox.schema import VERSION
from release.targets import PACKAGES
from tests.systemd.stage import Story, played
from tests.systemd.story_secrets import KINDS, OFFERED

pytestmark = pytest.mark.long
CAMERAS = {"square-user", "square-password"}
BELONGING = {"handed over", "offered", "state"}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Play the story of a gateway and its cameras over two releases."""
    packages = dict.fromkeys(("0.1.0", "0.2.0"), PACKAGES)
    return played("story_long", tmp_path_factory.mktemp("story"), packages)


def test_a_newer_outbox_is_refused_by_package_and_gateway_and_not_touched(told: Story) -> None:
    seen = told["newer_form"]
    known, newer = VERSION, VERSION + 7
    assert seen["own"] == known
    assert f"has form {newer}, this release knows up to {known}" in seen["package"]["err"]
    assert f"was written by a newer citygate (form {newer}, this one knows {known})" in seen["journal"]
    assert seen["again"] == "active"


def test_a_wiped_gateway_leaves_its_ledger_elsewhere_and_nothing_here(told: Story) -> None:
    seen = told["wipe"]
    assert seen["wiped"]["status"] == 0, seen["wiped"]
    assert seen["left"] == ""
    assert seen["enabled"] == ["disabled", "inactive"]
    assert "The chain holds" in seen["verified"]["out"]


def test_a_key_that_never_left_the_gateway_opens_a_broker_that_asks_for_a_certificate(told: Story) -> None:
    seen = told["identity"]
    assert seen["accepted"]["status"] == 0, seen["accepted"]
    assert seen["applied"]["status"] == 0, seen["applied"]
    assert "uplink city ok" in seen["status"]
    assert seen["sealed"] == ["city-password", "gateway-key"]
    assert seen["clear"] == ""


def test_a_certificate_that_ages_is_renewed_by_its_unit_and_comes_into_force(told: Story) -> None:
    seen = told["identity"]
    assert (seen["old"]["status"], seen["new"]["status"]) == (1, 0), "too old, then young"
    assert (seen["renewal"]["status"], seen["renewal"]["out"]) == (0, ""), seen["renewal"]
    assert seen["pid"] != seen["pid-after"], "a sealed key comes into force by a start"
    assert "uplink city ok" in seen["renewed"]
    assert seen["timer"]["out"].split() == ["enabled", "active"]


def test_a_bundle_that_does_well_is_kept_and_the_units_are_opened_to_what_it_names(told: Story) -> None:
    seen = told["bundles"]["kept"]
    assert seen["status"] == 0, seen
    assert "bundle 4, signed by admin@vaasa.example: kept" in seen["out"]
    assert "10.20.0.17" in seen["drop-in"]
    assert seen["pid"] != told["bundles"]["pid"]
    assert (seen["bundle"]["number"], seen["bundle"]["kept"]) == (4, True)
    assert "bundles: 4 is in force" in seen["line"]


def test_the_unit_goes_on_with_a_trial_that_was_broken_off(told: Story) -> None:
    seen = told["bundles"]["settled"]
    assert seen["left"]
    assert (seen["status"], seen["result"], seen["on"]) == (0, "success", False)
    assert seen["bundle"]["number"] == 5


def test_a_bundle_that_does_not_do_well_is_taken_back_by_itself(told: Story) -> None:
    seen, before = told["bundles"]["bad"], told["bundles"]["settled"]
    assert seen["status"] == 1
    assert "6, signed by admin@vaasa.example: taken back: device main-meter did well before" in seen["out"]
    assert (seen["site"], seen["drop-in"]) == (before["site"], before["drop-in"])
    assert seen["pid"] != before["pid"], "the units were started again without the new address"
    assert (seen["bundle"]["number"], seen["bundle"]["tried"], seen["bundle"]["kept"]) == (5, 6, False)
    assert "6, signed by admin@vaasa.example, was taken back" in seen["line"]
    assert told["bundles"]["codes"] == [
        "bundle-on-trial", "bundle-kept", "bundle-on-trial", "bundle-kept", "bundle-on-trial",
        "bundle-taken-back",
    ]  # fmt: skip


def test_an_older_bundle_is_refused(told: Story) -> None:
    assert told["bundles"]["old"]["status"] == 2
    assert "number 5 has been in force here" in told["bundles"]["old"]["err"]


def test_whoever_is_far_away_sees_at_the_broker_what_was_taken_back(told: Story) -> None:
    last = told["far_away"]
    assert (last["self.bundle"], last["self.bundle_tried"], last["self.bundle_taken_back"]) == (5, 6, 1)


def test_metrics_lie_where_the_page_says_and_anybody_can_read_them(told: Story) -> None:
    seen = told["exporter"]
    assert set(seen["done"]) == {0}, seen["done"]
    assert "citygate_release_info{" in seen["text"]
    assert seen["rights"].split() == ["citygate", "644"]


def test_no_secret_is_told_anywhere(told: Story) -> None:
    seen = told["discretion"]
    assert "citygate.service started" in seen["applied"]["out"]
    assert "uplink city ok" in seen["status"], "the new password is in use"
    assert min(seen["sizes"].values()) > 0, seen["sizes"]
    handed = {name for place, name in seen["found"] if place == "handed over"}
    assert handed == {*KINDS, "gateway-key"} - CAMERAS, "those of cameras are for the process that sees them"
    assert [one for one in seen["found"] if one[0] not in BELONGING] == []
    # the key that signs the heads lies with the ledger, for the gateway alone
    assert [one for one in seen["found"] if one[0] == "state"] == [["state", "ledger-key"]]


def test_every_secret_that_travels_was_offered_to_who_refuses_it(told: Story) -> None:
    seen = told["discretion"]
    assert set(seen["offered"]) == OFFERED
    assert {name for place, name in seen["found"] if place == "offered"} == OFFERED


def test_neither_process_leaves_a_core_or_shows_its_memory(told: Story) -> None:
    seen = told["discretion"]
    assert [(one["core"], one["owner"]) for one in seen["limits"]] == [("0 0", "root"), ("0 0", "root")]
    assert seen["abort"]["cores"] == []
    assert seen["abort"]["before"] != seen["abort"]["after"]


def test_nothing_is_left_after_wipe_and_purge(told: Story) -> None:
    seen = told["wipe"]
    assert seen["purged"]["status"] == 0, seen["purged"]
    new = sorted(set(seen["files"]) - set(told["before"]["files"]))
    assert [one for one in new if not Path(one).exists()] == []


def test_both_packages_go_forward_together(told: Story) -> None:
    older, seen = told["older"], told["forward"]
    assert older["installed"]["status"] == seen["done"]["status"] == 0, seen["done"]
    assert [one.partition("+")[0] for one in seen["versions"]] == ["0.2.0", "0.2.0"]
    assert (seen["broken"], seen["active"]) == ("", "active")
    for one in (older, seen):
        assert one["status"].startswith("sandbox "), one["status"]
        assert What.NUMBER in {What(kind) for kind in one["heard"]}
