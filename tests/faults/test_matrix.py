"""The list of the matrix, its tests and its page say the same."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from agent.core.catalogue.every import entries
from tests.faults.matrix import PAGE, Row, Seen, faults_of, renewed, rows, table

HERE = Path(__file__).parent
ROWS = rows()


def test_each_row_has_a_name_and_a_fault_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len({row.fault for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_is_bound_to_a_test_or_says_why_it_cannot_be_run(row: Row) -> None:
    assert bool(row.test) != bool(row.cannot)
    if row.test:
        file, _, name = row.test.partition("::")
        tree = ast.parse((HERE / file).read_text("utf-8"))
        names = {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
        assert name.partition("[")[0] in names


def test_the_codes_of_the_rows_are_in_the_catalogue() -> None:
    known = {entry.code for entry in entries()}
    named = {code for row in ROWS for some in row.codes for code in some.split("|")}
    assert named <= known


def test_the_page_has_the_rows_of_the_list() -> None:
    assert faults_of(PAGE.read_text("utf-8")) == [row.fault for row in ROWS], "run: make faults"


def test_the_table_is_found_again_in_the_page() -> None:
    seen = {row.name: Seen(name=row.name, marks=("no_data no_reply",), seconds=1.0) for row in ROWS}
    page = renewed(PAGE.read_text("utf-8"), table(seen))
    assert faults_of(page) == [row.fault for row in ROWS]
    assert renewed(page, table(seen)) == page
