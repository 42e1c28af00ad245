"""The lines of the log come from one place, and whoever reads one learns what to do."""

from __future__ import annotations

import ast
import logging
import re
import subprocess
from pathlib import Path

import pytest

from agent.core import errors
from agent.core.catalogue.entry import Entry
from agent.core.catalogue.every import entries, entry_of
from agent.core.errors import ClockError, ConfigError, DriverError, GatewayError, OutboxError, UplinkError
from agent.report.messages import journal_catalogue, page
from tests.peers import need

ROOT = Path(__file__).parent.parent.parent
SOURCES = sorted(
    path for folder in ("agent", "drivers", "pipelines") for path in (ROOT / folder).rglob("*.py")
)
FIELDS = {"SERVICE", "LINK", "DEVICE", "POINT", "PRODUCT", "RECIPIENT", "ROUTE"}


def test_the_page_for_maintainers_is_what_the_catalogue_says() -> None:
    """Written anew by: citygate messages --form page > docs/maintainer/messages.md."""
    assert (ROOT / "docs" / "maintainer" / "messages.md").read_text("utf-8") == page()


def test_the_journals_catalogue_is_what_the_catalogue_says() -> None:
    """Written anew by: citygate messages --form journal > systemd/citygate.catalog."""
    assert (ROOT / "systemd" / "citygate.catalog").read_text("utf-8") == journal_catalogue()


def test_codes_and_ids_are_told_apart() -> None:
    known = entries()
    assert len({one.code for one in known}) == len({one.id for one in known}) == len(known)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", one.code) for one in known)
    assert all(re.fullmatch(r"[0-9a-f]{32}", one.id) for one in known)


@pytest.mark.parametrize("one", entries(), ids=lambda one: one.code)
def test_an_entry_says_why_it_matters_and_what_to_do(one: Entry) -> None:
    assert one.matters.endswith(".")
    assert one.act.endswith((".", "?"))
    assert not one.title.endswith(".")
    told = set(re.findall(r"@(\w+)@", one.title + one.matters + one.act))
    assert told <= FIELDS
    if one.level >= logging.ERROR:
        assert one.act != "Nothing.", "an error needs a person"


def test_an_id_is_for_ever() -> None:
    known = {one.code: one.id for one in entries()}
    assert known["device-silent"] == "a9dba5da29e7573e31981320ce5ae5c6"


def leaves(kind: type[GatewayError]) -> set[type[GatewayError]]:
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    return {kind}.union(*map(leaves, below)) if below else {kind}


def test_every_type_of_error_has_an_entry() -> None:
    assert leaves(GatewayError) == {one.error for one in entries() if one.error is not None}


@pytest.mark.parametrize("kind", [ClockError, ConfigError, DriverError, OutboxError, UplinkError])
def test_a_failed_service_is_told_by_the_entry_of_its_error(kind: type[GatewayError]) -> None:
    assert entry_of(kind("so")).error is kind


def calls(path: Path) -> list[ast.Call]:
    tree = ast.parse(path.read_text("utf-8"))
    return [
        one for one in ast.walk(tree) if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    ]


def test_nothing_but_debugging_is_logged_beside_the_catalogue() -> None:
    """A line of your own? Give it an entry in agent/core/catalogue, and call its tell."""
    beside = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        if "catalogue" not in path.parts
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"info", "warning", "error", "critical", "exception", "log"}
        and "log" in ast.unparse(call.func.value).casefold()
        and "stderr" not in ast.unparse(call.func.value)
    ]
    assert not beside


def test_every_entry_is_told_somewhere() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES if path.parent.name != "catalogue")
    every = (ROOT / "agent" / "core" / "catalogue" / "every.py").read_text("utf-8")
    names = re.findall(
        r"(?m)^([A-Z_]+): Final = Entry\(",
        "\n".join(path.read_text("utf-8") for path in (ROOT / "agent" / "core" / "catalogue").glob("*.py")),
    )
    assert len(names) == len(entries())
    assert not [name for name in names if not re.search(rf"\b{name}\b", text + every)]


def test_journald_understands_the_catalogue(tmp_path: Path) -> None:
    journalctl = need("journalctl")
    folder = tmp_path / "usr" / "lib" / "systemd" / "catalog"
    folder.mkdir(parents=True)
    (folder / "citygate.catalog").write_text(journal_catalogue(), "utf-8")
    (tmp_path / "var" / "lib" / "systemd" / "catalog").mkdir(parents=True)
    root = f"--root={tmp_path}"
    subprocess.run([journalctl, root, "--update-catalog"], check=True, capture_output=True)
    listed = subprocess.run(
        [journalctl, root, "--list-catalog"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    assert {line.split()[0] for line in listed.splitlines()} == {one.id for one in entries()}


def test_a_line_without_a_logger_has_priority_and_code_on_each_of_its_lines() -> None:
    entry = Entry(code="odd", level=logging.WARNING, text="%s is odd\nand %s", title="", matters="", act="")
    assert entry.line("this", "that") == "<4>this is odd\n<4>and that (odd)\n"
