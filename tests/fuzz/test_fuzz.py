"""Whatever bytes come: a reader gives what may be believed, or the error that it says it gives."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fuzz import loop
from tests.fuzz.cases import Case, cases
from tests.fuzz.catalogue import HOMES, NAMES, target, targets
from tests.fuzz.engine import Engine, Finding
from tests.fuzz.target import Target, pure

CASES = cases()


@pytest.fixture(autouse=True)
def _own_loop() -> Iterator[None]:
    """Give each target a loop of its own, and pass over what some libraries say about odd files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        loop.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give an empty folder in memory, where there is one: some targets write files by the thousand."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with TemporaryDirectory(prefix="citygate-fuzz-", dir=memory if memory.is_dir() else None) as name:
        yield Path(name)


def told(found: Finding | None) -> str:
    return "" if found is None else f"{found.what}\n{found.data.hex()}\n{found.trace}"


@pytest.mark.parametrize("name", NAMES)
def test_seeds_and_some_of_their_mutants_do_no_harm(name: str, folder: Path) -> None:
    with Engine(target(name), folder) as engine:
        assert not (found := engine.seeded()), told(found)
        assert not (found := engine.some(target(name).everyday)), told(found)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.target}: {case.was}")
def test_what_once_did_harm_does_none_any_more(case: Case, folder: Path) -> None:
    with Engine(target(case.target), folder) as engine:
        assert not (found := engine.tried(case.data)), told(found)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_ten_seconds_of_mutants_do_no_harm(name: str, folder: Path) -> None:
    with Engine(target(name), folder, seed=time.time_ns()) as engine:
        found = engine.during(10.0)
    assert not found, told(found)


def test_each_target_is_listed_with_its_file() -> None:
    homes = {one.stem for one in (Path(__file__).parent / "targets").glob("[!_]*.py")}
    assert homes == set(HOMES)
    assert {home: tuple(one.name for one in targets(home)) for home in homes} == dict(HOMES)


def _fragile(data: bytes) -> None:
    assert not data.startswith(b"\x81\x0b"), "a datagram of a kind that nobody thought of"


def _slow(data: bytes) -> None:
    if b"\xff" in data:
        while True:
            pass


def test_a_reader_that_falls_over_is_found(tmp_path: Path) -> None:
    made = Target(name="x", about="x", prepare=pure(_fragile), seeds=lambda: [b"\x81\x0a\0\4"])
    with Engine(made, tmp_path) as engine:
        assert not engine.seeded()
        found = engine.some(20_000)
    assert found is not None
    assert found.data.startswith(b"\x81\x0b")
    assert "nobody thought of" in found.what


def test_a_reader_that_does_not_come_to_an_end_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fuzz.engine.PATIENCE", 0.05)
    made = Target(name="x", about="x", prepare=pure(_slow), seeds=lambda: [b"\0\1\2\3"])
    with Engine(made, tmp_path) as engine:
        found = engine.some(20_000)
    assert found is not None
    assert found.what.startswith("HangError")


def test_the_same_seed_tries_the_same_bytes(tmp_path: Path) -> None:
    tried: list[list[bytes]] = [[], []]
    for seen in tried:
        made = Target(name="x", about="x", prepare=pure(seen.append), seeds=lambda: [b"abc", b"12.5"])
        with Engine(made, tmp_path, seed=5) as engine:
            engine.some(300)
    assert tried[0] == tried[1]
    assert len(set(tried[0])) > 200
