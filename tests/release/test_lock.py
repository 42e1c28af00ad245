"""The lock holds what the project asks for, for every target."""

from __future__ import annotations

import re

import pytest

from release import lock
from release.targets import PACKAGES, TARGETS


@pytest.mark.parametrize("package", PACKAGES)
def test_what_the_project_needs_is_locked(package: str) -> None:
    held = {name for one in PACKAGES for name, _ in lock.read(one)}
    for wish in lock.wanted()[package]:
        assert re.split(r"[><=~!]", wish)[0].lower() in held, f"run `make lock`: {wish} is not in it"


@pytest.mark.parametrize("package", [*PACKAGES, "build"])
def test_every_wheel_has_a_hash_and_no_project_two_versions(package: str) -> None:
    held = lock.read(package)
    text = (lock.FOLDER / f"{package}.txt").read_text("utf-8")
    assert len(held) == len(re.findall("==", text)) == len({name for name, _ in held})
    assert all(held.values())


def test_a_target_takes_wheels_for_its_own_python_and_processor_only() -> None:
    words = TARGETS["debian13-arm64"].pip()
    assert words[words.index("--python-version") + 1] == "3.13"
    platforms = {words[at + 1] for at, word in enumerate(words) if word == "--platform"}
    assert all(one.endswith("_aarch64") for one in platforms)
    assert "manylinux_2_41_aarch64" in platforms  # and none that needs a newer library than Debian 13 has
    assert "manylinux_2_42_aarch64" not in platforms
