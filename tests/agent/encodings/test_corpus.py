"""Every encoding writes today, byte for byte, what its platforms were set up by."""

from __future__ import annotations

import json
import re

import pytest

from agent.registry import kinds
from tests.agent.encodings.corpus import CASES, case

SCHEMA = re.compile(r"citygate-1\.\d+#[0-9a-f]{12}")  # changes rightly with a new optional field


@pytest.mark.parametrize("kind", kinds("encoding"))
def test_the_messages_of_an_encoding_are_those_that_were_released(kind: str) -> None:
    kept = (CASES / f"{kind}.json").read_text("utf-8")
    assert json.loads(SCHEMA.sub("*", kept)) == json.loads(SCHEMA.sub("*", json.dumps(case(kind))))


def test_no_corpus_is_left_of_an_encoding_that_is_gone() -> None:
    assert {path.stem for path in CASES.glob("*.json")} == set(kinds("encoding"))
