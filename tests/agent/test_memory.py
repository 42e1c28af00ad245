"""The memory of a gateway does not grow with what comes and goes."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator

import pytest

from agent.memory import give_back

_ALIVE: set[int] = set()


class _Circle:
    """Refers to itself, as a connection and its protocol refer to each other."""

    def __init__(self, number: int) -> None:
        self.itself = self
        self.number = number
        _ALIVE.add(number)

    def __del__(self) -> None:
        _ALIVE.discard(self.number)


@pytest.fixture
def whole() -> Iterator[None]:
    """Let this process look at all of its objects again afterwards."""
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("whole")
def test_circles_of_hours_do_not_pile_up_beside_what_a_start_has_left() -> None:
    give_back()
    assert gc.get_freeze_count() > 10_000
    lately: deque[_Circle] = deque(maxlen=50)
    most = 0
    for number in range(300_000):
        lately.append(_Circle(number))
        if number % 1000 == 0:
            most = max(most, len(_ALIVE))
    assert most < 20_000


@pytest.mark.usefixtures("whole")
def test_what_has_become_garbage_since_is_collected_the_next_time() -> None:
    old = [_Circle(-number) for number in range(1, 100)]
    give_back()
    del old
    gc.collect()
    assert -1 in _ALIVE
    give_back()
    assert -1 not in _ALIVE
