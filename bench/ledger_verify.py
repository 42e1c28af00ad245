"""Time to verify a year of ledger, a row each minute, against reading and hashing the same bodies once.

Run ``python -m bench.ledger_verify`` from the checkout. Rows of two months are written and verified; a year
is what so many more would take, since the walk is from row to row.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from agent.core.message import Message
from agent.outbox.ledger import verify
from agent.outbox.outbox import FILE
from agent.outbox.row import Draft
from agent.outbox.store import Store
from agent.outbox.work import Work
from bench._report import Figure, show

ROWS = 60 * 24 * 60
YEAR = 365 * 24 * 60
AIM_S = 10.0
_AT_ONCE = 4320
_TIMES = 3
_START = 1_795_262_400.0
_BODY = (
    b'{"v":1,"k":"batch","e":42,"s":1000,"t":"2026-11-21T20:00:00Z","w":60,"c":["p","n","mean","min","max"],'
    b'"r":[["ahu1.supply_temp",12,21.62,19.15,25.65]]}'
)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / FILE
        _write(path)
        found = verify(path)
        if found.rows != ROWS or found.faults:
            raise RuntimeError(
                f"{found.rows} rows of {ROWS} and {len(found.faults)} faults: not what was written"
            )
        took, floor = _best(lambda: verify(path)), _best(lambda: _hash(path))
    show([
        Figure(
            name="ledger_verify.year", what="a year of a row a minute", value=took * YEAR / ROWS, unit="s",
            against="reading and hashing the bodies", floor=floor * YEAR / ROWS, aim=AIM_S,
        ),
    ])  # fmt: skip


def _write(path: Path) -> None:
    store = Store(path, 1 << 30)
    store.open(lambda: "3f9c0a1b")
    store.commit(Work(routes={1: "city.climate"}))
    message = Message(
        topic="citygate/1/vaasa/library/gw1/d/climate", body=_BODY, kind="batch",
        user=(("id", "gw1/42/climate/1000"), ("policy", "3b683cb786f6")),
    )  # fmt: skip
    for begin in range(0, ROWS, _AT_ONCE):
        drafts = [
            Draft(
                route=1, epoch=42, seq=n + 1, message=message, policy="3b683cb786f6", made=_START + 60.0 * n,
                boot=60.0 * n, expires=_START + 60.0 * n + 400 * 86400.0,
            )
            for n in range(begin, begin + _AT_ONCE)
        ]  # fmt: skip
        store.commit(Work(rows=tuple(drafts)))
    store.close()


def _hash(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for (body,) in db.execute("SELECT body FROM row ORDER BY id"):
            sha256(body).digest()


def _best(work: Callable[[], object]) -> float:
    taken: list[float] = []
    for _ in range(_TIMES):
        begin = time.process_time()
        work()
        taken.append(time.process_time() - begin)
    return min(taken)


if __name__ == "__main__":
    main()
