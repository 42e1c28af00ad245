"""The driver on real subnets: broadcasts, a router, a broadcast manager, a cable that is pulled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers import missing, need

ROOT = Path(__file__).parents[3]
APART = ("unshare", "--map-root-user", "--net", "--mount")


@pytest.mark.long
def test_devices_are_read_on_real_subnets(tmp_path: Path) -> None:
    need("ip")
    if subprocess.run([*APART, "true"], check=False, stderr=subprocess.DEVNULL).returncode:
        missing("leave to make network namespaces")
    words = [*APART, sys.executable, "-m", "tests.drivers.bacnet.town", str(tmp_path)]
    played = subprocess.run(words, stdout=subprocess.PIPE, cwd=ROOT, check=True, timeout=120)
    found = json.loads(played.stdout)
    value = pytest.approx(20.3)
    assert found["by broadcast"] == [value, ""]
    assert found["by the card's name"] == [value, ""]
    assert found["twice there"] == [None, "duplicate_instance"]
    assert found["out of reach"] == [None, "no_reply"]
    assert found["as foreign device"] == [value, ""]
    first, last, seconds = found["unplugged"]
    assert (first[1], last[1]) == (value, value)
    gone, why = found["without address"]
    assert gone == "no_connection"
    assert why.startswith("this computer has not the address 10.99.0.2 any more")
    assert seconds < 12  # it is asked again after 5 s, then after 10
