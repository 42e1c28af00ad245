"""CPU of a draw of exact discrete Laplace noise, against the randomness that the least draw would need.

Run ``python -m bench.noise`` from the checkout; prints a table and one JSON line per figure.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial

from agent.privacy.laplace import discrete_laplace
from bench._report import Figure, show

DRAWS = 4000
TIMES = 5
AIM_US = 60.0
SCALES = (Fraction(1), Fraction(2), Fraction(10, 3), Fraction(40))


def main() -> None:
    """Measure each scale and print it."""
    floor = best(partial(secrets.randbelow, 2)) * 1e6
    show([
        Figure(
            name=f"noise.scale_{scale.numerator}_{scale.denominator}", what=f"a draw of scale {scale}",
            value=best(partial(discrete_laplace, scale, secrets.randbelow)) * 1e6, unit="us",
            against="one secrets.randbelow(2)", floor=floor, aim=AIM_US,
        )
        for scale in SCALES
    ])  # fmt: skip


def best(draw: Callable[[], object]) -> float:
    """Give CPU seconds per draw, the best of several runs."""
    taken: list[float] = []
    for _ in range(TIMES):
        begin = time.process_time()
        for _ in range(DRAWS):
            draw()
        taken.append(time.process_time() - begin)
    return min(taken) / DRAWS


if __name__ == "__main__":
    main()
