"""What the cage around pictures promises is tried in earnest, and a cage or a reader that leaks is found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert
from msgspec.structs import replace

from agent.core.errors import GatewayError
from agent.core.plan import Link, Plan
from agent.core.settings import decode_hook
from agent.core.vision import PROGRAM, Lock, Trial, Tried
from agent.prove import caged
from agent.prove.outcome import State
from agent.prove.scene import Scene
from drivers.camera import Camera
from drivers.cameras import records
from tests.agent.prove.scenes import street, tried

Made = Callable[..., Scene]
FILE, RTSP = "file:/srv/clip.mp4", "rtsp://10.30.0.7/stream2"
REAL = cache(caged.tried)
"""In earnest, but the same trial only once."""
CAGE = ("pictures-leave-no-file", "pictures-start-no-program", "cameras-reach-nothing-else")


def watched(source: str = FILE) -> Plan:
    """Give the street with one camera."""
    lines = {"gate": {"from": [0.5, 0.9], "to": [0.5, 0.1]}}
    table = {"source": source, "model": "nanodet-g", "lines": lines}
    driver = replace(convert(table, Camera, dec_hook=decode_hook), name="square")
    plan = street()
    return replace(plan, links=(*plan.links, Link(name="square", kind="camera", driver=driver)))


@pytest.mark.parametrize("name", CAGE)
def test_the_cage_of_this_computer_withstands(name: str, scene: Made) -> None:
    outcome = tried(name, scene(watched(), cage=REAL))
    assert outcome.state is State.KEPT, outcome.told
    assert outcome.told[0].startswith("Refused on this computer: ")


def test_other_addresses_are_for_the_service_to_close_and_that_is_said(scene: Made) -> None:
    outcome = tried("cameras-reach-nothing-else", scene(watched(RTSP), cage=REAL))
    assert outcome.state is State.OPEN
    assert "192.0.2.1): only the service filters them" in outcome.told[-1]


@pytest.mark.parametrize("name", [*CAGE, "pictures-do-not-cross"])
def test_a_site_without_cameras_is_told_so(name: str, scene: Made) -> None:
    def nobody(_: Trial) -> Tried:
        raise AssertionError("nothing is to be tried")

    outcome = tried(name, scene(cage=nobody))
    assert (outcome.state, outcome.told) == (
        State.KEPT, ("This site has no camera: nothing here sees a picture.",),
    )  # fmt: skip


def lacking(*locks: Lock) -> Callable[[Trial], Tried]:
    """Give a cage that never has these locks."""
    return lambda trial: REAL(replace(trial, without=tuple({*trial.without, *locks})))


@pytest.mark.parametrize(
    ("name", "locks", "said"),
    [
        ("pictures-leave-no-file", ("disk",), "The attempt bytes worked."),
        ("pictures-leave-no-file", ("calls", "landlock"), "The attempt disk:/tmp worked."),
        ("pictures-start-no-program", ("calls", "landlock"), "The attempt exec worked."),
        ("pictures-start-no-program", ("disk",), "The attempt dumpable worked."),
        ("cameras-reach-nothing-else", ("calls",), "The attempt udp worked."),
        ("cameras-reach-nothing-else", ("calls",), "The attempt unix-socket worked."),
    ],
)
def test_a_cage_without_a_lock_is_found(name: str, locks: tuple[Lock, ...], said: str, scene: Made) -> None:
    outcome = tried(name, scene(watched(), cage=lacking(*locks)))
    assert outcome.state is State.BROKEN
    assert said in outcome.told


@pytest.mark.parametrize("name", CAGE)
def test_an_attempt_that_is_refused_whatever_happens_proves_nothing(name: str, scene: Made) -> None:
    def whole(trial: Trial) -> Tried:
        return REAL(replace(trial, without=()))

    outcome = tried(name, scene(watched(), cage=whole))
    assert outcome.state is State.BROKEN
    assert all("was still called refused: it proves nothing" in one for one in outcome.told)


def test_what_the_running_gateway_counts_in_development_is_named(
    scene: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"confined": "no", "cage": "it has holes: net:192.0.2.1"}
    monkeypatch.setattr(caged, "ask", lambda *_: {"links": [{"name": "square", "figures": figures}]})
    outcome = tried("pictures-leave-no-file", scene(watched(), cage=REAL))
    assert outcome.state is State.OPEN
    assert "The running gateway counts square in development: it has holes: net:192.0.2.1." in outcome.told


def test_a_program_that_is_not_there_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GatewayError, match="citygate-vision is not installed"):
        caged.tried(Trial())


def test_a_program_that_ends_without_an_answer_is_said_with_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / PROGRAM).write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / PROGRAM).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(GatewayError, match="citygate-vision ended with status 3 when its cage was tried"):
        caged.tried(Trial())


def test_forged_records_are_dropped_and_the_bound_is_told(scene: Made) -> None:
    outcome = tried("pictures-do-not-cross", scene(watched()))
    assert outcome.state is State.KEPT, outcome.told
    assert outcome.told[0] == "square: 21 kinds of forged records were dropped."
    assert "bytes an hour cross" in outcome.told[1]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("stamp", "a stamp with free bits"),
        ("value", "a number that cannot be"),
        ("sequence number", "a record that skips one"),
        ("pace", "words in a torrent"),
        ("version", "a record of another version"),
        ("mark", "a mark that comes and goes"),
    ],
)
def test_a_reader_that_believes_too_much_is_found(
    field: str, said: str, scene: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    must: Callable[[bool, str], None] = records._must

    def lax(holds: Any, what: str) -> None:  # noqa: ANN401 - a truth
        must(holds or what == field, what)

    monkeypatch.setattr(records, "_must", lax)
    outcome = tried("pictures-do-not-cross", scene(watched()))
    assert outcome.state is State.BROKEN
    assert f"square believed {said}." in outcome.told


def test_a_reader_that_believes_nothing_at_all_is_found(scene: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: object, record: object, now: float, *, known: bool) -> None:
        raise records.RefusedError("no")

    monkeypatch.setattr(records.Receiver, "_number", never)
    outcome = tried("pictures-do-not-cross", scene(watched()))
    assert outcome.told == ("square believed nothing, not even what is true.",)
