"""A configuration that is twice as large takes twice the work to read, and no more."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType

import pytest

from agent.config.load import load

HEAD = """
[site]
city = "vaasa"
id = "library"
gateway = "gw1"
[owner]
name = "City of Vaasa"
contact = "data@vaasa.example"
"""
DEVICE = """
[link.l{n}]
driver = "modbus-tcp"
host = "127.0.0.1"
port = {port}
[device.d{n}]
link = "l{n}"
[device.d{n}.points]
"""
PRODUCT = """
[product.p{n}]
from = [{wishes}]
window = "1m"
statistics = ["mean"]
"""
POINTS = 12


def work(folder: Path, devices: int, wishes: str) -> int:
    """Count the functions that are called while so many *devices* are read."""
    parts = [HEAD]
    for n in range(devices):
        points = [f"r{one} = {{ addr = {one} }}" for one in range(POINTS)]
        parts += [DEVICE.format(n=n, port=5000 + n), "\n".join(points)]
        said = ", ".join(f'"{wishes.format(n=n, one=one)}"' for one in range(POINTS))
        parts.append(PRODUCT.format(n=n, wishes=said))
    file = folder / "site.toml"
    file.write_text("".join(parts), "utf-8")
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        plan = load(file)
    finally:
        sys.setprofile(before)
    assert [len(one.points) for one in plan.products] == [POINTS] * devices
    return calls


@pytest.mark.parametrize("wishes", ["d{n}.r{one}", "d{n}.*", "d{n}.r{one}*"])
def test_twice_the_devices_are_twice_the_work(tmp_path: Path, wishes: str) -> None:
    work(tmp_path, 1, wishes)  # what is imported is imported once
    small, large = work(tmp_path, 10, wishes), work(tmp_path, 20, wishes)
    assert large < 2.2 * small
