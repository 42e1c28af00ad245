"""A configuration is kept only if all that did well before does so again."""

from __future__ import annotations

from typing import Any

import pytest

from agent.bundle.judge import objection, well
from tests.cli.test_status import WELL, changed

BEFORE = well(WELL)
APPLIED = "2026-11-21T18:00:00Z"


def test_what_did_well_is_named() -> None:
    assert {"device main-meter", "recipient city"} == BEFORE


def test_a_gateway_that_does_as_before_may_keep_it() -> None:
    assert objection(WELL, BEFORE, APPLIED) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fault": "site.toml:1:1: no\nmore"}, "the gateway refuses it: site.toml:1:1: no"),
        ({"loaded": "2026-11-21T17:59:59Z"}, "the gateway has not read it yet"),
        ({"hanging": ["link plant-room"]}, "link plant-room hangs"),
        ({"outbox__trouble": "disk full"}, "the outbox is in trouble: disk full"),
        ({"clock__waiting": True}, "windows still wait for the clock"),
        ({"links__0__devices__0__state": "silent"}, "device main-meter did well before, and does not now"),
        ({"recipients__0__connected": False}, "recipient city did well before, and does not now"),
    ],
)
def test_what_is_not_well_is_said(changes: dict[str, Any], said: str) -> None:
    assert objection(changed(**changes), BEFORE, APPLIED) == said


def test_a_gateway_that_is_away_is_not_well() -> None:
    assert objection(None, (), APPLIED) == "the gateway does not answer"


def test_what_did_not_do_well_before_need_not_do_so_now() -> None:
    assert objection(changed(recipients__0__connected=False), {"device main-meter"}, APPLIED) == ""


def test_what_is_gone_from_the_files_is_not_missed() -> None:
    assert objection(WELL, {*BEFORE, "device old-meter"}, APPLIED) == ""


def test_without_a_single_device_that_answers_nothing_is_kept() -> None:
    assert objection(changed(links__0__devices__0__state="waiting"), (), APPLIED) == "no device answers"
