"""How much a recipient's broker takes is known over a restart, and written down only when it changes."""

from __future__ import annotations

from agent.outbox.bounds import Bounds


def test_what_a_broker_takes_is_kept_once_and_known_again() -> None:
    bounds = Bounds({"epoch": "1"})
    assert bounds.of("city") == 0
    assert bounds.note("city", 0) == {}
    kept = bounds.note("city", 1000)
    assert kept == {"bound/city": "1000"}
    assert bounds.note("city", 1000) == {}
    again = Bounds(kept)
    assert (again.of("city"), again.of("lab")) == (1000, 0)
    assert again.note("city", 0) == {"bound/city": "0"}
