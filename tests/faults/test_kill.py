"""Gateway and broker die by SIGKILL at random moments; afterwards the city's books must be whole."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.faults.books import Books
from tests.faults.site import Daemon, until, write_site
from tests.peers import libmodbus
from tests.peers.mosquitto import mosquitto

PRODUCTS = 100  # of one-second windows: 100 rows a second
# This broker keeps nothing: what it acknowledges it has handed on already, and while the city is away it says
# that nobody has subscribed. With a queue for the absent city its own death would lose what it acknowledged.
PASSING_ON = "max_queued_messages 0"


@pytest.mark.parametrize("seed", [1])
def test_no_window_is_lost_undeclared_or_told_twice_when_both_ends_are_killed(
    tmp_path: Path, seed: int
) -> None:
    survive(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", [2, 3, 4, 5])
def test_four_more_histories_of_kills_are_whole_too(tmp_path: Path, seed: int) -> None:
    survive(tmp_path, seed)


def survive(folder: Path, seed: int, *, gateway_kills: int = 10, broker_kills: int = 5) -> None:
    """Hurt a site for a while, let it recover, and compare what came with the calendar."""
    rng = random.Random(seed)
    blows = ["gateway"] * gateway_kills + ["broker"] * broker_kills
    rng.shuffle(blows)
    with libmodbus.serve() as meter, mosquitto(folder, more=PASSING_ON) as broker:
        config = write_site(folder / "etc", meter=meter.port, broker=broker.port, products=PRODUCTS)
        daemon = Daemon(folder, config)
        books = Books(broker.port)
        try:
            daemon.start()
            until(lambda: len(books.windows) == PRODUCTS, seconds=30, what="the first window of each product")
            for blow in blows:
                pause = rng.uniform(0.2, 4.0)  # the moment of the blow is what the seed draws
                time.sleep(pause)
                if blow == "gateway":
                    daemon.kill()
                    daemon.start()
                else:
                    broker.kill()
                    time.sleep(rng.uniform(0.1, 2.0))
                    broker.start()
            healed = int(time.time()) + 3
            until(lambda: books.newest() >= healed, seconds=90, what="recovery")
            until(lambda: not books.undeclared(), seconds=60, what=f"whole books (seed {seed})")
            assert daemon.stop() == 0, daemon.log.read_text()
        finally:
            daemon.close()
            books.close()
    came, lost = sum(len(seen) for seen in books.windows.values()), len(books.holes())
    print(f"seed {seed}: {came} windows came, {lost} declared lost, {books.repeats} repeats dropped")  # noqa: T201
    assert not books.faults
    assert not books.undeclared()
    assert came > PRODUCTS * 10, "the site was hurt so much that the test shows nothing"
