"""What the tests of the fault matrix have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.matrix import Row, row_of
from tests.faults.trial import Trial


@pytest.fixture
def row(request: pytest.FixtureRequest) -> Row:
    """Give the row that the test is bound to."""
    return row_of(request.node.nodeid)


@pytest.fixture
def trial(row: Row, tmp_path: Path) -> Iterator[Trial]:
    """Give a site that is not yet at work."""
    with ExitStack() as stack:
        yield Trial(row, tmp_path, stack)
