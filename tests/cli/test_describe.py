"""The command that tells a platform what it meets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.encodings.native import native_schema
from tests.cli.conftest import SHARING, SITE

BROKER = 'broker = "mqtts://broker.vaasa.example:8883"\n'


def site(folder: Path, encoding: str = "") -> str:
    text = SITE.format(port=502) + SHARING.replace(BROKER, BROKER + encoding)
    (folder / "site.toml").write_text(text, "utf-8")
    return str(folder)


def test_a_page_for_people_is_the_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", site(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# What city receives")
    assert "citygate/1/vaasa/library/gw1/d/energy" in said
    assert '"k":"batch"' in said


def test_an_asyncapi_document_for_tools(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", site(tmp_path), "--asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"


def test_the_schema_is_the_one_that_every_body_passes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["describe", site(tmp_path), "--json-schema"]) == 0
    assert json.loads(capsys.readouterr().out) == native_schema()


def test_an_encoding_without_a_schema_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", site(tmp_path, 'encoding = "senml"\n'), "--json-schema"]) == 2
    assert 'encoding "senml" has no schema of its own' in capsys.readouterr().err
