"""A year of ledger is verified while somebody waits."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.core.message import Message
from agent.outbox.ledger import verify
from agent.outbox.outbox import FILE
from agent.outbox.row import Draft
from agent.outbox.store import Store
from agent.outbox.work import Work
from tests.agent.outbox.scenes import START

MINUTES = 365 * 24 * 60
AT_ONCE = 5000
BODY = (
    b'{"v":1,"k":"batch","e":42,"s":1000,"t":"2026-11-21T20:00:00Z","w":60,"c":["p","n","mean","min","max"],'
    b'"r":[["ahu1.supply_temp",12,21.62,19.15,25.65]]}'
)


@pytest.mark.long
def test_a_year_of_a_row_a_minute_is_verified_in_ten_seconds(tmp_path: Path) -> None:
    store = Store(tmp_path / FILE, 2 << 30)
    store.open(lambda: "3f9c0a1b")
    store.commit(Work(routes={1: "city.climate"}))
    message = Message(
        topic="citygate/1/vaasa/library/gw1/d/climate", body=BODY, kind="batch",
        user=(("id", "gw1/42/climate/1000"), ("policy", "3b683cb786f6")),
    )  # fmt: skip
    for begin in range(0, MINUTES, AT_ONCE):
        drafts = [
            Draft(
                route=1, epoch=42, seq=n + 1, message=message, policy="3b683cb786f6", made=START + 60.0 * n,
                boot=60.0 * n, expires=START + 60.0 * n + 400 * 86400.0,
            )
            for n in range(begin, min(begin + AT_ONCE, MINUTES))
        ]  # fmt: skip
        store.commit(Work(rows=tuple(drafts)))
    store.close()
    begun = time.process_time()  # other work on this computer is no work of ours
    found = verify(tmp_path / FILE)
    took = time.process_time() - begun
    print(f"{found.rows} rows verified in {took:.1f} s ({took / found.rows * 1e6:.1f} us each)")  # noqa: T201
    assert (found.rows, found.faults) == (MINUTES, ())
    assert took < 10.0
