"""Follows what moves from picture to picture, only so far that a crossing can be told from a jump.

Nothing here has a number or a name: a track is a row of arrays, and rows move up when others end. What counts
keeps its own memory by row and is told which rows stayed. So no identity exists that could be kept or sent.
No picture, no appearance and no path is held: a row is where its box is and how fast it moves.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from agent.core.scene import CLASSES
from pipelines.vision.arrays import Flags, Floats, Ints
from pipelines.vision.assign import assign
from pipelines.vision.boxes import GROUP, Found, overlap
from pipelines.vision.motion import Motion

WEAK: Final = 0.2  # a box of this score may prolong a track
STRONG: Final = 0.45  # and of this one is paired first
CERTAIN: Final = 0.5  # a track begins with at least this
HITS: Final = 3  # a track counts once it was seen so often
LOST: Final = 2.14  # seconds; a track that is not seen for longer ends, but not within
UNSEEN: Final = 4  # pictures
_FAINT: Final = 3  # pictures unseen after which a weak box revives nothing
LONGEST_STEP: Final = 5.0  # seconds; after such a pause nobody is who he was
_NEAR: Final = 0.15  # overlap that pairs a strong box, once both are grown
_NEAR_WEAK: Final = 0.4  # and a weak one, as they are
_SHAKE: Final = 0.15  # how much boxes grow before they are paired: always, and for each second
_KNOWN: Final = 0.7
_FRESH: Final = 1.1
_APART: Final = 10.0  # a cost above all that may be paired


class Moved(NamedTuple):
    """What a picture did to the rows: where each that stayed was before, and how many began after them."""

    stayed: Ints
    began: int


class Tracker:
    """The tracks of one camera; ``seen`` marks those that count and were found in the latest picture."""

    def __init__(self) -> None:
        self._motion = Motion()
        self._unseen = np.zeros(0, np.intp)  # pictures since last found
        self._lost = np.zeros(0)  # seconds since
        self._hits = np.zeros(0, np.intp)
        self._votes = np.zeros((0, len(CLASSES)))

    @property
    def boxes(self) -> Floats:
        """Where the tracks are."""
        return self._motion.boxes()

    @property
    def kinds(self) -> Ints:
        """What each was taken for most surely: places in ``CLASSES``."""
        return np.asarray(self._votes.argmax(axis=1))

    @property
    def sure(self) -> Flags:
        """Which were found often enough to count."""
        return np.asarray(self._hits >= HITS)

    @property
    def found(self) -> Flags:
        """Which were found in the latest picture."""
        return np.asarray(self._unseen == 0)

    def update(self, found: Found, seconds: float) -> Moved:
        """Take what was found *seconds* after the picture before."""
        before = len(self._motion)
        if seconds > LONGEST_STEP:
            self._keep(np.zeros(before, np.bool_))
            return Moved(np.zeros(0, np.intp), self._begin(found, np.flatnonzero(found.scores >= CERTAIN)))
        self._motion.predict(seconds)
        self._unseen, self._lost = self._unseen + 1, self._lost + seconds
        strong = np.flatnonzero(found.scores >= STRONG)
        weak = np.flatnonzero((found.scores < STRONG) & (found.scores >= WEAK))
        rows, taken = self._pair(np.arange(before), strong, found, least=_NEAR, grown=self._grown(seconds))
        left = self._unseen <= _FAINT
        left[rows] = False
        more_rows, more = self._pair(np.flatnonzero(left), weak, found, least=_NEAR_WEAK)
        self._correct(np.concatenate([rows, more_rows]), np.concatenate([taken, more]), found)
        alive = (self._lost <= LOST) | (self._unseen <= UNSEEN)
        stay = alive & ((self._hits >= HITS) | (self._unseen <= 1))
        self._keep(stay)
        new = found.scores >= CERTAIN
        new[taken] = False
        return Moved(np.flatnonzero(stay), self._begin(found, np.flatnonzero(new)))

    def _grown(self, seconds: float) -> Floats:
        """Say by which share of its size a track's box grows before it is paired, for each row."""
        # one of unknown speed may have gone anywhere that somebody can walk in this time
        return np.where(self._hits == 1, _FRESH, _KNOWN) * seconds + _SHAKE

    def _pair(
        self, rows: Ints, boxes: Ints, found: Found, *, least: float, grown: Floats | None = None
    ) -> tuple[Ints, Ints]:
        """Pair *rows* with the found *boxes* that they overlap, both *grown* or as they are, by *least*."""
        if not len(rows) or not len(boxes):
            return rows[:0], boxes[:0]
        near = overlap(self._motion.boxes()[rows], found.boxes[boxes], grown)
        near[GROUP[self.kinds[rows]][:, None] != GROUP[found.kinds[boxes]][None]] = 0.0
        one, other = _paired(near, least)
        return rows[one], boxes[other]

    def _correct(self, rows: Ints, taken: Ints, found: Found) -> None:
        self._motion.correct(rows, found.boxes[taken])
        self._unseen[rows], self._lost[rows] = 0, 0.0
        self._hits[rows] += 1
        self._votes[rows, found.kinds[taken]] += found.scores[taken]

    def _keep(self, stay: Flags) -> None:
        if stay.all():
            return
        self._motion.keep(stay)
        self._unseen, self._lost = self._unseen[stay], self._lost[stay]
        self._hits, self._votes = self._hits[stay], self._votes[stay]

    def _begin(self, found: Found, which: Ints) -> int:
        """Begin a track for each of *which*; give how many."""
        many = len(which)
        if not many:
            return 0
        self._motion.begin(found.boxes[which])
        self._unseen = np.concatenate([self._unseen, np.zeros(many, np.intp)])
        self._lost = np.concatenate([self._lost, np.zeros(many)])
        self._hits = np.concatenate([self._hits, np.ones(many, np.intp)])
        votes = np.zeros((many, len(CLASSES)))
        votes[np.arange(many), found.kinds[which]] = found.scores[which]
        self._votes = np.vstack([self._votes, votes])
        return many


def _paired(near: Floats, least: float) -> tuple[Ints, Ints]:
    """Pair rows with columns that are near enough, as many and as near as can be."""
    possible = near >= least
    one, other = np.nonzero(possible)
    # most have one choice, and are the one choice of it: nothing is to be weighed there
    plain = (possible.sum(axis=1)[one] == 1) & (possible.sum(axis=0)[other] == 1)
    if plain.all():
        return one, other
    rows, columns = np.unique(one[~plain]), np.unique(other[~plain])
    knot = near[np.ix_(rows, columns)]
    first, second = assign(np.where(knot >= least, 1 - knot, _APART))
    right = knot[first, second] >= least
    return (
        np.concatenate([one[plain], rows[first[right]]]),
        np.concatenate([other[plain], columns[second[right]]]),
    )
