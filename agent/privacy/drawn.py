"""The mode ``dp`` at work: noise for one slot, drawn beforehand; see ``agent.privacy.guard.Guard``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import groupby

from msgspec.structs import replace

from agent.core.product import Product
from agent.core.record import Aggregate, Record
from agent.privacy.laplace import Below, discrete_laplace
from agent.privacy.noise import noisy


class Drawn:
    """Noise for the next slot, drawn before its figures exist, and slots that found none.

    Only ``prepare`` draws. So when a slot is told does not depend on its noise, however long drawing took.
    """

    def __init__(self, product: Product, below: Below) -> None:
        self._privacy = product.privacy
        self._names = [point.name for point in product.published]
        self._size = len(product.statistics)
        self._below = below
        self._ready: dict[str, list[int]] | None = None
        self._slots: deque[list[Aggregate]] = deque()
        self.prepare()

    @property
    def waiting(self) -> bool:
        """Whether a slot waited for noise that is ready now."""
        return bool(self._slots) and self._ready is not None

    def protect(self, records: Iterable[Record]) -> list[Record]:
        """Give what may be told of *records*, and of what has waited."""
        figures = [one for one in records if isinstance(one, Aggregate)]
        self._slots += [list(slot) for _, slot in groupby(figures, lambda one: one.start)]
        if not self._slots or self._ready is None:
            return []  # several windows at once after a standstill: one at each tick that has noise
        noise, self._ready = self._ready, None
        return [
            noisy(replace(one, parts=()), noise[one.point], self._privacy) for one in self._slots.popleft()
        ]

    def prepare(self) -> None:
        """Draw for the next slot."""
        if self._ready is None:
            scale, below = self._privacy.scale, self._below
            self._ready = {
                name: [discrete_laplace(scale, below) for _ in range(self._size)] for name in self._names
            }

    def finish(self, *, stopping: bool) -> list[Record]:
        """Give what is left to tell at the end."""
        del stopping  # what waits has closed already: the next run could only tell it later
        told: list[Record] = []
        while self._slots:
            self.prepare()
            told += self.protect(())
        return told

    def save(self, *, stopping: bool) -> list[Aggregate]:
        """Give nothing: what waits is told at the end."""
        return []
