"""No comparison, word or number of gate, privacy, poll plan, strict replies or outbox can change unnoticed.

The everyday tests look whether what is explained still fits the files; the long ones try each variant.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.mutants import ROOT, red
from tests.mutation.variants import Explained, Variant, explained, variants

MODBUS = "tests/drivers/modbus"
WALL = "tests/agent/prove/test_led.py"
OUTBOX = "tests/agent/outbox"
SLOW = f"--deselect={OUTBOX}/test_outbox.py::test_losses_are_declared_once_even_if_pruning_fails_at_first"
LEDGER = f"{OUTBOX}/test_ledger.py"
PRUNING = f"--deselect={LEDGER}::test_a_pruning_writer_does_not_disturb_a_check"
PRIVACY = "tests/agent/privacy"
GATE = {
    "agent/gate.py": ("tests/agent/test_gate.py", f"{PRIVACY}/test_guard.py"),
    "agent/core/rate.py": ("tests/core/test_rate.py",),
    "agent/privacy/guard.py": (f"{PRIVACY}/test_guard.py", "tests/agent/test_gate.py"),
    "agent/privacy/suppress.py": (f"{PRIVACY}/test_suppress.py",),
    "agent/privacy/hold.py": (f"{PRIVACY}/test_hold.py",),
    "agent/privacy/holding.py": (f"{PRIVACY}/test_guard.py",),
    "agent/privacy/laplace.py": (
        f"{PRIVACY}/test_laplace.py",
        f"--deselect={PRIVACY}/test_laplace.py::test_another_implementation_draws_from_the_same_law",
    ),
    "agent/privacy/noise.py": (f"{PRIVACY}/test_noise.py",),
    "agent/privacy/drawn.py": (f"{PRIVACY}/test_guard.py",),
    "agent/privacy/epsilon.py": (f"{PRIVACY}/test_epsilon.py",),
    "agent/privacy/sources.py": (f"{PRIVACY}/test_sources.py",),
    "agent/privacy/share.py": (f"{PRIVACY}/test_share.py",),
    "agent/privacy/statement.py": (f"{PRIVACY}/test_statement.py",),
    "agent/privacy/street.py": ("tests/cli/test_utility.py",),
    "agent/flow.py": ("tests/agent/test_flow.py", f"{PRIVACY}/test_guard.py"),
    "agent/pipeline.py": ("tests/agent/test_pipeline.py", "tests/agent/test_flow.py"),
    "agent/intake.py": ("tests/agent/test_intake.py",),
}
"""What stands between a record and the outbox, and what is said of it."""
WINDOWS = (
    *(f"tests/pipelines/test_window{one}.py" for one in ("_edges", "_handover", "", "_restarts", "_meters")),
    *(
        f"--deselect=tests/pipelines/test_window_meters.py::test_{one}"
        for one in (
            "whatever_happens_no_delta_spans_two_meters",
            "what_each_meter_counted_is_told_once",
            "windows_that_become_one_tell_what_each_meter_counted_once",
        )
    ),
)
SUMS = {
    f"pipelines/windows/{one}.py": WINDOWS
    for one in ("cell", "counter", "figures", "frame", "handover", "kept", "published", "spans", "stage")
}
SUMS["pipelines/_lifetime.py"] = SUMS["pipelines/_personal.py"] = WINDOWS
SUMS["pipelines/combine.py"] = ("tests/pipelines/test_combine.py",)
SUMS["pipelines/validate.py"] = ("tests/pipelines/test_validate.py",)
"""Where the sums come from by which a city is billed."""
CONFIG = "tests/agent/config"
CASES = (
    f"{CONFIG}/test_load.py",
    f"{CONFIG}/test_protection.py",
    f"--deselect={CONFIG}/test_load.py::test_whatever_stands_in_a_file_gives_a_plan_or_a_report",
)
COMPILER = {f"agent/config/{one}.py": CASES for one in ("protection", "terms", "releases", "merge")}
"""What refuses a product or a grant that would tell too much."""
HEADS = f"{OUTBOX}/test_heads.py"
SCHEMA = f"--deselect={HEADS}::test_a_head_passes_the_schema_of_the_native_format"
WATCHED = {
    **GATE,
    **SUMS,
    **COMPILER,
    "drivers/modbus/plan.py": (f"{MODBUS}/test_plan.py",),
    "drivers/modbus/frames.py": (
        f"{MODBUS}/test_link.py",
        f"{MODBUS}/test_link_rtu.py",
        f"{MODBUS}/test_frames_rtu.py::test_an_identification_is_taken_whatever_its_length",
    ),
    "drivers/modbus/frames_tcp.py": (
        f"{MODBUS}/test_late_edges.py",
        f"{MODBUS}/test_link.py",
        f"{MODBUS}/test_frames_tcp.py",
        f"--deselect={MODBUS}/test_frames_tcp.py::test_a_thousand_random_streams_are_borne",
    ),
    "drivers/modbus/frames_rtu.py": (
        f"{MODBUS}/test_frames_rtu.py",
        f"--deselect={MODBUS}/test_frames_rtu.py::test_three_thousand_random_streams_are_borne",
        f"--deselect={MODBUS}/test_frames_rtu.py::test_any_bytes_are_borne",
    ),
    "drivers/modbus/strays.py": (f"{MODBUS}/test_strays.py",),
    "drivers/modbus/ghosts.py": (f"{MODBUS}/test_ghosts.py", f"{MODBUS}/test_link_rtu.py"),
    "drivers/modbus/patience.py": (f"{MODBUS}/test_patience.py",),
    "drivers/modbus/overdue.py": (f"{MODBUS}/test_overdue.py",),
    "agent/core/breaker.py": ("tests/core/test_breaker.py",),
    "agent/core/ticks.py": ("tests/core/test_ticks.py",),
    "agent/outbox/books.py": (
        f"{OUTBOX}/test_books.py",
        f"{OUTBOX}/test_withdrawn.py",
        f"{OUTBOX}/test_outbox.py",
        SLOW,
    ),
    "agent/outbox/store.py": (f"{OUTBOX}/test_store.py",),
    "agent/outbox/salvage.py": (f"{OUTBOX}/test_salvage_alone.py",),
    "agent/outbox/keeper.py": (f"{OUTBOX}/test_keeper.py", f"{OUTBOX}/test_house.py"),
    "agent/outbox/soundness.py": (f"{OUTBOX}/test_soundness.py",),
    "agent/outbox/ledger.py": (LEDGER, PRUNING),
    "agent/outbox/match.py": (LEDGER, PRUNING),
    "agent/outbox/verdict.py": (LEDGER, f"{OUTBOX}/test_readers.py"),
    "agent/outbox/heads.py": (HEADS, SCHEMA),
    "agent/outbox/again.py": (f"{OUTBOX}/test_again.py",),
    "agent/outbox/account.py": (f"{OUTBOX}/test_account.py",),
    "agent/outbox/row.py": (f"{OUTBOX}/test_row.py",),
    "agent/outbox/epochfile.py": (f"{OUTBOX}/test_epochfile.py",),
    "agent/outbox/kept.py": (f"{OUTBOX}/test_outbox.py", SLOW),
    "agent/outbox/reserve.py": (f"{OUTBOX}/test_reserve.py",),
    "agent/outbox/opening.py": (f"{OUTBOX}/test_opening.py",),
    "agent/outbox/outbox.py": (
        f"{OUTBOX}/test_configure.py",
        f"{OUTBOX}/test_keeper.py",
        f"{OUTBOX}/test_outbox.py",
        SLOW,
    ),
    "agent/outbox/signing.py": (HEADS, SCHEMA),
    "agent/outbox/schema.py": (f"{OUTBOX}/test_schema.py",),
    "agent/outbox/port.py": (f"{OUTBOX}/test_port.py",),
    "agent/outbox/bounds.py": (f"{OUTBOX}/test_bounds.py",),
    "drivers/modbus/link.py": (
        f"{MODBUS}/test_link_line.py",
        f"{MODBUS}/test_late_edges.py",
        f"{MODBUS}/test_link.py",
        f"{MODBUS}/test_link_rtu.py",
        f"{MODBUS}/test_late.py",
    ),
    "drivers/modbus/session.py": (
        f"{MODBUS}/test_session.py",
        f"{MODBUS}/test_session_ends.py",
        f"{MODBUS}/test_late_edges.py",
        f"{MODBUS}/test_session_late.py",
        f"{MODBUS}/test_link.py",
    ),
    "drivers/modbus/turns.py": (f"{MODBUS}/test_turns.py",),
    "drivers/modbus/request.py": (f"{MODBUS}/test_request.py", f"{MODBUS}/test_link.py"),
    "drivers/modbus/cutting.py": (f"{MODBUS}/test_cutting.py",),
    "drivers/modbus/codec.py": (f"{MODBUS}/test_codec.py",),
    "drivers/modbus/point.py": (f"{MODBUS}/test_point.py", f"{MODBUS}/test_codec.py"),
    "drivers/modbus/figures.py": (f"{MODBUS}/test_figures.py",),
    "drivers/modbus/slips.py": (
        f"{WALL}::test_every_function_that_is_no_read_is_put_to_the_wall",
        f"{WALL}::test_a_wall_with_a_hole_is_noticed",
    ),
    "agent/outbox/chain.py": (f"{OUTBOX}/test_chain.py",),
    "agent/outbox/feed.py": (f"{OUTBOX}/test_feed_alone.py",),
    "agent/outbox/lane.py": (f"{OUTBOX}/test_lane.py",),
    "agent/outbox/losses.py": (f"{OUTBOX}/test_losses.py",),
    "agent/outbox/merkle.py": (f"{OUTBOX}/test_merkle.py",),
    "agent/outbox/numbered.py": (f"{OUTBOX}/test_numbered.py",),
    "agent/outbox/ranges.py": (f"{OUTBOX}/test_ranges.py",),
    "agent/outbox/spent.py": (f"{OUTBOX}/test_spent.py",),
    "agent/outbox/transaction.py": (f"{OUTBOX}/test_transaction.py",),
}
"""Files of which every variant is tried, and the tests that must notice: fast ones, a few seconds at most."""
VARIANTS = [one for file in WATCHED for one in variants(file)]
EXPLAINED = explained()


def name(one: Variant) -> str:
    return f"{one.file}:{one.line}: {one.before} -> {one.after}"


def test_each_variant_is_python_and_another_text() -> None:
    assert len(VARIANTS) > 60
    assert len({one.text for one in VARIANTS}) == len(VARIANTS)
    for one in VARIANTS:
        ast.parse(f"if True:\n{one.statement}", one.file)


@pytest.mark.parametrize("one", EXPLAINED, ids=lambda one: f"{one.file}: {one.within}")
def test_what_is_explained_is_still_a_variant(one: Explained) -> None:
    assert any(map(one.fits, VARIANTS))
    assert len(one.why) > 20


def test_the_page_names_the_files_and_how_many_of_their_variants_are_explained() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w/.]+\.py)` \| \d+ \| (\d+) \|$", page, re.MULTILINE)
    known = Counter(one.file for one in VARIANTS if any(each.fits(one) for each in EXPLAINED))
    assert rows == [(file, str(known[file])) for file in WATCHED]


@pytest.mark.long
@pytest.mark.parametrize("file", WATCHED)
def test_nothing_is_red_while_the_file_is_as_it_is(file: str, tmp_path: Path) -> None:
    """What is red anyway would notice every variant."""
    assert red(file, (ROOT / file).read_text("utf-8"), WATCHED[file], tmp_path, everyday=True) == []


@pytest.mark.long
@pytest.mark.parametrize("one", VARIANTS, ids=name)
def test_a_variant_turns_some_test_red_or_loses_nothing(one: Variant, tmp_path: Path) -> None:
    compile(one.text, one.file, "exec")  # what is no Python would turn anything red
    if not any(known.fits(one) for known in EXPLAINED):
        tests = WATCHED[one.file]
        found = red(one.file, one.text, tests, tmp_path, everyday=True)
        assert found, f"nobody misses {name(one)}"
