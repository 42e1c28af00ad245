"""What happens in a run of the comparison, step by step, to all sides at the same moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from bench.peers.books import Span
from bench.peers.field import Trouble
from bench.peers.site import points_of
from bench.peers.stage import Look, Stage

WARM: Final = 20.0
_LEAD: Final = 5.0
_SILENT: Final = 3


class Phase(Struct, frozen=True, kw_only=True):
    """One step: *act* breaks something, lets it last and mends it; then everybody has *settle* seconds."""

    name: str
    what: str
    act: Callable[[Stage], None]
    settle: float
    spared: frozenset[int] = frozenset()


class Seen(Struct, frozen=True, kw_only=True):
    """A step that was made, and what each side had asked, cost and sent before and after the fault in it."""

    span: Span
    what: str
    before: list[Look]
    after: list[Look]


def _calm(stage: Stage) -> None:
    stage.pause(60)


def _late(stage: Stage) -> None:
    stage.trouble(Trouble(late=True))
    stage.pause(45)
    stage.trouble(Trouble())


def _silent(stage: Stage) -> None:
    stage.trouble(Trouble(silent=_SILENT))
    stage.pause(30)
    stage.trouble(Trouble())


def _refused(stage: Stage) -> None:
    stage.trouble(Trouble(refused=True))
    stage.pause(10)
    stage.trouble(Trouble())


def _away(stage: Stage) -> None:
    stage.way("cut")
    stage.pause(60)
    stage.way("ok")


def _hole(stage: Stage) -> None:
    stage.way("hole")
    stage.pause(60)
    stage.way("ok")


def _killed(stage: Stage) -> None:
    stage.kill()
    stage.pause(3)
    stage.start()


def _killed_away(stage: Stage) -> None:
    stage.way("cut")
    stage.pause(15)
    stage.kill()
    stage.pause(3)
    stage.start()
    stage.pause(12)
    stage.way("ok")


def _restarted(stage: Stage) -> None:
    stage.brokers(up=False)
    stage.pause(3)
    stage.brokers(up=True)


PHASES: Final = (
    Phase(name="calm", what="nothing happens for 60 s", act=_calm, settle=0),
    Phase(name="late", what="for 45 s one reply in twenty comes late", act=_late, settle=5),
    Phase(
        name="silent", what="one unit of fifteen is silent for 30 s", act=_silent, settle=30,
        spared=frozenset(points_of(f"d{_SILENT}")),
    ),
    Phase(name="refused", what="the devices cut and refuse connections for 10 s", act=_refused, settle=20),
    Phase(name="away", what="the broker is away for 60 s", act=_away, settle=30),
    Phase(name="killed", what="`kill -9`, and started again after 3 s", act=_killed, settle=15),
    Phase(
        name="killed_away", what="the broker is away for 30 s, `kill -9` in between", act=_killed_away,
        settle=20,
    ),
    Phase(name="restarted", what="the broker is stopped and started within 3 s", act=_restarted, settle=12),
    Phase(name="hole", what="60 s without a word, the connection open", act=_hole, settle=135),
)  # fmt: skip


def run(stage: Stage, phases: Sequence[Phase], tell: Callable[[str], None]) -> Iterator[Seen]:
    """Make the steps, and *tell* of each; each ends where the next begins."""
    end = time.time()
    for number, phase in enumerate(phases, 1):
        tell(f"{number} of {len(phases)}: {phase.what}, and then {phase.settle:g} s")
        begin = end
        if phase.settle:
            stage.pause(_LEAD)  # what a fault takes from the time before it is charged to it
        before = stage.look()
        phase.act(stage)
        mended, after = time.time(), stage.look()
        stage.pause(phase.settle)
        end = time.time()
        span = Span(
            name=phase.name, begin=begin, end=end,
            mended=mended if phase.settle else 0.0, spared=phase.spared,
        )  # fmt: skip
        yield Seen(span=span, what=phase.what, before=before, after=after)
