"""What only loading needed is given back before pages are locked in, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

from pipelines.vision.jail.pages import droppable

MAPS = """\
1000-3000 r-xp 00000000 fe:00 123    /usr/lib/library.so
Size:                  8 kB
Rss:                   8 kB
Anonymous:             {anonymous} kB
VmFlags: rd ex mr mw me
{start}-6000 {rights} 00000000 {device} {inode}    /usr/lib/library.so
Size:                  8 kB
Anonymous:             0 kB
VmFlags: rd mr mw me
"""
LOADING = """
import json, os
from pathlib import Path
from pipelines.vision.jail import locks
from pipelines.vision.jail.pages import give_back
from pipelines.vision.runtime import library
import av, cv2, numpy as np

def resident(what):
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(what))

library()
table = np.arange(1 << 20, dtype=np.float64)
before, own = resident("Rss:"), resident("Anonymous:")
give_back()
after, still = resident("Rss:"), resident("Anonymous:")
assert np.linalg.inv(np.eye(3)).sum() == 3 and table.sum() == (1 << 19) * ((1 << 20) - 1)
assert cv2.GaussianBlur(np.zeros((9, 9), np.uint8), (5, 5), 0).sum() == 0
print(json.dumps([before, after, own - still]))
"""


def listed(*, anonymous: int = 0, rights: str = "r--p", device: str = "fe:00", inode: int = 123) -> list[int]:
    text = MAPS.format(anonymous=anonymous, start="5000", rights=rights, device=device, inode=inode)
    return [start for start, _ in droppable(text)]


def test_only_a_file_that_is_read_alone_and_has_no_page_of_our_own_is_dropped() -> None:
    assert listed() == [0x1000, 0x5000]
    assert listed(anonymous=4) == [0x5000]
    assert listed(rights="rw-p") == [0x1000]
    assert listed(rights="r--s") == [0x1000]
    assert listed(device="00:00", inode=0) == [0x1000]


def test_half_of_what_loading_took_is_given_back_and_all_goes_on() -> None:
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    before, after, own = json.loads(done.stdout)
    assert after < 0.6 * before
    assert own < 0.2 * before  # the heap's free end at most
