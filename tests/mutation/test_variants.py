"""No comparison, word or number of the poll plan can change without a test turning red.

The everyday tests look whether what is explained still fits the files; the long ones try each variant.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.mutants import red
from tests.mutation.variants import Explained, Variant, explained, variants

WATCHED = {"drivers/modbus/plan.py": ("tests/drivers/modbus/test_plan.py",)}
"""Files of which every variant is tried, and the tests that must notice."""
VARIANTS = [one for file in WATCHED for one in variants(file)]
EXPLAINED = explained()


def name(one: Variant) -> str:
    return f"{one.file}:{one.line}: {one.before} -> {one.after}"


def test_each_variant_is_python_and_another_text() -> None:
    assert len(VARIANTS) > 60
    assert len({one.text for one in VARIANTS}) == len(VARIANTS)
    for one in VARIANTS:
        compile(one.text, one.file, "exec")


@pytest.mark.parametrize("one", EXPLAINED, ids=lambda one: f"{one.file}: {one.within}")
def test_what_is_explained_is_still_a_variant(one: Explained) -> None:
    assert any(map(one.fits, VARIANTS))
    assert len(one.why) > 20


@pytest.mark.long
@pytest.mark.parametrize("one", VARIANTS, ids=name)
def test_a_variant_turns_some_test_red_or_loses_nothing(one: Variant, tmp_path: Path) -> None:
    if not any(known.fits(one) for known in EXPLAINED):
        tests = WATCHED[one.file]
        assert red(one.file, one.text, tests, tmp_path, everyday=True), f"nobody misses {name(one)}"
