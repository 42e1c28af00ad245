"""Finds the promises by their files and tries them one after the other."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Protocol, cast

from msgspec import Struct

from agent.core.errors import GatewayError
from agent.prove import promises
from agent.prove.outcome import Outcome, State, unenforced
from agent.prove.scene import Scene


class Promise(Protocol):
    """What a file of ``promises`` offers: its docstring begins with the promise, for somebody who asks."""

    __doc__: str
    prove: Callable[[Scene], Outcome]


class Proof(Struct, frozen=True, kw_only=True):
    """One promise put to the test; ``seconds`` is how long that took."""

    name: str
    promise: str
    state: State
    told: tuple[str, ...]
    seconds: float


def names() -> list[str]:
    """List the promises by the names of their files, with hyphens."""
    return sorted(name.replace("_", "-") for _, name, _ in pkgutil.iter_modules(promises.__path__))


def promise(name: str) -> Promise:
    """Import the promise called *name*."""
    return cast("Promise", import_module(f"{promises.__name__}.{name.replace('-', '_')}"))


def try_all(scene: Scene) -> Iterator[Proof]:
    """Try each promise, and give what came of it as soon as it is known."""
    for name in names():
        known = promise(name)
        began = time.monotonic()
        try:
            outcome = known.prove(scene)
        except (GatewayError, OSError) as error:
            outcome = unenforced(f"It could not be tried here: {error}.")
        yield Proof(
            name=name,
            promise=known.__doc__.partition("\n")[0],
            state=outcome.state,
            told=outcome.told,
            seconds=round(time.monotonic() - began, 2),
        )
