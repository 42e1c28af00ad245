"""What the computer says of itself is read where it says it, and nothing is made up where it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core import host


def lay(root: Path, **files: str) -> Path:
    """Write files below *root*; ``__`` in a name is a slash."""
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_computer_that_tells_nothing_is_unknown(tmp_path: Path) -> None:
    looks = (host.temperature, host.undervoltage, host.card_wear, host.memory)
    assert [look(tmp_path) for look in looks] == [None] * 4


def test_the_hottest_zone_counts(tmp_path: Path) -> None:
    zones = "sys__class__thermal__thermal_zone"
    lay(tmp_path, **{f"{zones}0__temp": "48312\n", f"{zones}1__temp": "61000\n", f"{zones}2__temp": "n/a"})
    assert host.temperature(tmp_path) == 61.0


@pytest.mark.parametrize(("alarm", "weak"), [("0", False), ("1", True)])
def test_a_raspberry_pi_tells_of_a_weak_supply(tmp_path: Path, alarm: str, weak: bool) -> None:
    sensor = "sys__class__hwmon__hwmon1__"
    lay(tmp_path, **{f"{sensor}name": "rpi_volt\n", f"{sensor}in0_lcrit_alarm": alarm})
    assert host.undervoltage(tmp_path) is weak


def test_other_sensors_are_not_asked_whether_the_supply_is_weak(tmp_path: Path) -> None:
    sensor = "sys__class__hwmon__hwmon0__"
    lay(tmp_path, **{f"{sensor}name": "nvme\n", f"{sensor}in0_lcrit_alarm": "1"})
    assert host.undervoltage(tmp_path) is None


@pytest.mark.parametrize(
    ("said", "share"),
    [("0x01 0x03", 0.3), ("0x0b 0x01", 1.1), ("0x00 0x00", None), ("n/a 0x02", 0.2), ("", None)],
)
def test_an_emmc_tells_how_worn_it_is(tmp_path: Path, said: str, share: float | None) -> None:
    lay(tmp_path, sys__block__mmcblk0__device__life_time=said)
    assert host.card_wear(tmp_path) == share


def test_memory_is_told_in_bytes(tmp_path: Path) -> None:
    lay(tmp_path, proc__meminfo="MemTotal: 1000 kB\nMemFree:\nMemAvailable:  250 kB\n")
    assert host.memory(tmp_path) == (1_024_000.0, 256_000.0)


def test_this_computer_tells_its_memory() -> None:
    found = host.memory()
    assert found is not None
    assert found[0] >= found[1] > 0
