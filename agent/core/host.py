"""What the computer says of itself in /sys and /proc: heat, voltage, wear of its card, memory.

Each gives None where this computer does not tell. *root* is ``/``, or another tree in tests.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

ROOT: Final = Path("/")
_WORN: Final = 0x0B  # JESD84-B51: beyond the estimated life


def temperature(root: Path = ROOT) -> float | None:
    """Give the hottest thermal zone in degrees Celsius."""
    found = [_number(one / "temp") for one in (root / "sys/class/thermal").glob("thermal_zone*")]
    return max((one / 1000 for one in found if one is not None), default=None)


def undervoltage(root: Path = ROOT) -> bool | None:
    """Say whether the supply is too weak now; only a Raspberry Pi tells."""
    for one in (root / "sys/class/hwmon").glob("hwmon*"):
        if text(one / "name") == "rpi_volt":
            return _number(one / "in0_lcrit_alarm") == 1
    return None


def card_wear(root: Path = ROOT) -> float | None:
    """Give the share of its life that an eMMC or card says to have behind it, in steps of 0.1."""
    shares = []
    for one in (root / "sys/block").glob("mmcblk*/device/life_time"):
        for word in text(one).split():
            with suppress(ValueError):
                level = int(word, 16)
                if 0 < level <= _WORN:
                    shares.append(level / 10)
    return max(shares, default=None)


def memory(root: Path = ROOT) -> tuple[float, float] | None:
    """Give all memory and what is available of it, in bytes."""
    found = {}
    for line in text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if rest.split()[:1]:
            found[name] = float(rest.split()[0]) * 1024
    if "MemTotal" not in found or "MemAvailable" not in found:
        return None
    return found["MemTotal"], found["MemAvailable"]


def text(path: Path) -> str:
    """Give the text at *path* without blanks around it; nothing where there is none."""
    try:
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(text(path))
    except ValueError:
        return None
