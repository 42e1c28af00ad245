"""Only the client knows how BACnet is spoken, and no library that could write is part of the gateway."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.bacnet.apdu import Confirmed, Unconfirmed
from drivers.bacnet.client import Client
from drivers.bacnet.stack import Stack

ROOT = Path(__file__).parents[3]
LIBRARIES = {"bacpypes3", "rusty_bacnet", "bac_py"}
DEMO = ROOT / "agent" / "demo"  # its air handler is a device of its own, in a process of its own
PRODUCTION = sorted(
    path
    for folder in ("agent", "drivers", "pipelines")
    for path in (ROOT / folder).rglob("*.py")
    if DEMO not in path.parents
)
SPEAKERS = {"client", "endpoint", "exchange", "door", "frames", "foreign", "interface", "tags"}
USERS = ("reader", "find", "convert", "learnt", "changes")


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_no_library_of_bacnet_is_part_of_the_gateway() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in PRODUCTION
        for name in imported(path)
        if name.partition(".")[0] in LIBRARIES | {"BAC0"}
    ]
    assert found == []


@pytest.mark.parametrize("user", USERS)
def test_who_reads_devices_knows_only_the_seam(user: str) -> None:
    names = set(imported(ROOT / "drivers" / "bacnet" / f"{user}.py"))
    assert not names & {f"drivers.bacnet.{speaker}" for speaker in SPEAKERS}


def test_the_client_is_a_stack_and_has_no_service_that_changes_a_device() -> None:
    contract: type[Stack] = Client
    assert not [name for name in dir(contract) if "write" in name and not name.startswith("_")]
    assert {one.value for one in Confirmed} == {1, 5, 12, 14}
    assert {one.value for one in Unconfirmed} == {0, 2, 8}
